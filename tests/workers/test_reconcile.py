"""The proof of the books sees every kind of difference, and repairs only in the open."""

from sqlalchemy import update

from schema.tables import LedgerEntry, Token, User
from tests.schema.ledger.books import PARTITIONS, Books, make_record
from tests.workers.settling import make_settler, settle_all
from workers.reconcile import Drift, reconcile, repair


async def test_books_in_order(any_books: Books):
    await any_books.add_user(1, 1000, t5=900)
    await any_books.hot.load(1, 5)
    await any_books.hot.reserve(request_id="open", user_id=1, token_id=5, amount=50, deadline_ms=10**14)
    await any_books.hot.settle(make_record("pending", token_id=5))
    await any_books.hot.load(1, 5)
    report = await reconcile(any_books.engine, any_books.execute, PARTITIONS)
    assert (report.users, report.tokens, report.hot, report.drifts) == (1, 1, 2, [])


async def test_every_difference_is_found_and_repaired_by_an_entry(any_books: Books):
    books = any_books
    await books.add_user(1, 1000, t5=900)
    await books.add_user(2, 1000)
    await books.hot.load(2)
    async with books.engine.begin() as db:  # as a program would that knows no ledger
        await db.execute(update(User).where(User.id == 1).values(quota=1500))
        await db.execute(update(Token).where(Token.id == 5).values(remain_quota=850))
    await books.redis.hincrby("mx:{2}:b:2", "q", 7)
    report = await reconcile(books.engine, books.execute, PARTITIONS)
    assert sorted(report.drifts, key=lambda drift: drift.kind) == [
        Drift("hot", 2, 0, 1007, 1000),
        Drift("token", 1, 5, 850, 900),
        Drift("user", 1, 0, 1500, 1000),
    ]
    assert report.units == 557
    assert str(report.drifts[0]) == "user 1: balance 1500, expected 1000, difference +500"
    assert await repair(books.engine, books.execute, PARTITIONS, report.drifts, "test") == 3
    assert await repair(books.engine, books.execute, PARTITIONS, [Drift("user", 1, 0, 1500, 1000)], "test") == 0
    assert (await reconcile(books.engine, books.execute, PARTITIONS)).drifts == []
    assert (await books.one(User, 1)).quota == 1500
    adjusted = [row for row in await books.all(LedgerEntry) if row.kind == "adjust"]
    assert sorted((row.delta, row.token_delta) for row in adjusted) == [(0, -50), (500, 0)]


async def test_used_quota_of_a_database_of_our_own(books: Books):
    await books.add_user(1, 1000)
    await books.hot.settle(make_record("a"))
    await settle_all(make_settler(books))
    async with books.engine.begin() as db:
        await db.execute(update(User).where(User.id == 1).values(used_quota=9))
    (drift,) = (await reconcile(books.engine, None, PARTITIONS)).drifts
    assert drift == Drift("used", 1, 0, 9, 225)
