"""The same thing many times at once, on three databases: one of them counts, and the ledger equals the balances."""

import asyncio

from sqlalchemy import func, select

from schema.ledger.connection import over_redis_py
from schema.ledger.entries import post
from schema.tables import LedgerEntry, Token, User
from tests.edge.console.conftest import PASSWORD
from tests.edge.console.payments.conftest import (  # noqa: F401
    any_shop,
    event,
    notice,
    open_shop,
    send_event,
)
from workers.reconcile import reconcile

TIMES = 12


async def test_duplicates_of_everything_that_moves_money(any_shop):  # noqa: F811
    shop = any_shop
    engine = shop.services.engine
    async with shop.visitor() as boss, shop.visitor() as ann, shop.visitor() as bob:
        await shop.set_up(boss)
        for http, name in ((ann, "ann"), (bob, "bob")):
            body = {"username": name, "password": PASSWORD, "aff_code": await _aff(boss)}
            assert (await http.post("/api/user/register", json=body)).json()["success"]
            await shop.sign_in(http, name)
        await _fund(engine, "ann", balance="aff")
        codes = (await boss.post("/api/redemption/", json={"name": "c", "count": 3, "quota": 1000})).json()["data"]
        order = await shop.order(ann)
        token = (await ann.post("/api/token/", json={"name": "t", "remain_quota": 500})).json()["data"]
        paid = (await ann.post("/api/user/stripe/pay", json={"amount": 10})).json()["data"]
        session = {**shop.stripe.asked[0][1], "id": "cs_live_1", "livemode": True, "payment_status": "paid", "amount_total": 8000,
                   "currency": "usd", "client_reference_id": paid["trade_no"], "object": "checkout.session", "mode": "payment"}  # fmt: skip
        calls = []
        for _ in range(TIMES):
            calls += [
                ann.get("/api/user/epay/notify", params=notice(order)),
                ann.post("/api/user/epay/notify", data=notice(order)),
                send_event(ann, event(session)),
                *(http.post("/api/user/topup", json={"key": codes[0]}) for http in (ann, bob)),
                ann.post("/api/user/topup", json={"key": codes[1]}),
                ann.post("/api/user/aff_transfer", json={"quota": 500_000}),
                boss.put("/api/user/", json={"id": 2, "quota_delta": 7}),
                boss.put("/api/user/", json={"id": 3, "quota": 4321, "quota_seen": 0}),
                boss.post("/api/topup", json={"user_id": 3, "quota": 11}),
                ann.put("/api/token/", json={"id": token["id"], "remain_quota": 900}),
            ]
        replies = await asyncio.gather(*calls)
    assert {reply.status_code for reply in replies} <= {200, 409, 429}, {
        r.text for r in replies if r.status_code >= 500
    }
    kinds = {}
    async with engine.connect() as db:
        for kind, user, count, total in await db.execute(
            select(LedgerEntry.kind, LedgerEntry.user_id, func.count(), func.sum(LedgerEntry.delta)).group_by(
                LedgerEntry.kind, LedgerEntry.user_id
            )
        ):
            kinds[kind, user] = (count, int(total))
        sums = (await db.execute(select(User.id, User.quota, User.aff_quota))).all()
        left = (await db.execute(select(Token.remain_quota).where(Token.id == token["id"]))).scalar_one()
        for user, quota, aff in sums:
            for balance, held in (("user", quota), ("aff", aff)):
                booked = select(func.coalesce(func.sum(LedgerEntry.delta), 0)).where(
                    LedgerEntry.user_id == user, LedgerEntry.balance == balance
                )
                assert (await db.execute(booked)).scalar_one() == (held or 0), (user, balance)
        booked = select(func.sum(LedgerEntry.token_delta)).where(LedgerEntry.token_id == token["id"])
        assert (await db.execute(booked)).scalar_one() == left == 900
    assert kinds["topup", 2] == (2, 5_000_000 + 5_000_000), "one order of each provider, once"
    redeemed = [found for (kind, _), found in kinds.items() if kind == "redeem"]
    assert sum(count for count, _ in redeemed) == 2 and sum(total for _, total in redeemed) == 2000, (
        "two codes, one winner each"
    )
    assert not (await reconcile(engine, over_redis_py(shop.services.redis), shop.services.config.partitions)).drifts


async def _aff(http) -> str:
    return (await http.get("/api/user/aff")).json()["data"]


async def _fund(engine, name: str, *, balance: str) -> None:
    async with engine.begin() as db:
        user = (await db.execute(select(User.id).where(User.username == name))).scalar_one()
        await post(db, kind="invite", reference=f"fund:{user}", user_id=user, delta=2_000_000, balance=balance)
