"""Each minute: the edges' minutes become SQL's cells of ten minutes, an hour and a day, each minute exactly once."""

import time
from typing import Any

import structlog
from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schema.health import MINUTE, MINUTE_KEPT_S, STEPS, THROUGH, Cell, read_cell, read_cells, write_cell
from schema.own_tables import ChannelHealth, Meta
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)

LATE_S = 20  # edges write a minute's last figures within seconds of its end
CHUNK = 500  # rows of one statement
PRUNED_MAX = 5_000

Key = tuple[int, str]


async def merge_minutes(ctx: dict[str, Any]) -> int:
    """Returns how many minutes were merged."""
    worker: Worker = ctx["worker"]
    return await merge_until(worker.engine, worker.redis, int(time.time()) - LATE_S)


async def merge_until(engine: Any, redis: Any, now_s: int) -> int:
    """Merge every minute that ended before `now_s` and was not merged yet."""
    async with engine.connect() as db:
        stored = (await db.execute(select(Meta.value).where(Meta.key == THROUGH))).scalar()
    end = now_s // 60
    begin = max(int(stored or 0), end - MINUTE_KEPT_S // 60)
    if begin >= end:
        return 0
    spans: dict[tuple[int, int], dict[Key, Cell]] = {}
    for minute in range(begin, end):
        cells = await read_minute(redis, minute)
        for step in STEPS:
            if cells:
                span = spans.setdefault((step, minute * 60 // step * step), {})
                for key, cell in cells.items():
                    span.setdefault(key, Cell()).add(cell)
    async with engine.begin() as db:
        if not await _move(db, stored, end):
            return 0  # another worker merged them
        for (step, at), cells in sorted(spans.items()):
            await _add(db, step, at, cells)
        for step, kept_s in STEPS.items():
            old = select(ChannelHealth.id).where(ChannelHealth.step == step, ChannelHealth.at < now_s - kept_s)
            ids = list((await db.execute(old.limit(PRUNED_MAX))).scalars())
            if ids:
                await db.execute(delete(ChannelHealth).where(ChannelHealth.id.in_(ids)))
    return end - begin


async def read_minute(redis: Any, minute: int) -> dict[Key, Cell]:
    """All edges together, each model and (as model '') all models of a channel."""
    found: dict[Key, Cell] = {}
    for data in (await redis.hgetall(f"{MINUTE}{minute}")).values():
        for one in read_cells(data):
            found.setdefault((one.channel_id, ""), Cell()).add(one.cell)
            if one.model:
                found.setdefault((one.channel_id, one.model), Cell()).add(one.cell)
    return found


async def _move(db: AsyncConnection, stored: str | None, end: int) -> bool:
    """By compare-and-set, in the transaction of the effects."""
    if stored is None:
        await db.execute(insert(Meta).values(key=THROUGH, value=str(end)))
        return True
    moved: CursorResult[Any] = await db.execute(
        update(Meta).where(Meta.key == THROUGH, Meta.value == stored).values(value=str(end))
    )
    return moved.rowcount == 1


async def _add(db: AsyncConnection, step: int, at: int, cells: dict[Key, Cell]) -> None:
    table = ChannelHealth
    rows = await db.execute(
        select(table.id, table.channel_id, table.model, table.cell).where(table.step == step, table.at == at)
    )
    known = {(row.channel_id, row.model): (row.id, row.cell) for row in rows}
    fresh, changed = [], []
    for (channel, model), cell in cells.items():
        held = known.get((channel, model))
        if held is None:
            fresh.append({"step": step, "at": at, "channel_id": channel, "model": model, "cell": write_cell(cell)})
        else:
            total = read_cell(held[1])
            total.add(cell)
            changed.append((held[0], write_cell(total)))
    for start in range(0, len(fresh), CHUNK):
        await db.execute(insert(table), fresh[start : start + CHUNK])
    for number, data in changed:
        await db.execute(update(table).where(table.id == number).values(cell=data))


JOBS = [Job(name="channel_figures", run=merge_minutes, every_s=60, timeout_s=50)]
