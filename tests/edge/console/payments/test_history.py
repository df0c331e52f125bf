"""Who sees which orders, and credit given by an administrator."""

import asyncio

import pytest
from sqlalchemy import func, select, update

from schema.tables import LedgerEntry, User
from tests.edge.console.conftest import PASSWORD


@pytest.fixture
async def people(shop):
    """Clients of root, of an administrator and of two users; ids 1 to 4."""
    shop.services.snapshots.current.is_set_up = False
    async with shop.visitor() as root, shop.visitor() as boss, shop.visitor() as ann, shop.visitor() as bob:
        await shop.set_up(root)
        for http, name in ((boss, "boss"), (ann, "ann"), (bob, "bob")):
            await http.post("/api/user/register", json={"username": name, "password": PASSWORD})
        async with shop.services.engine.begin() as db:
            await db.execute(update(User).where(User.username == "boss").values(role=10))
        for http, name in ((boss, "boss"), (ann, "ann"), (bob, "bob")):
            await shop.sign_in(http, name)
        yield root, boss, ann, bob


async def test_orders_are_seen_by_their_payer_and_by_administrators(shop, people):
    _, boss, ann, bob = people
    form = await shop.order(ann)
    await shop.order(ann, 20)
    page = (await ann.get("/api/user/topups?page_size=1")).json()["data"]
    assert (page["total"], len(page["items"]), page["items"][0]["amount"]) == (2, 1, 20)
    assert (await bob.get("/api/user/topups")).json()["data"]["items"] == []
    assert (await ann.get("/api/topups")).status_code == 403
    every = (await boss.get("/api/topups")).json()["data"]
    assert (every["total"], every["items"][0]["username"]) == (2, "ann")
    one = (await boss.get("/api/topups", params={"keyword": form["out_trade_no"]})).json()["data"]["items"]
    assert [(row["status"], row["money"], row["provider"], row["quota"]) for row in one] == [
        ("pending", 73.0, "epay", 5_000_000)
    ]
    assert (await boss.get("/api/topups?status=success")).json()["data"]["total"] == 0
    assert (await boss.get("/api/topups?user_id=4")).json()["data"]["total"] == 0


async def test_credit_by_an_administrator_is_a_ledger_entry(shop, people):
    root, boss, ann, _ = people
    grants = [boss.post("/api/topup", json={"user_id": 3, "quota": 100, "remark": "sorry"}) for _ in range(10)]
    assert all(reply.json()["success"] for reply in await asyncio.gather(*grants))
    assert (await root.post("/api/topup", json={"user_id": 3, "quota": -300})).json()["success"]
    async with shop.services.engine.connect() as db:
        of_ann = LedgerEntry.user_id == 3
        total = (await db.execute(select(func.sum(LedgerEntry.delta)).where(of_ann))).scalar_one()
        entry = (await db.execute(select(LedgerEntry.actor, LedgerEntry.reason).where(of_ann).limit(1))).one()
    assert (await ann.get("/api/user/self")).json()["data"]["quota"] == total == 700
    assert tuple(entry) == ("user:2", "sorry")


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        (1, {"user_id": 3, "quota": -1}, "forbidden"),
        (1, {"user_id": 1, "quota": 5}, "user_out_of_reach"),
        (1, {"user_id": 2, "quota": 5}, "user_out_of_reach"),
        (1, {"user_id": 99, "quota": 5}, "user_not_found"),
        (0, {"user_id": 3, "quota": 0}, "quota_invalid"),
        (0, {"user_id": 3, "quota": 10**16}, "quota_invalid"),
        (2, {"user_id": 3, "quota": 5}, "forbidden"),
        (0, {"user_id": 3, "quota": "5"}, "invalid_body"),
    ],
)
async def test_credits_that_are_refused(people, who, body, code):
    assert (await people[who].post("/api/topup", json=body)).json()["code"] == code
