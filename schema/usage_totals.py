"""Totals of usage: made from the hourly table, hour by hour and day by day, and compared with it each night.

The hourly table has nearly a row for each call where many accounts use many models; these have few. Hours and days that are
over are summed once; a record that arrives later is found by the next pass over the last hours and days, or at night.
"""

import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, insert, literal, literal_column, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schema.database import Engine
from schema.own_tables import Meta, UsageHourly, UsageTotal

HOUR_S, DAY_S = 3600, 86_400
BLOCK_S, WEEK_S = 4 * HOUR_S, 7 * DAY_S
LATE_S = 600  # after its end an hour is summed: settlement is seconds behind, and the next passes look again
HOURS_AGAIN, DAYS_AGAIN = 3, 2  # how many ended ones each pass sums anew
HOURS_THROUGH, DAYS_THROUGH = "sums_hours_through", "sums_days_through"  # in mx_meta, Unix s: all before is summed
HOURS, DAYS = ("all", "hour", "chan_h", "token_h"), ("user", "model", "channel", "token")  # kinds, by what makes them
WEEKS = {"user_w": "user", "token_w": "token"}  # kind -> that of its days
SUMS = ("calls", "errors", "quota", "quota_saved", "prompt_tokens", "cached_tokens", "completion_tokens")
# A literal, not a parameter: PostgreSQL takes two parameters for two expressions and refuses the GROUP BY.
DAY_OF_HOUR: ColumnElement[int] = literal_column("hour - hour % 86400")
BLOCK_OF_HOUR: ColumnElement[int] = literal_column("hour - hour % 14400")
WEEK_OF_TOTAL: ColumnElement[int] = literal_column("at - at % 604800")
DAY_OF_TOTAL: ColumnElement[int] = literal_column("at - at % 86400")


class Bounds(Struct, frozen=True):
    """Until when there are totals. Unix s; 0: none yet."""

    hours: int = 0
    days: int = 0


async def read_bounds(db: AsyncConnection) -> Bounds:
    rows = await db.execute(select(Meta.key, Meta.value).where(Meta.key.in_((HOURS_THROUGH, DAYS_THROUGH))))
    found = {row.key: int(row.value) for row in rows}
    return Bounds(found.get(HOURS_THROUGH, 0), found.get(DAYS_THROUGH, 0))


async def sum_hours(db: AsyncConnection, begin: int, end: int) -> None:
    """Make the hours in [begin, end) anew."""
    hourly, at = UsageHourly, UsageHourly.hour
    await _clear(db, HOURS, begin, end)
    await _fill(db, "all", at, begin, end)
    await _fill(db, "hour", at, begin, end, model=hourly.model, group=hourly.group)
    await _fill(db, "chan_h", at, begin, end, channel_id=hourly.channel_id)
    await _fill(db, "token_h", at, begin, end, user_id=hourly.user_id, token_id=hourly.token_id, group=hourly.group)


async def sum_days(db: AsyncConnection, begin: int, end: int) -> None:
    """Make the days in [begin, end) anew, and the weeks that they are in."""
    hourly = UsageHourly
    await _clear(db, DAYS, begin, end)
    await _fill(db, "user", DAY_OF_HOUR, begin, end, user_id=hourly.user_id)
    await _fill(db, "model", BLOCK_OF_HOUR, begin, end, user_id=hourly.user_id, model=hourly.model)
    await _fill(db, "channel", DAY_OF_HOUR, begin, end, channel_id=hourly.channel_id, model=hourly.model)
    await _fill(db, "token", DAY_OF_HOUR, begin, end, user_id=hourly.user_id, token_id=hourly.token_id)
    first, after = begin // WEEK_S * WEEK_S, -(-end // WEEK_S) * WEEK_S
    await _clear(db, tuple(WEEKS), first, after)
    for kind, days in WEEKS.items():
        table = UsageTotal
        keys = [table.user_id, table.token_id]
        wanted = (
            select(literal(kind), WEEK_OF_TOTAL, *keys, *(func.sum(getattr(table, name)) for name in SUMS))
            .where(table.kind == days, table.at >= first, table.at < after)
            .group_by(WEEK_OF_TOTAL, *keys)
        )
        names = ["kind", "at", "user_id", "token_id", *SUMS]
        await db.execute(insert(table).from_select(names, wanted, include_defaults=True))


async def _clear(db: AsyncConnection, kinds: tuple[str, ...], begin: int, end: int) -> None:
    table = UsageTotal
    await db.execute(delete(table).where(table.kind.in_(kinds), table.at >= begin, table.at < end))


