"""Tokens belong to their owner; codes are redeemed once however many try."""

import asyncio
import time

import pytest
from sqlalchemy import func, insert, select, update

from schema.tables import LedgerEntry, Log, Redemption, Token, User
from tests.edge.console.conftest import PASSWORD


@pytest.fixture
async def people(console):
    """Clients of root and of two ordinary users."""
    async with console.visitor() as root, console.visitor() as ann, console.visitor() as bob:
        await console.set_up(root)
        for http, name in ((ann, "ann"), (bob, "bob")):
            assert (await http.post("/api/user/register", json={"username": name, "password": PASSWORD})).json()[
                "success"
            ]
            await console.sign_in(http, name)
        yield root, ann, bob


async def test_token_from_making_to_deleting(console, people):
    _, ann, _ = people
    body = {"name": "one", "remain_quota": 700, "user_id": 1, "used_quota": -5, "key": "mine"}
    token = (await ann.post("/api/token/", json=body)).json()["data"]
    assert (len(token["key"]), token["remain_quota"], token["used_quota"], token["expired_time"]) == (48, 700, 0, -1)
    assert [row["id"] for row in (await ann.get("/api/token/?p=0&size=10")).json()["data"]] == [token["id"]]
    assert [row["id"] for row in (await ann.get("/api/token/search?keyword=on")).json()["data"]] == [token["id"]]
    assert (await ann.get("/api/token/search?keyword=%25")).json()["data"] == []
    changed = (await ann.put("/api/token/", json={"id": token["id"], "remain_quota": 300})).json()["data"]
    assert (changed["name"], changed["remain_quota"]) == ("one", 300)
    off = (await ann.put("/api/token/?status_only=true", json={"id": token["id"], "status": 2})).json()["data"]
    assert off["status"] == 2
    assert (await ann.post(f"/api/token/{token['id']}/key")).json()["data"]["key"] == token["key"]
    assert (await ann.delete(f"/api/token/{token['id']}")).json()["success"]
    assert (await ann.get(f"/api/token/{token['id']}")).json()["code"] == "token_not_found"
    async with console.services.engine.connect() as db:
        moved = (await db.execute(select(func.sum(LedgerEntry.token_delta)))).scalar_one()
        assert moved == (await db.execute(select(Token.remain_quota))).scalar_one() == 300


async def test_a_search_is_whole_unless_pages_are_asked_for(people):
    """As in new-api all that is found comes in one list; with `size` in pages that count from 0, as in the list of tokens."""
    _, ann, _ = people
    ids = [(await ann.post("/api/token/", json={"name": f"one {number}"})).json()["data"]["id"] for number in range(23)]
    await ann.post("/api/token/", json={"name": "other"})
    newest = ids[::-1]

    async def found(**asked):
        reply = await ann.get("/api/token/search", params={"keyword": "one", **asked})
        return [row["id"] for row in reply.json()["data"]], reply.headers

    rows, headers = await found()
    assert (rows, headers["x-total-count"], "link" in headers) == (newest, "23", False)
    rows, headers = await found(size=10)
    assert (rows, headers["x-total-count"]) == (newest[:10], "23")
    assert headers["link"] == '</api/token/search?keyword=one&size=10&p=1>; rel="next"'
    rows, headers = await found(size=10, p=2)
    assert (rows, "link" in headers) == (newest[20:], False)
    page = (await ann.get("/api/token/search?keyword=one&p=1&size=5&envelope=1")).json()["data"]
    assert [row["id"] for row in page["items"]] == newest[5:10]
    assert (page["total"], page["page"], page["page_size"]) == (23, 1, 5)


async def test_tokens_of_others_do_not_exist(people):
    root, ann, bob = people
    token = (await ann.post("/api/token/", json={"name": "one"})).json()["data"]
    for http in (root, bob):
        replies = [
            await http.get(f"/api/token/{token['id']}"),
            await http.put("/api/token/", json={"id": token["id"], "name": "x"}),
            await http.put("/api/token/?status_only=1", json={"id": token["id"], "status": 2}),
            await http.delete(f"/api/token/{token['id']}"),
            await http.post(f"/api/token/{token['id']}/key"),
        ]
        assert {reply.json().get("code") for reply in replies} == {"token_not_found"}
        report = (await http.post("/api/token/batch", json={"ids": [token["id"]], "action": "delete"})).json()["data"]
        assert report["succeeded"] == []
    assert (await ann.get(f"/api/token/{token['id']}")).json()["data"]["name"] == "one"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"name": ""}, "name_length"),
        ({"remain_quota": -1}, "quota_invalid"),
        ({"expired_time": 5}, "expiry_past"),
        ({"allow_ips": "10.0.0.0/8, nonsense"}, "ip_invalid"),
        ({"group": "secret"}, "group_not_allowed"),
    ],
)
async def test_bad_tokens_are_refused(people, wrong, code):
    assert (await people[1].post("/api/token/", json={"name": "one", **wrong})).json()["code"] == code


