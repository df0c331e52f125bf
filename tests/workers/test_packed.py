"""Entries of several records beside those of one: each record counts once, whatever is repeated, damaged or moved on the way."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from schema.ledger.keys import Keys
from schema.own_tables import SettleCursor
from schema.tables import LedgerEntry, Log, Token, User
from schema.usage import UsageRecord, pack_records, write_record
from tests.schema.ledger.books import PARTITIONS, Books, make_record
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers import settle
from workers.redis_memory import RedisMemory

STREAM = "mx:{1}:usage"


def packed(records: list[UsageRecord], mark: str = "", **more: Any) -> dict[str, Any]:
    """An entry as settle.lua writes it."""
    first = records[0]
    fields = {
        "u": first.user_id, "t": first.token_id if first.token_limited else 0,
        "q": sum(record.quota for record in records), "p": pack_records([write_record(one) for one in records]),
    }  # fmt: skip
    return fields | more | ({"l": mark} if mark else {})


def single(record: UsageRecord, mark: str = "") -> dict[str, Any]:
    fields = {"u": record.user_id, "t": record.token_id if record.token_limited else 0, "q": record.quota}
    return fields | {"r": write_record(record)} | ({"l": mark} if mark else {})


async def charged(books: Books) -> Counter[str]:
    return Counter(row.reference for row in await books.all(LedgerEntry) if row.kind != "opening")


async def test_both_forms_in_one_stream(any_books: Books):
    """Old, packed, packed and marked, repeated within the same entry, the same batch, and over batches."""
    books = any_books
    await books.add_user(1, 100_000, t5=50_000)
    records = {name: make_record(name, quota=10 + at, token_id=5) for at, name in enumerate("abcdefgh")}
    a, b, c, d, e, f, g, h = records.values()
    failed = make_record("failed", quota=0, token_id=5, error_code="upstream_failed")
    await books.redis.xadd(STREAM, single(a))
    await books.redis.xadd(STREAM, packed([b, failed, c]))
    await books.redis.xadd(STREAM, single(d, "1"))
    assert await settle_all(make_settler(books)) == 5
    await books.redis.xadd(STREAM, packed([c, e, e, a], "1"))
    await books.redis.xadd(STREAM, packed([f, e, g], "1"))
    await books.redis.xadd(STREAM, single(f, "1"))
    await books.redis.xadd(STREAM, packed([h, replaced(h)]))
    settler = make_settler(books)
    assert await settle_all(settler) == 5
    assert settler.progress.duplicates == 5
    await books.redis.xadd(STREAM, packed([g, b]))  # as a server writes that has forgotten, without a mark
    assert await settle_all(make_settler(books)) == 0
    assert await charged(books) == Counter([*"abcdefgh", "h2"])
    quota = sum(record.quota for record in records.values()) + h.quota
    assert ((await books.one(User, 1)).quota, (await books.one(Token, 5)).remain_quota) == (
        100_000 - quota, 50_000 - quota,
    )  # fmt: skip
    assert await find_drifts(books) == []


def replaced(record: UsageRecord) -> UsageRecord:
    return msgspec.structs.replace(record, request_id=record.request_id + "2")


async def test_an_entry_that_was_applied_is_not_applied_in_part(books: Books):
    """The position stands behind a whole entry or before it."""
    await books.add_user(1, 100_000)
    await books.redis.xadd(STREAM, packed([make_record(f"a{n}", quota=1) for n in range(100)]))
    await books.redis.xadd(STREAM, packed([make_record(f"b{n}", quota=1) for n in range(100)]))
    settler = make_settler(books)
    await settler._find_positions()
    read = settler._streams.read
    (part,) = await read(settler.positions, 10, records_max=150)
    assert ([len(entry.records) for entry in part.entries], part.count(), part.more) == ([100], 100, True)
    (part,) = await read(settler.positions, 10, records_max=20)
    assert (part.count(), part.more) == (100, True), "an entry that is too large alone is taken all the same"
    (whole,) = await read(settler.positions, 10, records_max=200)
    assert (whole.count(), whole.more) == (200, False)
    await settler.apply([part])
    assert (await books.one(User, 1)).quota == 99_900
    assert {row.partition: row.position for row in await books.all(SettleCursor)}[1] == part.last
    assert await settle_all(settler) == 100
    assert await find_drifts(books) == []


async def test_partitions_with_news_share_a_transaction_alike(books: Books):
    for user in range(1, 4):
        for name in "ab":
            records = [make_record(f"{user}{name}{n}", user_id=user, quota=1) for n in range(20)]
            await books.redis.xadd(f"mx:{{{user}}}:usage", packed(records))
    settler = make_settler(books)
    await settler._find_positions()
    slices = await settler._streams.read(settler.positions, 10, records_max=90)
    assert [(part.count(), part.more) for part in slices] == [(20, True)] * 3
    slices = await settler._streams.read(settler.positions, 10, records_max=120)
    assert [(part.count(), part.more) for part in slices] == [(40, False)] * 3


async def test_so_many_are_read_as_memory_should_hold(books: Books, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settle, "BATCH_MAX", 160)
    monkeypatch.setattr(settle, "READ_MAX", 400)
    await books.add_user(1, 100_000)
    for entry in range(50):
        await books.redis.xadd(STREAM, packed([make_record(f"{entry}.{n}", quota=1) for n in range(20)]))
    settler = make_settler(books)
    seen = []
    read = settler._streams._read

    async def watch(positions, count):
        found = await read(positions, count)
        seen.append((count, sum(len(entries) for _, entries in found)))
        return found

    monkeypatch.setattr(settler._streams, "_read", watch)
    await settler._find_positions()
    while settler.progress.records < 1000:
        assert await settler.round() >= 0
        assert settler.progress.batches == len(seen)
    assert seen[0][0] == 1, "until it is known, an entry may be as large as they get"
    assert max(count for count, _ in seen) == 400 // (PARTITIONS * 20)
    assert (await books.one(User, 1)).quota == 99_000
    assert await find_drifts(books) == []


async def test_a_record_that_cannot_be_read_leaves_the_others_of_its_entry(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000, t5=10_000)
    good = [make_record(name, quota=10, token_id=5) for name in "abc"]
    written = [write_record(one) for one in good]
    odd = msgspec.msgpack.encode(["of", "a later version"])
    entry = packed(good, q=30 + 7, p=pack_records([written[0], odd, written[1], odd, written[2]]))
    await books.redis.xadd(STREAM, entry)
    await books.redis.xadd(STREAM, packed([make_record("d", quota=5, token_id=5)]))
    assert await settle_all(make_settler(books)) == 5
    (position,) = [name.split(":", 2)[2] for name in await charged(books) if name.startswith("unreadable:1:")]
    assert await charged(books) == Counter(["a", "b", "c", "d", f"unreadable:1:{position}"])
    assert ((await books.one(User, 1)).quota, (await books.one(Token, 5)).remain_quota) == (99_958, 9_958)
    assert sorted(log.quota for log in await books.all(Log)) == [5, 7, 10, 10, 10]
    assert await find_drifts(books) == []


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xff", id="no msgpack"),
        pytest.param(b"\xa1x", id="no array"),
        pytest.param(pack_records([write_record(make_record("a"))])[:-1], id="cut"),
        pytest.param(pack_records([write_record(make_record("a"))] * 2) + b"\xc0", id="more than an array"),
    ],
)
async def test_an_array_that_cannot_be_read_is_charged_by_its_sum(books: Books, damaged: bytes):
    await books.add_user(1, 100_000, t5=1_000)
    await books.redis.xadd(STREAM, {"u": 1, "t": 5, "q": 450, "p": damaged})
    await books.redis.xadd(STREAM, packed([make_record("b", quota=1), make_record("c", quota=2)]))
    assert await settle_all(make_settler(books)) == 3
    assert (await books.one(User, 1)).quota == 100_000 - 453
    assert (await books.one(Token, 5)).remain_quota == 1_000 - 450
    assert await find_drifts(books) == []


async def test_an_array_of_nothing_holds_nobody_up(books: Books):
    await books.add_user(1, 100_000)
    await books.redis.xadd(STREAM, {"u": 1, "t": 0, "q": 0, "p": pack_records([])})
    await books.redis.xadd(STREAM, packed([make_record("b", quota=1), make_record("c", quota=2)]))
    assert await settle_all(make_settler(books)) == 2
    assert (await books.one(User, 1)).quota == 99_997


async def test_a_clock_that_went_back_hides_no_packed_record(books: Books):
    """Written again behind the position, all of its records are looked up: what was applied stays applied once."""
    await books.add_user(1, 100_000)
    await books.redis.xadd(STREAM, packed([make_record(name, quota=10) for name in "abc"]))
    await settle_all(make_settler(books))
    await books.redis.flushall()
    await books.redis.xadd(STREAM, packed([make_record(name, quota=10) for name in "cd"]), id="5-1")
    await books.redis.xadd(STREAM, single(make_record("e", quota=10)), id="5-2")
    await books.redis.xadd(STREAM, packed([make_record(name, quota=10) for name in "fg"], "2"), id="5-3")
    settler = make_settler(books)
    await settler._find_positions()
    rewritten = [fields for _, fields in await books.redis.xrange(STREAM)]
    assert [(list(fields)[3], fields[b"l"]) for fields in rewritten] == [(b"p", b"1"), (b"r", b"1"), (b"p", b"2")]
    assert rewritten[0][b"p"] == pack_records([write_record(make_record(name, quota=10)) for name in "cd"])
    assert await settle_all(settler) == 4
    assert await charged(books) == Counter("abcdefg")
    assert await find_drifts(books) == []


async def test_edges_settle_together_while_two_workers_compete(any_books: Books):
    """Turns of many calls each, in groups of any size, and a third of them replayed."""
    books = any_books
    for user in (1, 2):
        await books.add_user(user, 1_000_000)
        await books.hot.load(user)
    settlers = [make_settler(books), make_settler(books)]
    running = [asyncio.create_task(settler.run()) for settler in settlers]
    calls = 0
    for turn in range(30):
        records = [make_record(f"{turn}.{n}", user_id=1 + n % 2, quota=1) for n in range(1 + turn * 7 % 40)]
        for record in records:
            await books.hot.reserve(
                request_id=record.request_id, user_id=record.user_id, token_id=None, amount=5, deadline_ms=10**14
            )
        await asyncio.gather(*(books.hot.settle(record) for record in records))
        if turn % 3 == 0:
            await books.hot.replay(records)
        calls += len(records)
    for _ in range(150):
        if sum(settler.progress.records for settler in settlers) >= calls:
            break
        await asyncio.sleep(0.1)
    for settler in settlers:
        settler.stop()
    await asyncio.gather(*running)
    await settle_all(make_settler(books))
    assert max((await charged(books)).values()) == 1
    assert len(await charged(books)) == calls == len(await books.all(Log))
    assert sum([(await books.one(User, user)).quota for user in (1, 2)]) == 2_000_000 - calls
    assert await find_drifts(books) == []


async def test_what_waits_is_counted_by_records(books: Books):
    await books.redis.xadd(STREAM, packed([make_record(f"a{n}", quota=3) for n in range(20)]))
    await books.redis.xadd(STREAM, single(make_record("b", quota=4)))
    await books.redis.xadd(STREAM, {"u": 1, "t": 0, "q": 5, "p": b"\xff"})
    waiting = await RedisMemory(books.engine, books.redis, books.execute, Keys(PARTITIONS))._count_waiting([1])
    assert (waiting.records, waiting.quota) == (22, 69)
