"""A log in partitions behaves like a plain one; what is old leaves it for files, and the ledger does not notice."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import func, insert, select, text

from schema.config import read_config
from schema.log_keeping.archive import Archive, read_archive
from schema.log_keeping.deletion import booked_until, delete_rows, drop_partitions
from schema.log_keeping.partitions import (
    CannotPartition,
    add_partitions,
    drop_before,
    grain_of,
    partition_log,
    read_parts,
)
from schema.log_keeping.periods import period_of
from schema.migrate import migrate
from schema.options import read_options
from schema.tables import LedgerEntry, Log, Meta, QuotaData, UsageHourly
from tests.schema.ledger.books import Books, make_record
from tests.workers.conftest import any_books
from tests.workers.settling import find_drifts, make_settler, settle_all
from workers.jobs.retention import continue_partitions, delete_old, merge_hours

__all__ = ["any_books"]
DAY = 86_400


@pytest.fixture
def today(now):
    """When it began."""
    return now // DAY * DAY


async def add_rows(books: Books, today, days, kind=2, **more):
    """A row for each of `days` ago."""
    rows = [
        {"created_at": today - day * DAY + 60, "type": kind, "user_id": 1, "quota": 5, "content": "旧", **more}
        for day in days
    ]
    async with books.engine.begin() as db:
        await db.execute(insert(Log), rows)


async def kinds(books):
    async with books.engine.connect() as db:
        rows = await db.execute(select(Log.type, func.count()).group_by(Log.type))
        return {int(kind): int(count) for kind, count in rows}


async def ids(books):
    async with books.engine.connect() as db:
        return list((await db.execute(select(Log.id).order_by(Log.id))).scalars())


async def settle_one(books, name, at_s):
    at_ms = at_s * 1000
    await books.hot.settle(make_record(name, ended_ms=at_ms, started_ms=at_ms - 10))
    await settle_all(make_settler(books))


@pytest.fixture
async def split(any_books, now, today):
    """Books whose log had rows of half a year before it was split; None on SQLite."""
    if any_books.engine.dialect.name == "sqlite":
        with pytest.raises(CannotPartition):
            await partition_log(any_books.engine, "month", now)
        pytest.skip("SQLite has no partitions")
    await any_books.add_user(1, 1_000_000)
    await any_books.add_channel()
    await add_rows(any_books, today, range(0, 180, 3))
    await add_rows(any_books, today, (170, 100, 4), kind=1)
    await add_rows(any_books, today, (1,), kind=3, created_at=None)
    return any_books


async def test_a_split_log_is_read_written_and_continued_like_a_plain_one(split, now, today):
    books, before = split, await ids(split)
    await settle_one(books, "before", now)
    await partition_log(books.engine, "month", now)
    with pytest.raises(CannotPartition, match="already"):
        await partition_log(books.engine, "month", now)
    assert await grain_of(books.engine) == "month" and await migrate(books.engine) == []
    async with books.engine.begin() as db:
        await db.execute(
            text(
                "DELETE FROM mx_meta WHERE {0}key{0} = 'schema_version'".format(
                    "" if books.engine.dialect.name == "postgresql" else "`"
                )
            )
        )
    assert not [step for step in await migrate(books.engine, check=True) if "logs" in step], "nothing is missing"
    await migrate(books.engine)
    await settle_one(books, "after", now)
    await settle_one(books, "in two months", now + 60 * DAY)
    await settle_one(books, "in ten years", now + 3650 * DAY)
    await add_rows(books, today, (200,))
    found = await ids(books)
    assert len(found) == len(set(found)) == len(before) + 5 and min(set(found) - set(before)) > max(before)
    assert await find_drifts(books) == []

    parts = await read_parts(books.engine)
    assert parts[-1].name == "p_rest" and parts[-2].end > now + 80 * DAY
    async with books.engine.connect() as db:
        wanted = select(Log.id).where(Log.created_at >= today, Log.created_at < today + DAY)
        how = "EXPLAIN (FORMAT JSON) " if books.engine.dialect.name == "postgresql" else "EXPLAIN PARTITIONS "
        sql = str(wanted.compile(books.engine.sync_engine, compile_kwargs={"literal_binds": True}))
        plan = str((await db.exec_driver_sql(how + sql.replace("%", "%%"))).all())
        assert "p_rest" not in plan, "other partitions are not looked at"
    assert await add_partitions(books.engine, now) == []
    async with books.engine.begin() as db:  # the row of far ahead would be in the way of its own partition only
        await db.execute(text("DELETE FROM logs WHERE created_at > :t"), {"t": now + 3600 * DAY})
    later = now + 40 * DAY
    assert await add_partitions(books.engine, later) != []
    ctx = {"worker": SimpleNamespace(log_engine=books.engine)}
    assert await continue_partitions(ctx) == 0
    assert period_of(later + 85 * DAY, "month").name in [part.name for part in await read_parts(books.engine)]


async def test_old_partitions_go_as_a_whole_and_rows_about_money_stay(split, tmp_path, now, today):
    books = split
    grain = "day" if books.engine.dialect.name == "postgresql" else "month"
    await partition_log(books.engine, grain, now)
    assert await grain_of(books.engine) == grain
    before = await kinds(books)
    cutoff = today - 90 * DAY
    dropped = await drop_partitions(books.engine, (2, 6), cutoff, Archive(tmp_path))
    await delete_rows(books.engine, (2, 6), cutoff, Archive(tmp_path))
    if books.engine.dialect.name != "postgresql":  # there the first partition holds all that was before the split
        assert len(dropped) >= 2
    assert await kinds(books) == {1: 3, 3: 1, 2: 31}
    assert await drop_before(books.engine, cutoff, (2, 6)) == [] or books.engine.dialect.name != "postgresql"
    archived = [row for file in sorted(tmp_path.glob("logs-*.jsonl.gz")) for row in read_archive(file)]
    assert len({row["id"] for row in archived}) == before[2] - 31
    assert {row["content"] for row in archived} == {"旧"} and all(row["created_at"] < cutoff for row in archived)
    await settle_one(books, "still", now)
    assert (await kinds(books))[2] == 32


async def run_retention(books, options, folder=""):
    current = read_options(options)

    async def refresh():
        return current

    config = read_config({"SESSION_SECRET": "s" * 32, "LOG_ARCHIVE_DIR": folder})
    store = SimpleNamespace(current=current, refresh=refresh)
    return await delete_old(
        {"worker": SimpleNamespace(engine=books.engine, log_engine=books.engine, options=store, config=config)}
    )


async def test_retention_keeps_money_waits_for_the_totals_and_leaves_the_ledger(any_books, tmp_path, today):
    books = any_books
    await books.add_user(1, 1_000_000)
    await books.add_channel()
    for day in (50, 40, 2):
        await settle_one(books, f"call {day}", today - day * DAY + 7200)
    await add_rows(books, today, (60, 45, 5), kind=5)
    await add_rows(books, today, (60, 45), kind=1)
    async with books.engine.begin() as db:
        column = Meta.__table__.update().where(Meta.key == "adopted_at").values(value=str(today - 55 * DAY))
        await db.execute(column)
        entries = (await db.execute(select(func.count(), func.sum(LedgerEntry.delta)))).one()
        cell = UsageHourly.__table__.update().where(UsageHourly.hour < today - 45 * DAY)
        await db.execute(cell.values(quota=UsageHourly.quota - 1))
    assert await booked_until(books.engine, books.engine, today) == today - 50 * DAY
    options = {"LogRetentionDays": "30", "ErrorLogRetentionDays": "10"}
    done = await run_retention(books, options, str(tmp_path))
    assert (done["logs"], done["error_logs"]) == (0, 2), (
        "the totals lack a charge of that day: its rows stay, and all after"
    )
    assert await kinds(books) == {1: 2, 2: 3, 5: 1}
    async with books.engine.begin() as db:
        await db.execute(UsageHourly.__table__.update().values(quota=225))
    done = await run_retention(books, options, str(tmp_path))
    assert done["logs"] == 2 and await kinds(books) == {1: 2, 2: 1, 5: 1}
    archived = [row for file in sorted(tmp_path.glob("*.gz")) for row in read_archive(file)]
    assert sorted(row["type"] for row in archived) == [2, 2, 5, 5]
    assert {row["request_id"] for row in archived if row["type"] == 2} == {"call 50", "call 40"}
    assert json.loads(next(row for row in archived if row["type"] == 2)["other"])["model_ratio"] == 0.075
    async with books.engine.connect() as db:
        assert (await db.execute(select(func.count(), func.sum(LedgerEntry.delta)))).one() == entries
    assert await find_drifts(books) == []


async def test_hours_of_the_dashboard_become_days(any_books, today):
    books = any_books
    rows = [
        {"user_id": 1 + n % 2, "username": "a", "model_name": f"m{n % 3}", "created_at": today - 9 * DAY + n * 3600,
         "token_used": n, "count": 1, "quota": n}
        for n in range(72)
    ]  # fmt: skip
    async with books.engine.begin() as db:
        await db.execute(insert(QuotaData), rows)
    gone = await merge_hours(books.engine, today - 7 * DAY + 5)
    left = await books.all(QuotaData)
    assert gone == 48 - 12 and len(left) == 24 + 12
    assert sum(row.quota for row in left) == sum(range(72)) and sum(row.count for row in left) == 72
    assert {row.created_at % DAY for row in left if row.created_at < today - 7 * DAY} == {0}
    assert await merge_hours(books.engine, today - 7 * DAY + 5) == 0


async def test_an_archive_that_cannot_be_written_deletes_nothing(any_books, tmp_path, today):
    await add_rows(any_books, today, (50, 40))
    archive = Archive(tmp_path / "a")
    (tmp_path / "a").rmdir()
    with pytest.raises(OSError):
        await delete_rows(any_books.engine, (2,), today, archive)
    assert await kinds(any_books) == {2: 2}
