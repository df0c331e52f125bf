"""Rows of the log that are older than their retention: archived where a folder is given, then deleted in small steps."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, func, select, tuple_

from schema.database import Engine
from schema.log_keeping.archive import Archive
from schema.log_keeping.partitions import drop_before, read_parts
from schema.migrate import read_meta
from schema.tables import LedgerEntry, Log, UsageHourly

log = structlog.get_logger(__name__)

CONSUMED, FAILED, TEST = 2, 5, 6  # logs.type; 1, 3 and 4 are about money and management, and stay
CHUNK = 5_000  # rows per transaction: some 50 ms
PAUSE_S = 0.1  # between transactions, for everybody else
DAY_S = 86_400
COLUMNS = tuple(Log.__table__.columns)
BOOKED_SINCE = "adopted_at"


def open_archive(folder: str) -> Archive | None:
    """'' = deleted rows are not kept. Raises OSError."""
    return Archive(Path(folder)) if folder else None


async def delete_rows(engine: Engine, types: Sequence[int], before_s: int, archive: Archive | None) -> int:
    """In the order of time, a chunk per transaction. Returns how many went. Raises OSError of the archive."""
    deleted = 0
    async for rows in _chunks(engine, types, before_s, whole=archive is not None):
        if archive is not None:
            await asyncio.to_thread(archive.write, rows)
        span = (Log.created_at >= rows[0].created_at, Log.created_at <= rows[-1].created_at)
        async with engine.begin() as db:
            await db.execute(delete(Log).where(*span, Log.id.in_([row.id for row in rows])))
        deleted += len(rows)
        await asyncio.sleep(PAUSE_S)
    return deleted


async def drop_partitions(engine: Engine, types: Sequence[int], before_s: int, archive: Archive | None) -> list[str]:
    """Whole partitions, which costs no row by row. Returns their names. Raises OSError of the archive."""
    ends = [part.end for part in await read_parts(engine) if part.end is not None and part.end <= before_s]
    if not ends:
        return []
    if archive is not None:
        async for rows in _chunks(engine, types, max(ends), whole=True):
            await asyncio.to_thread(archive.write, rows)
    return await drop_before(engine, before_s, tuple(types))


async def _chunks(engine: Engine, types: Sequence[int], before_s: int, *, whole: bool) -> AsyncIterator[Sequence[Any]]:
    columns = COLUMNS if whole else (Log.id, Log.created_at)
    after = (0, 0)
    while True:
        where = (
            Log.type.in_(types), Log.created_at < before_s, Log.created_at >= after[0],
            tuple_(Log.created_at, Log.id) > after,
        )  # fmt: skip
        async with engine.connect() as db:
            wanted = select(*columns).where(*where).order_by(Log.created_at, Log.id).limit(CHUNK)
            rows = (await db.execute(wanted)).all()
        if not rows:
            return
        yield rows
        after = (rows[-1].created_at, rows[-1].id)


async def booked_until(engine: Engine, log_engine: Engine, before_s: int) -> int:
    """The time up to which the totals hold at least what the log says: no row may go before it is in them.

    Compares day by day (UTC). Days before the database was ours have no totals and are not looked at.
    """
    ours = int(await read_meta(engine, BOOKED_SINCE) or 0)
    async with log_engine.connect() as db:
        wanted = select(func.min(Log.created_at)).where(Log.type == CONSUMED, Log.created_at > ours)
        oldest = (await db.execute(wanted)).scalar()
    if oldest is None:
        return before_s
    day = -(-max(int(oldest) - int(oldest) % DAY_S, ours) // DAY_S) * DAY_S
    while day + DAY_S <= before_s:
        logged, booked = await _day_sums(engine, log_engine, day)
        if logged > booked:
            log.error("log_kept", day=day, logged=logged, booked=booked)
            return day
        day += DAY_S
    return before_s


async def _day_sums(engine: Engine, log_engine: Engine, day: int) -> tuple[int, int]:
    async with log_engine.connect() as db:
        span = (Log.type == CONSUMED, Log.created_at >= day, Log.created_at < day + DAY_S)
        logged = (await db.execute(select(func.coalesce(func.sum(Log.quota), 0)).where(*span))).scalar_one()
    async with engine.connect() as db:
        hours = (UsageHourly.hour >= day, UsageHourly.hour < day + DAY_S)
        booked = (await db.execute(select(func.coalesce(func.sum(UsageHourly.quota), 0)).where(*hours))).scalar_one()
        moment = (
            LedgerEntry.kind == "refund",
            LedgerEntry.at_ms >= day * 1000,
            LedgerEntry.at_ms < (day + DAY_S) * 1000,
        )
        total = select(func.coalesce(func.sum(LedgerEntry.delta), 0)).where(*moment)
        refunded = (await db.execute(total)).scalar_one()  # taken off the totals, never off the log
    return int(logged), int(booked) + int(refunded)
