"""A batch holds of each record what the record says, however many calls share a line, and every database gets all of it."""

from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schema.quota import Quota
from schema.tables import LedgerEntry, Log, User
from schema.usage import SessionRow, TokenUsage, UsageRecord, write_record
from tests.schema.ledger.books import NOW_MS, PRICE, Books, make_record
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.batch import LEDGER_COLUMNS, LogPolicy, Slice, build_batch
from workers.records import LOG_COLUMNS, is_plain, log_row, read_entry

HOUR_MS = 3_600_000
count = st.sampled_from([0, 0, 1, 700])
usages = st.builds(
    TokenUsage, input_text=count, input_cached=count, input_cache_write=count, input_audio=count, input_image=count,
    output_text=count, output_audio=count, reasoning=count, estimated=st.booleans(), input_cache_write_1h=count,
)  # fmt: skip
prices = st.sampled_from([PRICE, replace(PRICE, model_ratio=Decimal("0.5")), replace(PRICE, per_call=True)])


@st.composite
def plain_records(draw: st.DrawFn) -> UsageRecord:
    """As nearly all are, on one of few lines."""
    cached, reasoning = draw(st.sampled_from([(0, 0), (0, 0), (700, 30)]))
    usage = TokenUsage(draw(count), cached, output_text=draw(count), reasoning=reasoning, estimated=draw(st.booleans()))
    return make_record(
        draw(st.sampled_from(["", "", 'a"b\\c', "ü" * 200])), user_id=draw(st.integers(1, 2)), token_id=draw(st.sampled_from([0, 1])),
        quota=draw(st.integers(0, 500)), usage=usage, stream=draw(st.booleans()),
        upstream_model=draw(st.sampled_from(["gpt-4o-mini", "gpt-4o-mini", "other"])),
        started_ms=NOW_MS - draw(st.sampled_from([-5, 0, 1500, 90_000])), first_byte_ms=draw(st.sampled_from([-1, 0, 400])),
        ended_ms=NOW_MS - draw(st.sampled_from([0, 0, 3, HOUR_MS])), use_channel=draw(st.sampled_from([[], [7], [3, 7]])),
    )  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> UsageRecord:
    if draw(st.booleans()):
        return draw(plain_records())
    user_id, sums = draw(st.integers(1, 2)), None
    if draw(st.integers(0, 9)) == 0:
        sums = SessionRow(request_id="session", quota=Quota(900), usage=draw(usages), started_ms=NOW_MS - 99_000)
    return make_record(
        user_id=user_id, token_id=draw(st.sampled_from([0, user_id])), quota=draw(st.integers(0, 500)),
        username=draw(st.sampled_from([f"user{user_id}", "renamed\0"])), usage=draw(usages), price=draw(prices),
        model=draw(st.sampled_from(["gpt-4o-mini", "gpt-4o-gizmo-x", "m" * 300])), stream=draw(st.booleans()),
        upstream_model=draw(st.sampled_from(["gpt-4o-mini", ""])), channel_id=draw(st.sampled_from([0, 7])),
        dialect=draw(st.sampled_from(["openai", "claude"])), mode=draw(st.sampled_from(["chat", "image"])),
        status=draw(st.sampled_from([200, 499])), ip=draw(st.sampled_from(["", "192.0.2.1"])),
        started_ms=NOW_MS - draw(st.sampled_from([-5, 0, 1500])), first_byte_ms=draw(st.sampled_from([-1, 0, 400])),
        ended_ms=NOW_MS - draw(st.sampled_from([0, HOUR_MS])), cut=draw(st.booleans()),
        use_channel=draw(st.sampled_from([[], [7], [3, 7]])), content=draw(st.sampled_from(["", "", "a drawing"])),
        error_code=draw(st.sampled_from(["", "", "", "upstream_failed"])), logged=draw(st.sampled_from([True, True, False])),
        counted=draw(st.sampled_from([True, True, False])), row=sums,
        kind=draw(st.sampled_from(["settle", "settle", "realtime"])), other=draw(st.sampled_from([{}, {}, {"x": 'a"b'}])),
    )  # fmt: skip


def test_nearly_all_calls_are_plain():
    assert is_plain(read(make_record()).records[0])
    assert is_plain(read(make_record(usage=TokenUsage(input_text=5, input_cached=9, reasoning=1))).records[0])
    for odd in ({"cut": True}, {"usage": TokenUsage()}, {"mode": "image"}, {"other": {"x": 1}}, {"error_code": "e"}):
        assert not is_plain(read(make_record(**odd)).records[0])


def read(record: UsageRecord):
    return read_entry(1, b"1-0", [b"", b"", b"", b"", b"", b"", b"", write_record(record)])


