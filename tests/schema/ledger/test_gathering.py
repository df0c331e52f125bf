"""Calls that share one script call end exactly as if each had gone alone."""

import asyncio
from collections import Counter
from typing import Any

import hiredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from schema.ledger.connection import Part
from schema.ledger.gathering import CALLS_MAX
from schema.ledger.hot import HotLedger, QuotaShort, Repeated, Reserved, Settled
from schema.usage import pack_records, write_record
from tests.schema.ledger.books import PARTITIONS, Books, make_record, records_of
from tests.schema.ledger.test_hot import LATER, reserve


class Counting:
    """The real server, and how often each script was called."""

    def __init__(self, books: Books) -> None:
        self._execute = books.execute
        self.calls: Counter[bytes] = Counter()

    async def __call__(self, *command: Part) -> Any:
        if command[0] == b"EVALSHA":
            assert isinstance(command[1], bytes)
            self.calls[command[1]] += 1
        return await self._execute(*command)


@pytest.fixture
async def counting(books: Books) -> Counting:
    counting = Counting(books)
    books.hot = HotLedger(counting, partitions=PARTITIONS, read_truth=books.hot._loader._read_truth)
    await books.add_user(1, 1000, t5=300)
    await books.add_user(2, 1000)
    await books.hot.load(1, 5)
    await books.hot.load(2)
    counting.calls.clear()
    return counting


async def test_one_script_call_an_account_and_turn(books: Books, counting: Counting):
    await asyncio.gather(*(reserve(books, f"a{n}", 1) for n in range(20)))
    assert sum(counting.calls.values()) == 1
    await asyncio.gather(*(reserve(books, f"b{n}", 1, token=5) for n in range(CALLS_MAX + 1)), reserve(books, "c", 1))
    assert sum(counting.calls.values()) == 1 + 2 + 1
    await asyncio.gather(*(books.hot.settle(make_record(f"a{n}", quota=1)) for n in range(20)))
    assert sum(counting.calls.values()) == 5
    assert await books.hot.available(1) == 1000 - 20 - CALLS_MAX - 2


async def test_each_call_of_a_turn_gets_its_own_answer(books: Books, counting: Counting):
    answers = await asyncio.gather(
        reserve(books, "a", 200, token=5),
        reserve(books, "a", 200, token=5),  # repeated
        reserve(books, "b", 101, token=5),
        reserve(books, "c", 50, token=5, key="k"),
        reserve(books, "d", 50, token=5, key="k"),
        reserve(books, "e", 50, token=5),
        reserve(books, "f", 1, token=5),
    )
    assert answers == [
        Reserved(800), Reserved(800), QuotaShort("token", 100), Reserved(750), Repeated("c", open=True), Reserved(700),
        QuotaShort("token", 0),
    ]  # fmt: skip
    ended = await asyncio.gather(
        books.hot.settle(make_record("a", quota=150, token_id=5)),
        books.hot.settle(make_record("a", quota=150, token_id=5)),  # by mistake
        books.hot.settle(make_record("c", quota=0, token_id=5, error_code="upstream_failed")),
        books.hot.settle(make_record("e", quota=60, token_id=5)),
    )
    assert ended == [Settled(late=False), Settled(late=True), Settled(late=False), Settled(late=False)]
    assert await books.hot.available(1) is None  # the late one has it loaded again
    stream = [fields for _, fields in await books.redis.xrange("mx:{1}:usage")]
    assert [(fields[b"q"], fields.get(b"l"), [one.request_id for one in records_of(fields)]) for fields in stream] == [
        (b"210", None, ["a", "c", "e"]), (b"150", b"1", ["a"]),
    ]  # fmt: skip
    await books.hot.load(1, 5)
    assert await reserve(books, "g", 1, key="k") == Reserved(1000 - 150 - 150 - 60 - 1)  # both, until it was checked