async def _fill(db: AsyncConnection, kind: str, at: Any, begin: int, end: int, **keys: Any) -> None:
    """`keys`: what is told apart."""
    where = [UsageHourly.hour >= begin, UsageHourly.hour < end]
    names = ["kind", "at", *keys, *SUMS]
    wanted = select(literal(kind), at, *keys.values(), *_sums()).where(*where).group_by(at, *keys.values())
    await db.execute(insert(UsageTotal).from_select(names, wanted, include_defaults=True))


def _sums() -> list[Any]:
    return [func.sum(getattr(UsageHourly, name)) for name in SUMS]


async def advance(engine: Engine, now_s: int, *, days_too: bool = True) -> int:
    """Sum what has ended since the last pass, and the newest ended ones again. Returns how many spans were made."""
    async with engine.connect() as db:
        bounds = await read_bounds(db)
        first = (await db.execute(select(func.min(UsageHourly.hour)))).scalar()
    if first is None:
        return 0
    made = 0
    for step, through, again, key in (
        (HOUR_S, bounds.hours, HOURS_AGAIN, HOURS_THROUGH), (DAY_S, bounds.days, DAYS_AGAIN, DAYS_THROUGH),
    ):  # fmt: skip
        end = (now_s - LATE_S) // step * step
        if step == DAY_S and not days_too and through >= end:
            continue
        begin = min(through or int(first), end - again * step)
        made += await _make(engine, step, begin - begin % DAY_S if step == DAY_S else begin, end, key)
    return made


async def _make(engine: Engine, step: int, begin: int, end: int, key: str) -> int:
    """A day per transaction, so that nobody waits for long; years without calls are passed over."""
    made = 0
    at = begin
    while at < end:
        async with engine.connect() as db:
            again = end - DAYS_AGAIN * DAY_S  # what was summed before may have lost its calls: made anew, empty or not
            wanted = select(func.min(UsageHourly.hour)).where(UsageHourly.hour >= at)
            found = (await db.execute(wanted)).scalar()
        if at < again and (found is None or found > at):
            at = min(again, end if found is None else int(found) // step * step)
        after = min(end, at - at % DAY_S + DAY_S)
        try:
            async with engine.begin() as db:
                await (sum_hours if step == HOUR_S else sum_days)(db, at, after)
                await _move(db, key, after)
        except IntegrityError:
            return made  # another one makes the same
        made += (after - at) // step
        at = after
    return made


async def _move(db: AsyncConnection, key: str, to: int) -> None:
    held = (await db.execute(select(Meta.value).where(Meta.key == key))).scalar()
    if held is None:
        await db.execute(insert(Meta).values(key=key, value=str(to)))
    elif int(held) < to:
        await db.execute(Meta.__table__.update().where(Meta.key == key).values(value=str(to)))  # type: ignore[attr-defined]


async def find_wrong_days(engine: Engine) -> list[int]:
    """Days whose totals are not the sums of their hours: something was settled into them later."""
    async with engine.connect() as db:
        bounds = await read_bounds(db)
        hours = await _by_day(db, UsageHourly, DAY_OF_HOUR, (), bounds.days)
        wrong: set[int] = set()
        for kind in (*HOURS, *DAYS):
            found = await _by_day(db, UsageTotal, DAY_OF_TOTAL, (UsageTotal.kind == kind,), bounds.days)
            wrong |= {day for day in hours.keys() | found.keys() if hours.get(day) != found.get(day)}
    return sorted(wrong)


async def _by_day(
    db: AsyncConnection, table: Any, day: ColumnElement[int], where: tuple[Any, ...], before: int
) -> dict[int, tuple[int, ...]]:
    at = table.hour if table is UsageHourly else table.at
    sums = [func.sum(getattr(table, name)) for name in SUMS]
    rows = await db.execute(select(day.label("day"), *sums).where(at < before, *where).group_by(day))
    return {int(row[0]): tuple(int(value) for value in row[1:]) for row in rows}


async def rebuild(engine: Engine, days: Iterable[int]) -> int:
    """Make these days and their hours anew. Returns how many."""
    count = 0
    for day in days:
        async with engine.begin() as db:
            await sum_hours(db, day, min(day + DAY_S, (int(time.time()) - LATE_S) // HOUR_S * HOUR_S))
            await sum_days(db, day, day + DAY_S)
        count += 1
    return count