@given(st.lists(records(), max_size=30))
def test_a_batch_is_the_sum_of_its_records(given_records: list[UsageRecord]) -> None:
    entries = [read(record) for record in given_records]
    batch = build_batch([Slice(1, "0-0", "1-0", entries)], None, LogPolicy(failed=True))
    charged = [record for record in given_records if not record.error_code]
    assert batch.records == len(given_records)
    assert Counter(batch.all_logs()) == Counter(
        log_row(one) for entry in entries for one in entry.records if one.logged
    )
    assert Counter(batch.all_ledger()) == Counter(
        (
            record.kind, "user", "system", "", record.user_id, record.token_id, record.request_id, -record.quota,
            -record.quota if record.token_id else 0, record.ended_ms,
        )
        for record in charged
    )  # fmt: skip
    assert batch.ledger_references() == {record.request_id for record in charged}
    assert {user: tuple(sums) for user, sums in batch.users.items()} == {
        user: (sum(record.quota for record in own), sum(record.counted for record in own))
        for user in {record.user_id for record in charged}
        if (own := [record for record in charged if record.user_id == user])
    }
    assert {token: tuple(sums) for token, sums in batch.tokens.items()} == {
        token: (quota := sum(record.quota for record in own), quota, max(record.ended_ms for record in own) // 1000)
        for token in {record.token_id for record in charged} - {0}
        if (own := [record for record in charged if record.token_id == token])
    }
    assert sum(batch.channels.values()) == sum(record.quota for record in charged if record.channel_id)
    cells = list(batch.hours.values())
    usage = [record.usage for record in charged]
    late = [max(0, record.ended_ms - record.started_ms) for record in charged]
    first = [record.first_byte_ms for record in charged if record.first_byte_ms >= 0]
    expected = {
        "calls": sum(record.counted for record in charged),
        "errors": len(given_records) - len(charged),
        "streams": sum(record.stream for record in charged),
        "quota": sum(record.quota for record in charged),
        "prompt_tokens": sum(one.prompt_tokens for one in usage),
        "cached_tokens": sum(one.input_cached for one in usage),
        "cache_write_tokens": sum(one.cache_written for one in usage),
        "completion_tokens": sum(one.completion_tokens for one in usage),
        "reasoning_tokens": sum(one.reasoning for one in usage),
        "latency_ms_sum": sum(late),
        "first_byte_ms_sum": sum(first),
        "first_byte_count": len(first),
    }
    assert {name: sum(getattr(cell, name) for cell in cells) for name in expected} == expected
    assert max((cell.latency_ms_max for cell in cells), default=0) == max(late, default=0)
    assert {hour for hour, *_ in batch.hours} == {r.ended_ms // HOUR_MS * 3600 for r in given_records}
    assert sum(sums[1] for sums in batch.cells.values()) == sum(one.total_tokens for one in usage)
    assert sum(sums[3] for sums in batch.cells.values()) == expected["quota"]


@pytest.mark.parametrize("calls", [(1,), (7, 8, 9), (79, 80, 81), (175, 3, 40), tuple([1] * 60)])
async def test_every_row_is_written_once_and_whole(any_books: Books, calls: tuple[int, ...]):
    """As many calls of each account as make the statements of SQLite go up just not, just, and with a rest."""
    books, users = any_books, range(1, len(calls) + 1)
    written: dict[str, UsageRecord] = {}
    for user in users:
        await books.add_user(user, 100_000)
        for number in range(calls[user - 1]):
            usage = TokenUsage(input_text=number + 1, output_text=user)
            record = make_record(
                f"r{user}x{number}", user_id=user, quota=number + 1, usage=usage, stream=number % 5 == 0
            )
            written[record.request_id] = record
    async with books.redis.pipeline(transaction=False) as pipe:
        for record in written.values():
            name = f"mx:{{{record.user_id % 4}}}:usage"
            pipe.xadd(name, {"u": record.user_id, "t": 0, "q": record.quota, "r": write_record(record)})
        await pipe.execute()
    assert await settle_all(make_settler(books)) == sum(calls)
    logs, ledger = await books.all(Log), [row for row in await books.all(LedgerEntry) if row.kind == "settle"]
    assert len(logs) == len(ledger) == sum(calls)
    for log in logs:
        expected = dict(zip(LOG_COLUMNS, log_row(read(written[log.request_id]).records[0]), strict=True))
        assert {name: getattr(log, name) for name in LOG_COLUMNS} == expected
        assert msgspec.json.decode(log.other)["request_id"] == log.request_id
    for row in ledger:
        record = written[row.reference]
        values = ("settle", "user", "system", "", record.user_id, 0, record.request_id, -record.quota, 0, NOW_MS)
        assert tuple(getattr(row, name) for name in LEDGER_COLUMNS) == values
    assert {user.id: user.quota for user in await books.all(User)} == {
        user: 100_000 - sum(range(1, calls[user - 1] + 1)) for user in users
    }
    assert await find_drifts(books) == []
