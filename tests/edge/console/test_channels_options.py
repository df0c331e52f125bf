"""Channels and settings over the management API: what is stored, what never leaves, who may."""

import pytest
from sqlalchemy import select

from schema.tables import Ability, Channel, OptionRow

CHANNEL = {"type": 1, "name": "c", "key": "sk-one\n\nsk-two", "models": "gpt-4o, gpt-4o-mini", "group": "default,vip"}


async def channels_of(console):
    async with console.services.engine.connect() as db:
        return (await db.execute(select(*Channel.__table__.columns).order_by(Channel.id))).all()


async def test_one_channel_per_line_of_the_key_sealed_and_never_shown(console):
    async with console.visitor() as http:
        await console.set_up(http)
        reply = (await http.post("/api/channel/", json=CHANNEL)).json()
        assert reply["success"] and len(reply["data"]) == 2
        rows = await channels_of(console)
        assert [console.services.vault.unseal(row.key) for row in rows] == ["sk-one", "sk-two"]
        assert all(row.key.startswith("enc1:") and row.provider == "openai" for row in rows)
        for path in ("/api/channel/", "/api/channel/search?keyword=c", f"/api/channel/{reply['data'][0]}"):
            text = (await http.get(path)).text
            assert "sk-one" not in text and "enc1:" not in text
        listed = (await http.get("/api/channel/?envelope=1")).json()["data"]
        assert (listed["total"], listed["items"][0]["models"]) == (2, "gpt-4o,gpt-4o-mini")
        async with console.services.engine.connect() as db:
            abilities = (await db.execute(select(Ability.group, Ability.model, Ability.channel_id))).all()
        assert len(abilities) == 8  # two channels, two groups, two models
        key = (await http.post(f"/api/channel/{reply['data'][0]}/key", json={})).json()
        assert key["data"] == {"key": "sk-one"}


async def test_partial_edits_tags_copies_and_deletion(console):
    async with console.visitor() as http:
        await console.set_up(http)
        first, second = (await http.post("/api/channel/", json=CHANNEL)).json()["data"]
        edited = (await http.put("/api/channel/", json={"id": first, "priority": 5, "name": "", "models": ""})).json()
        assert (edited["data"]["priority"], edited["data"]["name"], edited["data"]["models"]) == (
            5, "c", "gpt-4o,gpt-4o-mini",
        )  # fmt: skip
        assert (await http.post("/api/channel/batch/tag", json={"ids": [first, second], "tag": "t"})).json()[
            "data"
        ] == 2
        await http.post("/api/channel/tag/disabled", json={"tag": "t"})
        assert {row.status for row in await channels_of(console)} == {2}
        copy = (await http.post(f"/api/channel/copy/{first}?suffix=_2")).json()["data"]["id"]
        rows = {row.id: row for row in await channels_of(console)}
        assert (rows[copy].key, rows[copy].name, rows[copy].status) == (rows[first].key, "c_2", 2)
        await http.post("/api/channel/tag/enabled", json={"tag": "t"})
        assert (await http.post("/api/channel/fix")).json()["data"] == 3
        assert (await http.delete("/api/channel/disabled")).json()["data"] == 0  # the copy has the tag as well
        assert (await http.post("/api/channel/batch", json={"ids": [first, second, copy]})).json()["data"] == 3
        assert await channels_of(console) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": " \n "}, "key_required"),
        ({"models": ""}, "models_required"),
        ({"setting": "[]"}, "invalid_json"),
        ({"model_mapping": "{"}, "invalid_json"),
        ({"setting": '{"cache_ratio": 2}'}, "invalid_cache_ratio"),
        ({"base_url": "ftp://x"}, "invalid_base_url"),
        ({"type": 41, "other": ""}, "vertex_region"),
        ({"type": 36}, "base_url_required"),
        ({"type": 5, "base_url": " "}, "base_url_required"),
        ({"status": 9}, "invalid_status"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(console, change, code):
    async with console.visitor() as http:
        await console.set_up(http)
        reply = (await http.post("/api/channel/", json={**CHANNEL, **change})).json()
        assert (reply["success"], reply["code"]) == (False, code)
        assert await channels_of(console) == []


async def test_an_admin_cannot_send_a_stored_key_to_another_address(console):
    async with console.visitor() as http:
        await console.set_up(http)
        channel = (await http.post("/api/channel/", json=CHANNEL)).json()["data"][0]
        admin = {"username": "admin1", "password": "a good password", "role": 10}
        assert (await http.post("/api/user/", json=admin)).json()["success"]
    async with console.visitor() as http:
        await console.sign_in(http, "admin1")
        for change in (
            {"base_url": "http://evil.example"},
            {"type": 14},
            {"setting": '{"proxy":"http://evil.example"}'},
        ):
            reply = (await http.put("/api/channel/", json={"id": channel, **change})).json()
            assert reply["code"] == "key_required_again", reply
        assert (await http.put("/api/channel/", json={"id": channel, "weight": 3})).json()["success"]
        assert (await http.post(f"/api/channel/{channel}/key", json={})).status_code == 403
        assert (await http.get("/api/option/")).status_code == 403


async def test_settings_are_validated_sealed_and_hidden(console):
    async with console.visitor() as http:
        await console.set_up(http)
        good = (await http.put("/api/option/", json={"key": "RetryTimes", "value": 3})).json()
        assert good["success"], good
        for key, value, code in [
            ("RetryTimes", "many", "option_invalid"),
            ("GroupRatio", '{"default": -1}', "option_invalid"),
            ("ModelRatio", "{", "option_invalid"),
            ("NoSuchThing", "1", "option_unknown"),
            ("GitHubOAuthEnabled", True, "option_needs"),
        ]:
            reply = (await http.put("/api/option/", json={"key": key, "value": value})).json()
            assert (reply["success"], reply["code"]) == (False, code)
        await http.put("/api/option/", json={"key": "SMTPToken", "value": "hush-hush"})
        assert "hush-hush" not in (await http.get("/api/option/?with_secrets_state=1")).text
        async with console.services.engine.connect() as db:
            rows = dict((await db.execute(select(OptionRow.key, OptionRow.value))).tuples().all())
        assert console.services.vault.unseal(rows["SMTPToken"]) == "hush-hush" != rows["SMTPToken"]
        shown = {item["key"]: item["value"] for item in (await http.get("/api/option/")).json()["data"]}
        assert shown["RetryTimes"] == "3" and "SMTPToken" not in shown
        items = [{"key": "RetryTimes", "value": "5"}, {"key": "Price", "value": "x"}]
        assert not (await http.put("/api/option/batch", json={"items": items})).json()["success"]
        shown = {item["key"]: item["value"] for item in (await http.get("/api/option/")).json()["data"]}
        assert shown["RetryTimes"] == "3"  # all or nothing
        assert (await http.get("/api/group/")).json()["data"] == ["default", "svip", "vip"]