@pytest.mark.parametrize("calls", [1, 2, 15, 16, 17, CALLS_MAX])
async def test_records_of_calls_that_end_together_share_an_entry(books: Books, counting: Counting, calls: int):
    await asyncio.gather(*(reserve(books, f"a{n}", 1, token=5) for n in range(calls)))
    records = [make_record(f"a{n}", quota=n % 3, token_id=5) for n in range(calls)]
    await asyncio.gather(*(books.hot.settle(record) for record in records))
    ((_, fields),) = await books.redis.xrange("mx:{1}:usage")
    assert records_of(fields) == records
    quota = sum(record.quota for record in records)
    assert list(fields) == [b"u", b"t", b"q", b"p" if calls > 1 else b"r"], "in this order"
    assert list(fields.values())[:3] == [b"1", b"5", str(quota).encode()]
    if calls > 1:
        assert fields[b"p"] == pack_records([write_record(record) for record in records])
    assert await books.hot.available(1) == 1000 - quota
    await books.redis.delete("mx:{1}:b:1")
    await books.hot.load(1, 5)
    assert await books.hot.available(1) == 1000 - quota, "what waits is counted by the sum"
    assert await books.redis.hget("mx:{1}:b:1", "t5") == str(300 - quota).encode()


async def test_calls_of_a_turn_that_are_not_loaded_all_learn_it(books: Books, counting: Counting):
    await books.add_user(3, 10)

    async def call(number: int) -> Any:
        return await books.hot.reserve(
            request_id=f"r{number}", user_id=3, token_id=None, amount=1, deadline_ms=LATER
        )  # fmt: skip

    answers = await asyncio.gather(*(call(number) for number in range(3)))
    assert [answer.user for answer in answers] == [True] * 3


async def test_a_call_that_was_cancelled_does_not_hurt_the_others(books: Books, counting: Counting):
    calls = [asyncio.ensure_future(reserve(books, name, 10)) for name in "abc"]
    await asyncio.sleep(0)
    calls[1].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Reserved, asyncio.CancelledError, Reserved]


async def test_a_server_error_reaches_every_call_of_the_turn(books: Books, counting: Counting):
    await books.redis.set("mx:{1}:b:1", "not a hash")
    answers = await asyncio.gather(*(reserve(books, name) for name in "ab"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [hiredis.ReplyError] * 2


async def test_what_cannot_be_sent_is_told_and_nobody_waits_for_ever(books: Books):
    def refuse(*command: Part) -> Any:
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    books.hot = HotLedger(refuse, partitions=PARTITIONS, read_truth=books.hot._loader._read_truth)
    async with asyncio.timeout(1):
        answers = await asyncio.gather(reserve(books, "a"), reserve(books, "b"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnicodeEncodeError] * 2


STEPS = some.lists(
    some.tuples(some.integers(0, 5), some.integers(0, 60), some.sampled_from([None, 5]), some.integers(0, 80)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_together_or_one_by_one_the_balance_is_the_same(books: Books, steps: list[tuple[int, int, Any, int]]):
    """Holds of any size on a small balance, some refused, some twice; then the settles, some twice."""
    left = []
    for together in (True, False):
        await books.redis.flushall()
        await books.redis.hset("mx:{1}:b:1", mapping={"q": 150, "v": 10**13, "t5": 90})
        for asked in (
            [lambda n=n, a=a, t=t: reserve(books, f"r{n}", a, token=t) for n, a, t, _ in steps],
            [
                lambda n=n, t=t, q=q: books.hot.settle(make_record(f"r{n}", quota=q, token_id=t or 0))
                for n, _, t, q in steps
            ],
        ):
            if together:
                for token in (None, 5):  # accounts leave in the order in which they first asked
                    chosen = [one() for one, (_, _, its, _) in zip(asked, steps, strict=True) if its == token]
                    await asyncio.gather(*chosen)
            else:
                for token in (None, 5):
                    for one, (_, _, its, _) in zip(asked, steps, strict=True):
                        if its == token:
                            await one()
        hashed = await books.redis.hgetall("mx:{1}:b:1")
        hashed.pop(b"t5", None) if b"q" not in hashed else None  # without a balance it is loaded again with it
        stream = [fields for _, fields in await books.redis.xrange("mx:{1}:usage")]
        for fields in stream:
            assert int(fields[b"q"]) == sum(record.quota for record in records_of(fields))
        told = Counter(
            (fields[b"u"], fields[b"t"], record.request_id, record.quota, fields.get(b"l"))
            for fields in stream
            for record in records_of(fields)
        )
        left.append((hashed, told))
    assert left[0] == left[1]
