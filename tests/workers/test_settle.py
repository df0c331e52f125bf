"""Settlement on every database: each record counts once, whatever is repeated, overtaken or lost on the way."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from schema.quota import Quota
from schema.tables import Channel, LedgerEntry, Log, QuotaData, SettleCursor, Token, UsageHourly, User
from schema.usage import TokenUsage
from tests.schema.ledger.books import NOW_MS, PRICE, Books, make_record
from tests.system import until
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.batch import LogPolicy
from workers.store import CursorMoved

HOUR = NOW_MS // 1000 // 3600 * 3600


async def charge(books: Books, record, *, amount: int = 300) -> None:
    """A whole call: hold, then settle."""
    await books.hot.load(record.user_id, record.token_id if record.token_limited else None)
    await books.hot.reserve(
        request_id=record.request_id, user_id=record.user_id,
        token_id=record.token_id if record.token_limited else None, amount=amount, deadline_ms=10**14,
    )  # fmt: skip
    await books.hot.settle(record)


async def test_one_call_on_every_table(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000, t5=50_000)
    await books.add_channel(7)
    await charge(books, make_record("a", token_id=5))
    assert await settle_all(make_settler(books)) == 1
    user, token = await books.one(User, 1), await books.one(Token, 5)
    assert (user.quota, user.used_quota, user.request_count) == (99_775, 225, 1)
    assert (token.remain_quota, token.used_quota, token.accessed_time) == (49_775, 225, NOW_MS // 1000)
    assert (await books.one(Channel, 7)).used_quota == 225
    (log,) = await books.all(Log)
    assert (log.type, log.quota, log.prompt_tokens, log.completion_tokens, log.use_time) == (2, 225, 1000, 500, 1)
    assert (log.username, log.token_name, log.model_name, log.channel_id) == ("user1", "token5", "gpt-4o-mini", 7)
    assert log.content == "模型倍率 0.08，补全倍率 4.00，分组倍率 1.00"
    other = json.loads(log.other)
    assert other["admin_info"] == {"use_channel": ["7"]}
    assert (other["model_ratio"], other["frt"], other["request_id"], other["cache_tokens"]) == (0.075, 400, "a", 0)
    entry = next(row for row in await books.all(LedgerEntry) if row.kind == "settle")
    assert (entry.reference, entry.delta, entry.token_id, entry.token_delta, entry.at_ms) == (
        "a",
        -225,
        5,
        -225,
        NOW_MS,
    )
    (cell,) = await books.all(QuotaData)
    assert (cell.user_id, cell.username, cell.model_name, cell.created_at) == (1, "user1", "gpt-4o-mini", HOUR)
    assert (cell.count, cell.quota, cell.token_used) == (1, 225, 1500)
    (hour,) = await books.all(UsageHourly)
    assert (hour.hour, hour.calls, hour.quota, hour.prompt_tokens, hour.completion_tokens) == (HOUR, 1, 225, 1000, 500)
    assert (hour.latency_ms_sum, hour.latency_ms_max, hour.first_byte_ms_sum, hour.first_byte_count) == (
        1500,
        1500,
        400,
        1,
    )
    assert await find_drifts(books) == []


async def test_sums_grow_over_batches_and_settlers(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000)
    settler = make_settler(books)
    await charge(books, make_record("a"))
    await settle_all(settler)
    await charge(books, make_record("b", quota=100, started_ms=NOW_MS - 9000))
    await settle_all(settler)
    await charge(books, make_record("c", quota=100, first_byte_ms=-1))
    await settle_all(make_settler(books))
    (cell,), (hour,) = await books.all(QuotaData), await books.all(UsageHourly)
    assert (cell.count, cell.quota, cell.token_used) == (3, 425, 4500)
    assert (hour.calls, hour.quota, hour.latency_ms_max, hour.first_byte_count) == (3, 425, 9000, 2)
    assert await find_drifts(books) == []


async def test_an_unlimited_token_moves_only_its_used_quota(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000, t5=50_000)
    await charge(books, make_record("a", token_id=5, token_limited=False))
    await settle_all(make_settler(books))
    token = await books.one(Token, 5)
    assert (token.remain_quota, token.used_quota) == (50_000, 225)
    assert await find_drifts(books) == []


async def test_what_a_cache_was_written_is_one_sum_in_the_totals_and_two_in_the_log(books: Books):
    await books.add_user(1, 100_000)
    used = TokenUsage(input_text=20, input_cache_write=300, output_text=5, input_cache_write_1h=700)
    await charge(books, make_record("a", usage=used, dialect="claude"))
    hour_alone = TokenUsage(output_text=5, input_cache_write_1h=50)
    await charge(books, make_record("b", usage=hour_alone))
    await settle_all(make_settler(books))
    (hour,), logs = await books.all(UsageHourly), await books.all(Log)
    assert (hour.cache_write_tokens, hour.prompt_tokens) == (1050, 1070)
    names = ("cache_creation_tokens", "cache_creation_tokens_5m", "cache_creation_tokens_1h")
    told = {log.request_id: [json.loads(log.other)[name] for name in names] for log in logs}
    assert told == {"a": [1000, 300, 700], "b": [50, 0, 50]}


async def test_a_failed_call_costs_nothing_and_counts_as_an_error(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000)
    await charge(books, make_record("a", quota=0, error_code="upstream_failed", error_message="no answer", status=502))
    await settle_all(make_settler(books, policy=LogPolicy(failed=True)))
    user = await books.one(User, 1)
    assert (user.quota, user.request_count) == (100_000, 0)
    assert [row.kind for row in await books.all(LedgerEntry)] == ["opening"]
    (hour,), (log,) = await books.all(UsageHourly), await books.all(Log)
    assert (hour.calls, hour.errors) == (0, 1)
    assert (log.type, log.content, log.status_code, json.loads(log.other)["error_code"]) == (
        5,
        "no answer",
        502,
        "upstream_failed",
    )
    assert await books.all(QuotaData) == []


@pytest.mark.parametrize("policy", [LogPolicy(consumed=False), LogPolicy(consumed=True)], ids=["logs off", "logs on"])
async def test_logs_may_be_off_but_never_ledger_and_sums(books: Books, policy: LogPolicy):
    await books.add_user(1, 100_000)
    await charge(books, make_record("a"))
    await charge(books, make_record("b", quota=0, error_code="x"))
    await settle_all(make_settler(books, policy=policy))
    assert len(await books.all(Log)) == (1 if policy.consumed else 0)
    assert len(await books.all(QuotaData)) == 1
    assert (await books.one(User, 1)).quota == 99_775


async def test_a_repeated_record_counts_once(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000)
    settler = make_settler(books)
    record = make_record("a")
    await charge(books, record)
    await books.hot.settle(record)  # in the same batch
    await settle_all(settler)
    await books.hot.settle(record)  # in a later one
    await books.hot.replay()
    await settle_all(settler)
    assert (await books.one(User, 1)).quota == 99_775
    assert len(await books.all(Log)) == 1
    await books.hot.load(1)
    assert await books.hot.available(1) == 99_775


async def test_an_unmarked_duplicate_meets_the_second_lock(any_books: Books):
    """Cannot come from us; a stream restored by hand may hold it."""
    books = any_books
    await books.add_user(1, 100_000)
    await charge(books, make_record("a"))
    settler = make_settler(books)
    await settle_all(settler)
    ((_, fields),) = await books.redis.xrange("mx:{1}:usage")
    await books.redis.xadd("mx:{1}:usage", fields)
    await books.redis.xadd("mx:{1}:usage", fields)
    await charge(books, make_record("b", quota=5))
    assert await settle_all(settler) == 1
    assert (await books.one(User, 1)).quota == 99_770
    assert await find_drifts(books) == []


async def test_the_overtaken_settler_changes_nothing(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000)
    first, second = make_settler(books), make_settler(books)
    await first._find_positions()
    await second._find_positions()
    await charge(books, make_record("a"))
    slices = await second._streams.read(second.positions, 100)
    await settle_all(first)
    with pytest.raises(CursorMoved):
        await second.apply(slices)
    assert (await books.one(User, 1)).quota == 99_775


async def test_two_settlers_on_the_same_partitions_at_once(any_books: Books):
    books = any_books
    for user in range(1, 9):
        await books.add_user(user, 1_000_000)
    settlers = [make_settler(books), make_settler(books)]
    running = [asyncio.create_task(settler.run()) for settler in settlers]
    for number in range(100):
        await asyncio.gather(
            *(books.hot.settle(make_record(f"{number}.{user}", user_id=user, quota=1)) for user in range(1, 9))
        )
    for _ in range(100):
        if sum(settler.progress.records for settler in settlers) >= 800:
            break
        await asyncio.sleep(0.1)
    for settler in settlers:
        settler.stop()
    await asyncio.gather(*running)
    assert sum(settler.progress.records for settler in settlers) == 800
    assert [(await books.one(User, user)).quota for user in range(1, 9)] == [999_900] * 8
    assert await find_drifts(books) == []


async def test_a_stream_that_lost_its_tail_goes_on(books: Books):
    """The cursor stands behind everything in the stream: newer entries still get newer ids."""
    await books.add_user(1, 100_000)
    settler = make_settler(books)
    await charge(books, make_record("a"))
    await settle_all(settler)
    await books.redis.delete("mx:{1}:usage")
    await charge(books, make_record("b"))
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_550


async def test_a_clock_that_went_back_hides_no_record(books: Books):
    """After FLUSHALL and with a clock behind, new ids stand before the cursor: they are found and checked."""
    await books.add_user(1, 100_000)
    record = make_record("a")
    await charge(books, record)
    await settle_all(make_settler(books))
    ((_, fields),) = await books.redis.xrange("mx:{1}:usage")
    await books.redis.flushall()
    await books.redis.xadd("mx:{1}:usage", fields, id="5-1")  # applied before
    fields = dict(fields)
    await books.hot.settle(make_record("b", quota=10))
    ((_, new_fields),) = (await books.redis.xrange("mx:{1}:usage"))[1:]
    await books.redis.delete("mx:{1}:usage")
    await books.redis.xadd("mx:{1}:usage", fields, id="5-1")
    await books.redis.xadd("mx:{1}:usage", new_fields, id="5-2")
    assert await settle_all(make_settler(books)) == 1
    assert (await books.one(User, 1)).quota == 99_765
    assert await books.redis.xinfo_stream("mx:{1}:usage")
    await charge(books, make_record("c", quota=1))
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_764


async def test_flushall_with_an_idle_stream_keeps_the_numbering(books: Books):
    await books.add_user(1, 100_000)
    await charge(books, make_record("a"))
    settler = make_settler(books)
    await settle_all(settler)
    await books.redis.flushall()
    position = settler.positions[1]
    await settler._look_after()
    assert (await books.redis.xinfo_stream("mx:{1}:usage"))["last-generated-id"].decode() == position


async def test_a_record_that_cannot_be_read_is_charged_by_its_figures(books: Books):
    await books.add_user(1, 100_000, t5=1_000)
    await books.redis.xadd("mx:{1}:usage", {"u": 1, "t": 5, "q": 30, "r": b"\xff\xff"})
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_970
    assert (await books.one(Token, 5)).remain_quota == 970
    assert await find_drifts(books) == []


async def test_text_that_databases_refuse_is_cut(any_books: Books):
    books = any_books
    await books.add_user(1, 100_000)
    await charge(
        books,
        make_record("a", model="m\0" + "x" * 400, username="u" * 300, token_name="\0", group="g" * 300, ip="1" * 100),
    )
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_775


async def test_applied_entries_stay_for_a_minute(books: Books):
    await books.add_user(1, 100_000)
    await books.redis.xadd("mx:{1}:usage", {"u": 1, "t": 0, "q": 1, "r": b"x"}, id="1000-0")
    await charge(books, make_record("a"))
    settler = make_settler(books)
    await settle_all(settler)
    await settler._look_after()
    assert await books.redis.xlen("mx:{1}:usage") >= 1
    assert [entry for entry, _ in await books.redis.xrange("mx:{1}:usage")][-1].decode() == settler.positions[1]


async def test_the_rest_of_a_call_whose_edge_only_seemed_dead(any_books: Books):
    """Reaped with its checkpoint of 100, then the edge wakes up and settles 225: 225 in all, once."""
    books = any_books
    await books.add_user(1, 100_000, t5=50_000)
    record = make_record("a", token_id=5)
    checkpoint = replace(record, quota=Quota(100), cut=True)
    await books.redis.xadd("mx:{1}:usage", _entry(checkpoint, "2"))
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_900
    await books.hot.settle(record)
    await books.hot.settle(record)
    await settle_all(make_settler(books))
    await books.hot.settle(record)
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_775
    assert (await books.one(Token, 5)).remain_quota == 49_775
    assert (await books.one(User, 1)).request_count == 1
    assert sorted(log.quota for log in await books.all(Log)) == [100, 125]
    assert await find_drifts(books) == []


async def test_a_checkpoint_after_its_record_is_nothing_new(books: Books):
    await books.add_user(1, 100_000)
    record = make_record("a")
    await books.hot.settle(record)
    await books.redis.xadd("mx:{1}:usage", _entry(replace(record, quota=Quota(400)), "2"))
    await settle_all(make_settler(books))
    assert (await books.one(User, 1)).quota == 99_775


def _entry(record, mark: str) -> dict:
    from schema.usage import write_record

    return {
        "u": record.user_id, "t": record.token_id if record.token_limited else 0, "q": record.quota,
        "r": write_record(record), "l": mark,
    }  # fmt: skip


async def test_cached_prompt_tokens_and_what_they_saved(books: Books):
    await books.add_user(1, 100_000)
    usage = TokenUsage(input_text=86, input_cached=1920, output_text=300, reasoning=40)
    await charge(books, make_record("a", usage=usage, price=PRICE, stream=True))
    await settle_all(make_settler(books))
    (hour,) = await books.all(UsageHourly)
    assert (hour.prompt_tokens, hour.cached_tokens, hour.reasoning_tokens, hour.streams) == (2006, 1920, 40, 1)
    assert hour.quota_saved == 72  # 1920 * 0.5 * 0.075


async def test_the_second_turn_of_a_session_is_charged_but_not_counted(books: Books):
    await books.add_user(1, 100_000)
    await books.hot.settle(make_record("a:1"))
    await books.hot.settle(make_record("a:2", counted=False))
    await settle_all(make_settler(books))
    user = await books.one(User, 1)
    assert (user.quota, user.request_count) == (99_550, 1)


async def test_positions_start_at_zero_and_are_stored(any_books: Books):
    settler = make_settler(any_books)
    await settler._find_positions()
    assert {row.partition: row.position for row in await any_books.all(SettleCursor)} == dict.fromkeys(range(4), "0-0")


async def test_the_lag_grows_while_nothing_can_be_booked_and_is_gone_when_nothing_waits(books: Books, monkeypatch):
    await books.add_user(1, 1000)
    await books.hot.load(1)
    settler = make_settler(books)
    apply = settler._store.apply

    async def refuse(batch):
        raise OSError("the database is away")

    monkeypatch.setattr(settler._store, "apply", refuse)
    await books.hot.settle(make_record("r1"))
    task = asyncio.create_task(settler.run())
    try:

        async def behind() -> bool:
            return settler.progress.lag_ms > 1000

        await until(behind, "nobody learns that records wait")
        monkeypatch.setattr(settler._store, "apply", apply)

        async def in_step() -> bool:
            return settler.progress.records == 1 and settler.progress.lag_ms == 0

        await until(in_step, "the alarm goes on although nothing waits")
    finally:
        settler.stop()
        await task
