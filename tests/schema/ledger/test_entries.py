"""Movements of balances outside settlement, on every database that is installed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.ledger.entries import (
    NOT_NEGATIVE,
    AlreadyPosted,
    BalanceMoved,
    BalanceTooLow,
    Expect,
    NoSuchAccount,
    post,
)
from schema.ledger.hot import NotLoaded
from schema.ledger.signals import balance_changed
from schema.tables import LedgerEntry, Token, User
from tests.schema.ledger.books import PARTITIONS, Books, open_books
from tests.services import new_mariadb, new_postgres


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def any_books(request: pytest.FixtureRequest, tmp_path: Path, valkey_server: str) -> AsyncIterator[Books]:
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "entries")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "entries")
    async with open_books(tmp_path, valkey_server, dsn) as opened:
        yield opened


async def balance(books: Books, user_id: int = 1) -> int:
    return (await books.one(User, user_id)).quota


async def test_a_movement_and_its_entry_come_together_and_once(any_books: Books):
    await any_books.add_user(1, 100, t5=40)
    async with any_books.engine.begin() as db:
        await post(db, kind="topup", reference="order-1", user_id=1, delta=500, actor="user:1", reason="paid")
    with pytest.raises(AlreadyPosted):
        async with any_books.engine.begin() as db:
            await post(db, kind="topup", reference="order-1", user_id=1, delta=500)
    assert await balance(any_books) == 600
    entry = next(row for row in await any_books.all(LedgerEntry) if row.kind == "topup")
    assert (entry.reference, entry.delta, entry.actor, entry.reason) == ("order-1", 500, "user:1", "paid")


async def test_after_already_posted_the_transaction_goes_on(any_books: Books):
    await any_books.add_user(1, 100)
    async with any_books.engine.begin() as db:
        await post(db, kind="gift", reference="g", user_id=1, delta=1)
        with pytest.raises(AlreadyPosted):
            await post(db, kind="gift", reference="g", user_id=1, delta=1)
        await post(db, kind="gift", reference="h", user_id=1, delta=1)
    assert await balance(any_books) == 102


async def test_guards(any_books: Books):
    await any_books.add_user(1, 100, t5=40)
    with pytest.raises(BalanceTooLow) as low:
        async with any_books.engine.begin() as db:
            await post(db, kind="adjust", reference="a", user_id=1, delta=-101, guard=NOT_NEGATIVE)
    assert (low.value.needed, low.value.available) == (101, 100)
    with pytest.raises(BalanceMoved) as moved:
        async with any_books.engine.begin() as db:
            await post(db, kind="adjust", reference="b", user_id=1, delta=5, guard=Expect(99))
    assert moved.value.found == 100
    with pytest.raises(NoSuchAccount):
        async with any_books.engine.begin() as db:
            await post(db, kind="adjust", reference="c", user_id=9, delta=5)
    async with any_books.engine.begin() as db:
        await post(db, kind="adjust", reference="d", user_id=1, delta=-100, guard=NOT_NEGATIVE)
        await post(db, kind="adjust", reference="e", user_id=1, delta=0, guard=Expect(0))
    assert await balance(any_books) == 0
    assert {row.reference for row in await any_books.all(LedgerEntry) if row.kind == "adjust"} == {"d", "e"}


async def test_a_token_alone_and_with_its_owner(any_books: Books):
    await any_books.add_user(1, 100, t5=40)
    async with any_books.engine.begin() as db:
        await post(
            db, kind="adjust", reference="t", user_id=1, delta=0, token_id=5, token_delta=-15, balance="token",
            guard=Expect(40),
        )  # fmt: skip
        await post(db, kind="refund", reference="task-1", user_id=1, delta=30, token_id=5, token_delta=30)
    assert await balance(any_books) == 130
    assert (await any_books.one(Token, 5)).remain_quota == 55


async def test_inside_an_orm_session(any_books: Books):
    await any_books.add_user(1, 100)
    async with AsyncSession(any_books.engine) as db, db.begin():
        user = (await db.execute(select(User).where(User.id == 1).with_for_update())).scalar_one()
        user.display_name = "changed"
        await post(db, kind="gift", reference="g", user_id=1, delta=7)
    row = await any_books.one(User, 1)
    assert (row.quota, row.display_name) == (107, "changed")


async def test_of_twenty_parallel_spends_only_those_covered_pass(any_books: Books):
    await any_books.add_user(1, 100)

    async def spend(number: int) -> bool:
        try:
            async with any_books.engine.begin() as db:
                await post(db, kind="transfer", reference=f"s{number}", user_id=1, delta=-10, guard=NOT_NEGATIVE)
            return True
        except BalanceTooLow:
            return False

    passed = await asyncio.gather(*(spend(number) for number in range(20)))
    assert sum(passed) == 10
    assert await balance(any_books) == 0


async def test_the_hot_balance_is_read_again_after_a_movement(books: Books):
    await books.add_user(1, 100)
    await books.hot.load(1)
    async with books.engine.begin() as db:
        await post(db, kind="topup", reference="o", user_id=1, delta=500)
    await balance_changed(books.redis, 1, partitions=PARTITIONS)
    call = {"request_id": "r", "user_id": 1, "token_id": None, "amount": 550, "deadline_ms": 10**14}
    assert await books.hot.reserve(**call) == NotLoaded(user=True, token=False)
    await books.hot.load(1)
    assert (await books.hot.reserve(**call)).available == 50