async def test_the_group_auto_is_offered_where_the_option_is_in_use(console, people):
    ann = people[1]
    body = {"name": "one", "group": "auto"}
    assert (await ann.post("/api/token/", json=body)).json()["code"] == "group_not_allowed"
    assert "auto" not in (await ann.get("/api/user/self/groups")).json()["data"]
    console.set_options(AutoGroups='["gone"]')  # stands for nothing
    assert (await ann.post("/api/token/", json=body)).json()["code"] == "group_not_allowed"
    console.set_options(AutoGroups='["vip","default"]', GroupRatio='{"vip":2,"default":1}')
    assert (await ann.post("/api/token/", json=body)).json()["data"]["group"] == "auto"
    groups = (await ann.get("/api/user/self/groups")).json()["data"]
    assert groups["auto"] == {"ratio": 2, "desc": "vip → default"}


async def test_keys_are_masked_when_the_operator_says_so(console, people):
    ann = people[1]
    token = (await ann.post("/api/token/", json={"name": "one"})).json()["data"]
    console.set_options(LegacyTokenKeysInLists="false")
    listed = (await ann.get("/api/token/")).json()["data"][0]
    assert listed["key"] == token["key"][:4] + "*" * 10 + token["key"][-4:]


async def test_one_of_forty_redeemers_wins(console, people):
    root, ann, bob = people
    made = (await root.post("/api/redemption/", json={"name": "gift", "count": 2, "quota": 900})).json()["data"]
    assert [len(key) for key in made] == [32, 32]
    replies = await asyncio.gather(
        *(http.post("/api/user/topup", json={"key": made[0]}) for _ in range(20) for http in (ann, bob))
    )
    assert sum(reply.json()["success"] for reply in replies) == 1
    async with console.services.engine.connect() as db:
        assert (await db.execute(select(func.sum(User.quota)).where(User.role == 1))).scalar_one() == 900
        booked = select(func.sum(LedgerEntry.delta)).where(LedgerEntry.kind == "redeem")
        assert (await db.execute(booked)).scalar_one() == 900


async def test_used_and_expired_codes(console, people):
    root, ann, _ = people
    first, second = (await root.post("/api/redemption/", json={"name": "gift", "count": 2, "quota": 900})).json()[
        "data"
    ]
    async with console.services.engine.begin() as db:
        await db.execute(update(Redemption).where(Redemption.key == second).values(expired_time=5))
    assert (await ann.post("/api/user/topup", json={"key": first})).json()["data"] == 900
    assert (await ann.post("/api/user/topup", json={"key": second})).json()["code"] == "redemption_failed"
    rows = (await root.get("/api/redemption/")).json()["data"]
    used = next(row["id"] for row in rows["items"] if row["key"] == first)
    assert rows["total"] == 2
    assert (await root.put("/api/redemption/", json={"id": used, "quota": 5})).json()["code"] == "redemption_used"


async def test_users_are_not_admins(people):
    _, ann, _ = people
    assert (await ann.get("/api/redemption/")).status_code == 403
    assert (await ann.post("/api/redemption/", json={"name": "x", "quota": 5})).status_code == 403


async def test_names_of_one_api(console):
    """`models` of a token is its list of models; a channel is found by its whole key; the week by day and model."""
    async with console.visitor() as http:
        await console.set_up(http)
        token = (await http.post("/api/token/", json={"name": "t", "models": "gpt-4o,o1"})).json()["data"]
        assert (token["model_limits"], token["model_limits_enabled"]) == ("gpt-4o,o1", True)
        channel = {"type": 1, "key": "sk-the-whole-key", "models": "gpt-4o", "name": "c"}
        [made] = (await http.post("/api/channel/", json=channel)).json()["data"]
        for keyword, found in (("sk-the-whole-key", [made]), ("sk-the-whole-ke", []), ("key", [])):
            rows = (await http.get("/api/channel/search", params={"keyword": keyword})).json()["data"]
            assert [row["id"] for row in rows] == found
        now = int(time.time())
        row = {"user_id": 1, "type": 2, "created_at": now, "model_name": "gpt-4o", "quota": 3, "prompt_tokens": 2}
        async with console.services.engine.begin() as db:
            await db.execute(insert(Log), [row, row, {**row, "created_at": now - 8 * 86_400}, {**row, "user_id": 2}])
        [day] = (await http.get("/api/user/dashboard")).json()["data"]
        assert {name: day[name] for name in ("ModelName", "RequestCount", "Quota", "PromptTokens", "CompletionTokens")} == {
            "ModelName": "gpt-4o", "RequestCount": 2, "Quota": 6, "PromptTokens": 4, "CompletionTokens": 0,
        }  # fmt: skip
        assert day["Day"] == time.strftime("%Y-%m-%d", time.gmtime(now))
