"""Whoever edits something saw it a moment ago: no edit writes back a balance or a counter that has moved since."""

import json

from sqlalchemy import update

from schema.ledger.entries import post
from schema.tables import Channel, Token, User
from tests.edge.console.conftest import PASSWORD

CHANNEL = {"type": 1, "name": "c", "key": "sk-one", "models": "gpt-4o", "group": "default"}


async def test_every_edit_with_what_was_seen_before_a_call_was_charged(console):
    async with console.visitor() as root, console.visitor() as ann:
        await console.set_up(root)
        made = (await root.post("/api/user/", json={"username": "ann", "password": PASSWORD})).json()["data"]
        await root.put("/api/user/", json={"id": made["id"], "username": "ann", "quota": 1000})
        await console.sign_in(ann, "ann")
        token = (await ann.post("/api/token/", json={"name": "one", "remain_quota": 800})).json()["data"]
        (channel_id,) = (await root.post("/api/channel/", json=CHANNEL)).json()["data"]
        seen_self = (await ann.get("/api/user/self")).json()["data"]
        seen_user = (await root.get(f"/api/user/{made['id']}")).json()["data"]
        seen_token = (await ann.get(f"/api/token/{token['id']}")).json()["data"]
        seen_channel = (await root.get(f"/api/channel/{channel_id}")).json()["data"]
        assert (seen_self["quota"], seen_token["remain_quota"], seen_channel["used_quota"]) == (1000, 800, 0)

        async with console.services.engine.begin() as db:  # what a worker does meanwhile
            await post(
                db,
                kind="settle",
                reference="r1",
                user_id=made["id"],
                delta=-400,
                token_id=token["id"],
                token_delta=-400,
            )
            await db.execute(update(User).where(User.id == made["id"]).values(used_quota=400, request_count=1))
            await db.execute(update(Token).where(Token.id == token["id"]).values(used_quota=400))
            await db.execute(update(Channel).where(Channel.id == channel_id).values(used_quota=400))

        await ann.put("/api/user/self", json={**seen_self, "display_name": "Ann"})
        await ann.put("/api/user/setting", json={"notify_type": "email", "quota_warning_threshold": 5})
        await ann.get("/api/user/token")
        await ann.put("/api/token/?status_only=true", json={**seen_token, "status": 2})
        await ann.put("/api/token/", json={"id": token["id"], "name": "other"})
        await root.post("/api/user/manage", json={"id": made["id"], "username": "ann", "action": "disable"})
        await root.post("/api/user/manage", json={"id": made["id"], "username": "ann", "action": "enable"})
        await root.put("/api/channel/", json={**seen_channel, "key": "", "name": "other", "status": 2})
        edited = {"id": made["id"], "username": "ann", "group": "vip", "quota_seen": seen_user["quota"]}
        moved = await root.put("/api/user/", json={**edited, "quota": 2000})
        assert (moved.status_code, moved.json()["code"]) == (409, "quota_moved"), "an absolute balance from an old page"
        await root.put("/api/user/", json={"id": made["id"], "username": "ann", "group": "vip"})

        account = (await root.get(f"/api/user/{made['id']}")).json()["data"]
        assert (account["quota"], account["used_quota"], account["request_count"], account["group"]) == (
            600,
            400,
            1,
            "vip",
        )
        async with console.services.engine.connect() as db:
            left = (await db.execute(Token.__table__.select())).one()
            charged = (await db.execute(Channel.__table__.select())).one()
        assert (left.remain_quota, left.used_quota, left.name) == (400, 400, "other")
        assert (charged.used_quota, charged.name, charged.status) == (400, "other", 2)


async def test_a_setting_that_somebody_else_changed_meanwhile_is_a_conflict(console):
    async with console.visitor() as root, console.visitor() as other:
        await console.set_up(root)
        await console.sign_in(other, "root")

        async def read(http, key):
            options = (await http.get("/api/option/?with_secrets_state=true")).json()["data"]
            return next(option for option in options if option["key"] == key)

        seen = await read(root, "RetryTimes")
        assert (seen["value"], seen["version"]) == ("0", "")
        first = {"key": "RetryTimes", "value": "3", "version": seen["version"]}
        assert (await other.put("/api/option/", json=first)).json()["success"]
        items = [
            {"key": "SystemName", "value": "Mine"},
            {"key": "RetryTimes", "value": "5", "version": seen["version"]},
        ]
        refused = await root.put("/api/option/batch", json={"items": items})
        body = refused.json()
        assert (refused.status_code, body["code"]) == (409, "option_moved")
        assert (body["params"]["key"], body["params"]["by"]) == ("RetryTimes", "root")
        assert (await read(root, "SystemName"))["value"] != "Mine", "all or nothing"
        now = await read(root, "RetryTimes")
        items[1]["version"] = now["version"]
        assert (await root.put("/api/option/batch", json={"items": items})).json()["success"]
        assert (await root.put("/api/option/", json={"key": "RetryTimes", "value": "7"})).json()["success"], "as ever"
        assert (await root.put("/api/option/", json={"key": "RetryTimes", "value": None})).json()["success"]
        assert await read(root, "RetryTimes") == seen, "null goes back to the default"

        secret = await read(root, "SMTPToken")
        written = {"key": "SMTPToken", "value": "hush", "version": secret["version"]}
        assert (await other.put("/api/option/", json=written)).json()["success"]
        assert (await root.put("/api/option/", json=written)).json()["code"] == "option_moved"
        assert "hush" not in (await root.get("/api/option/?with_secrets_state=true")).text


async def test_the_audit_of_a_table_keeps_what_differs(console):
    async with console.visitor() as root:
        await console.set_up(root)
        ratios = {"default": 1, "vip": 1, "svip": 0.5}
        await root.put("/api/option/", json={"key": "GroupRatio", "value": json.dumps(ratios)})
        entry = (await root.get("/api/audit?target=option:GroupRatio")).json()["data"]["items"][0]
        assert (entry["before"], entry["after"]) == ({"svip": 1}, {"svip": 0.5})
