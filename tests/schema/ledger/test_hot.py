"""Holds against a real Valkey: nobody spends what is not there, and everything may be repeated."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from schema.ledger.hot import Extension, NoHold, NotLoaded, QuotaShort, Repeated, Reserved, Settled
from schema.ledger.keys import digest_idempotency_key
from schema.ledger.signals import balance_changed
from tests.schema.ledger.books import PARTITIONS, Books, make_record

LATER = 10**14  # a deadline far away, ms


async def reserve(books: Books, request_id: str, amount: int = 10, *, token: int | None = None, key: str | None = None):
    return await books.hot.reserve(
        request_id=request_id, user_id=1, token_id=token, amount=amount, deadline_ms=LATER, idempotency_key=key
    )


async def test_a_balance_is_loaded_on_a_miss_and_held_from(books: Books):
    await books.add_user(1, 100, t5=30)
    assert await reserve(books, "a", token=5) == NotLoaded(user=True, token=True)
    await books.hot.load(1, 5)
    assert await reserve(books, "a", token=5) == Reserved(90)
    assert await reserve(books, "b", 25, token=5) == QuotaShort("token", 20)
    assert await reserve(books, "c", 91) == QuotaShort("user", 90)
    assert await reserve(books, "d", 90) == Reserved(0)
    assert await reserve(books, "e", 0) == QuotaShort("user", 0)


async def test_only_the_token_is_missing(books: Books):
    await books.add_user(1, 100, t5=30)
    await books.hot.load(1)
    assert await reserve(books, "a", token=5) == NotLoaded(user=False, token=True)


async def test_200_parallel_calls_on_a_balance_for_10(books: Books):
    await books.add_user(1, 100)

    async def call(number: int) -> bool:
        answer = await reserve(books, f"r{number}")
        while isinstance(answer, NotLoaded):
            await books.hot.load(1)
            answer = await reserve(books, f"r{number}")
        return isinstance(answer, Reserved)

    admitted = await asyncio.gather(*(call(number) for number in range(200)))
    assert sum(admitted) == 10
    assert await books.hot.available(1) == 0


async def test_reserve_repeated_with_the_same_id_holds_once(books: Books):
    await books.add_user(1, 100)
    await books.hot.load(1)
    await reserve(books, "a")
    assert await reserve(books, "a") == Reserved(90)
    assert await books.hot.available(1) == 90


async def test_settle_keeps_the_difference_and_release_gives_everything_back(books: Books):
    await books.add_user(1, 1000, t5=500)
    await books.hot.load(1, 5)
    await reserve(books, "a", 300, token=5)
    await reserve(books, "b", 100, token=5)
    assert await books.hot.settle(make_record("a", token_id=5, quota=225)) == Settled(late=False)
    assert await books.hot.release("b", 1) is True
    assert await books.hot.release("b", 1) is False
    assert await books.hot.available(1) == 775
    assert int(await books.redis.hget("mx:{1}:b:1", "t5")) == 275
    assert set(await books.redis.hkeys("mx:{1}:b:1")) == {b"q", b"v", b"t5", b"i"}


async def test_settling_twice_marks_the_second_for_a_check_and_reloads(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await reserve(books, "a", 300)
    record = make_record("a")
    assert not (await books.hot.settle(record)).late
    assert (await books.hot.settle(record)).late
    assert await books.hot.available(1) is None
    entries = await books.redis.xrange("mx:{1}:usage")
    assert [fields.get(b"l") for _, fields in entries] == [None, b"1"]


async def test_a_replay_never_counts_by_itself(books: Books):
    """Valkey lost the settle but kept the hold: the record may be applied already, so the replay must be checked."""
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await reserve(books, "a", 300)
    await books.hot.settle(make_record("a"))
    await books.redis.delete("mx:{1}:usage")
    await books.hot.load(1)
    await reserve(books, "a", 300)  # the hold of before, come back
    assert await books.hot.replay() == 1
    ((_, fields),) = await books.redis.xrange("mx:{1}:usage")
    assert fields[b"l"] == b"1"
    assert not await books.redis.hexists("mx:{1}:b:1", "ha")


async def test_loading_counts_what_waits_and_what_is_held(books: Books):
    await books.add_user(1, 1000, t5=900)
    await books.hot.load(1, 5)
    await reserve(books, "a", 300, token=5)
    await reserve(books, "b", 50)
    await books.hot.settle(make_record("a", token_id=5, quota=225))
    await balance_changed(books.redis, 1, partitions=PARTITIONS)
    assert await reserve(books, "c", token=5) == NotLoaded(user=True, token=True)
    await books.hot.load(1, 5)
    assert await reserve(books, "c", 25, token=5) == Reserved(700)
    assert int(await books.redis.hget("mx:{1}:b:1", "t5")) == 650


async def test_loading_pages_through_a_long_backlog(books: Books):
    await books.add_user(1, 10_000)
    await books.add_user(5, 10_000)
    for number in range(25):
        await asyncio.gather(
            *(books.hot.settle(make_record(f"r{number}.{n}", quota=1, user_id=n % 2 * 4 + 1)) for n in range(100))
        )
    await books.hot.load(1)
    assert await books.hot.available(1) == 10_000 - 1250


async def test_a_balance_that_moves_while_it_is_read_is_read_again(books: Books):
    await books.add_user(1, 1000)
    reads = []
    inner = books.hot._loader._read_truth

    async def slow(batch):
        truth = await inner(batch)
        if not reads:
            await balance_changed(books.redis, 1, partitions=PARTITIONS)
        reads.append(batch)
        return truth

    books.hot._loader._read_truth = slow
    await books.hot.load(1)
    assert len(reads) == 2


async def test_many_waiters_share_one_query(books: Books):
    for user in range(1, 201):
        await books.add_user(user, 1000)
    reads = []
    inner = books.hot._loader._read_truth

    async def count(batch):
        reads.append(len(batch))
        return await inner(batch)

    books.hot._loader._read_truth = count
    await asyncio.gather(*(books.hot.load(user) for user in range(1, 201) for _ in range(3)))
    assert sum(reads) <= 201 and len(reads) <= 2


async def test_an_unknown_user_cannot_be_loaded(books: Books):
    with pytest.raises(LookupError):
        await books.hot.load(99)


async def test_idempotency_key_is_taken_until_the_call_fails(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    key = digest_idempotency_key(1, 5, "order-1")
    assert await reserve(books, "a", key=key) == Reserved(990)
    assert await reserve(books, "b", key=key) == Repeated("a", open=True)
    assert await reserve(books, "a", key=key) == Reserved(990)
    await books.hot.release("a", 1)
    assert await reserve(books, "b", key=key) == Reserved(990)
    await books.hot.settle(make_record("b"))
    assert await reserve(books, "c", key=key) == Repeated("b", open=False)
    assert 86_000 < await books.redis.ttl(f"mx:{{1}}:i:{key}") <= 86_400  # a day


async def test_a_failed_call_frees_its_idempotency_key(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await reserve(books, "a", key="k")
    await books.hot.settle(make_record("a", quota=0, error_code="upstream_failed"))
    assert await reserve(books, "b", key="k") == Reserved(990)


async def test_a_call_that_was_cut_short_keeps_its_idempotency_key_if_it_was_charged(books: Books):
    """Whatever was paid for is not paid for again; what cost nothing may be sent again."""
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await reserve(books, "a", key="k")
    await books.hot.settle(replace(make_record("a"), cut=True))
    assert await reserve(books, "b", key="k") == Repeated("a", open=False)
    await reserve(books, "c", key="free")
    await books.hot.settle(replace(make_record("c", quota=0), cut=True))
    assert isinstance(await reserve(books, "d", key="free"), Reserved)


async def test_growing_a_hold(books: Books):
    await books.add_user(1, 100, t5=60)
    await books.hot.load(1, 5)
    await reserve(books, "a", 50, token=5)
    assert await books.hot.grow(request_id="a", user_id=1, extra=11) == QuotaShort("token", 10)
    assert await books.hot.grow(request_id="a", user_id=1, extra=10) == Reserved(40)
    assert await books.hot.grow(request_id="x", user_id=1, extra=10) == NoHold()
    await books.hot.release("a", 1)
    assert await books.hot.available(1) == 100


async def test_extending_moves_deadlines_and_stores_checkpoints(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    for name in ("a", "b"):
        await books.hot.reserve(request_id=name, user_id=1, token_id=None, amount=1, deadline_ms=1000)
    gone = await books.hot.extend(
        [Extension("a", 1, 2000, b"checkpoint"), Extension("lost", 1, 2000, b"x"), Extension("b", 1, 500)]
    )
    assert gone == ["lost"]
    assert await books.redis.hmget("mx:{1}:b:1", "ha", "hb") == [b"1 0 2000 1 ", b"1 0 1000 0 "]
    assert await books.redis.get("mx:{1}:c:a") == b"checkpoint"
    assert await books.redis.exists("mx:{1}:c:lost") == 0


async def test_deadlines_follow_the_clock_of_redis(books: Books):
    hot = books.new_hot()
    hot._now_ms = lambda: 5_000_000  # this machine's clock is decades behind
    await hot.sync_clock()
    assert abs(hot.deadline_ms(120) - (time.time() + 120) * 1000) < 2000


async def test_an_old_balance_is_refreshed_in_the_background(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await books.redis.hset("mx:{1}:b:1", mapping={"q": 400, "v": 1000})  # drifted, and loaded long ago
    assert await reserve(books, "a") == Reserved(390)
    await asyncio.gather(*books.hot._refreshing)
    assert await books.hot.available(1) == 990


async def test_scripts_survive_a_server_that_forgot_them(books: Books):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    await books.redis.script_flush()
    assert await reserve(books, "a") == Reserved(990)
