"""Holds whose edge died: what was relayed is charged, the rest is given back, once."""

import asyncio

from schema.ledger.hot import Extension, Reserved
from schema.ledger.keys import Keys
from schema.tables import LedgerEntry, Log, Token, User
from schema.usage import write_record
from tests.schema.ledger.books import PARTITIONS, Books, make_record
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.reap import Reaped, reap

KEYS = Keys(PARTITIONS)


async def hold(books: Books, request_id: str, *, in_s: float, token: int | None = None, key: str | None = None) -> None:
    await books.hot.sync_clock()
    await books.hot.load(1, token)
    answer = await books.hot.reserve(
        request_id=request_id, user_id=1, token_id=token, amount=300, deadline_ms=books.hot.deadline_ms(in_s),
        idempotency_key=key,
    )  # fmt: skip
    assert isinstance(answer, Reserved)


async def test_an_expired_hold_without_checkpoint_is_given_back(books: Books):
    await books.add_user(1, 1000, t5=900)
    await hold(books, "a", in_s=-1, token=5, key="k")
    await hold(books, "b", in_s=60, token=5)
    assert await reap(books.execute, KEYS) == Reaped(charged=0, released=1, open=1, held=300)
    await books.hot.load(1, 5)
    assert await books.hot.available(1) == 700
    assert int(await books.redis.hget("mx:{1}:b:1", "t5")) == 600
    assert await books.redis.exists("mx:{1}:i:k") == 0  # the client may send it again
    assert await books.redis.xlen("mx:{1}:usage") == 0


async def test_an_expired_hold_with_checkpoint_is_charged_as_cut(books: Books):
    await books.add_user(1, 1000, t5=900)
    await hold(books, "a", in_s=-1, token=5)
    checkpoint = make_record("a", token_id=5, quota=120)
    await books.hot.extend([Extension("a", 1, 0, write_record(checkpoint))])
    assert await reap(books.execute, KEYS) == Reaped(charged=1, released=0, open=0)
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 880
    assert (await books.one(Token, 5)).remain_quota == 780
    (log,) = await books.all(Log)
    assert '"cut":true' in log.other
    entry = next(row for row in await books.all(LedgerEntry) if row.kind == "settle")
    assert entry.reason == "reaped"
    await books.hot.load(1, 5)
    assert await find_drifts(books) == []


async def test_a_live_hold_is_left_alone_and_an_extended_one_too(books: Books):
    await books.add_user(1, 1000)
    await hold(books, "a", in_s=-1)
    await books.hot.extend([Extension("a", 1, books.hot.deadline_ms(60))])
    assert await reap(books.execute, KEYS) == Reaped(open=1, held=300)


async def test_two_reapers_at_once_end_a_hold_once(books: Books):
    await books.add_user(1, 100_000)
    for number in range(20):
        await hold(books, f"r{number}", in_s=-1)
        await books.hot.extend([Extension(f"r{number}", 1, 0, write_record(make_record(f"r{number}", quota=10)))])
    done = await asyncio.gather(*(reap(books.execute, KEYS) for _ in range(4)))
    assert sum(one.charged for one in done) == 20
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_800


async def test_a_hold_that_came_back_from_an_old_file_does_not_charge_again(books: Books):
    """Valkey lost the last second: the call was settled and applied, but its hold and checkpoint are there again."""
    await books.add_user(1, 1000)
    record = make_record("a", quota=225)
    await books.hot.settle(record)
    await settle_all(make_settler(books))
    await hold(books, "a", in_s=-1)
    await books.hot.extend([Extension("a", 1, 0, write_record(make_record("a", quota=90)))])
    await reap(books.execute, KEYS)
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 775
    await books.hot.load(1)
    assert await books.hot.available(1) == 775


async def test_users_without_holds_leave_the_list(books: Books):
    await books.add_user(1, 1000)
    await hold(books, "a", in_s=60)
    await books.hot.settle(make_record("a"))
    await reap(books.execute, KEYS)
    assert await books.redis.scard("mx:{1}:u") == 0
    await hold(books, "b", in_s=60)
    assert await books.redis.smembers("mx:{1}:u") == {b"1"}


async def test_an_unreadable_checkpoint_keeps_the_hold_for_people(books: Books):
    await books.add_user(1, 1000)
    await hold(books, "a", in_s=-1)
    await books.hot.extend([Extension("a", 1, 0, b"\xff")])
    assert await reap(books.execute, KEYS) == Reaped()
    assert await books.hot.available(1) == 700
