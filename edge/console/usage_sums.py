"""Sums of usage over whole hours: from the totals where they know the answer, from the hourly table at the ragged ends.

Hours know model and group, days know one user or one channel and the model, weeks all users. Everything else is summed from the
hourly table.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schema.tables import UsageHourly, UsageTotal
from schema.usage_totals import DAY_OF_HOUR, DAY_OF_TOTAL, DAY_S, HOUR_S, WEEK_S, Bounds, read_bounds


class Asked(Struct, frozen=True):
    """A filter. None and '' = any; `model` may hold % for anything."""

    user_id: int | None = None
    channel_id: int = 0
    model: str = ""
    group: str = ""


class Part(Struct, frozen=True):
    """[begin, end) read from one table. `kind`: of the totals; '' = the hourly table."""

    kind: str
    begin: int
    end: int


Figures = tuple[int, int, int]  # model tokens, calls, quota
Level = tuple[str, int, int]  # kind of totals, seconds of one, until when there are any


def cover(begin: int, end: int, levels: Sequence[Level]) -> list[Part]:
    """[begin, end) in the largest spans that are whole; `levels`: the largest first. What is left is read from the hourly table."""
    if begin >= end:
        return []
    if not levels:
        return [Part("", begin, end)]
    (kind, size, through), *finer = levels
    first, last = -(-begin // size) * size, min(end, through) // size * size
    if first >= last:
        return cover(begin, end, finer)
    return [*cover(begin, first, finer), Part(kind, first, last), *cover(last, end, finer)]


def split(asked: Asked, begin: int, end: int, bounds: Bounds) -> list[Part]:
    """The cheapest way to sum [begin, end): whole hours on both ends."""
    if asked.user_id is None and not asked.channel_id:
        return cover(begin, end, [("hour", HOUR_S, bounds.hours)])
    if not asked.group and (asked.user_id is None or not asked.channel_id):
        kind = "channel" if asked.user_id is None else "model" if asked.model else "user"
        return cover(begin, end, [(kind, DAY_S, bounds.days)])
    return [Part("", begin, end)]


def where(part: Part, asked: Asked) -> list[Any]:
    """The conditions of one part on its table."""
    table: Any = UsageTotal if part.kind else UsageHourly
    at = table.at if part.kind else table.hour
    found = [at >= part.begin, at < part.end]
    if part.kind:
        found.append(table.kind == part.kind)
    if asked.user_id is not None:
        found.append(table.user_id == asked.user_id)
    if asked.channel_id:
        found.append(table.channel_id == asked.channel_id)
    if asked.model:
        found.append(table.model.like(asked.model) if "%" in asked.model else table.model == asked.model)
    if asked.group:
        found.append(table.group == asked.group)
    return found


def whole_sum(column: Any) -> Any:
    """A sum as an integer: PostgreSQL and MySQL make decimals of sums, of which reading three takes as long as the row itself."""
    return cast(func.sum(column), BigInteger)


_PLANS = text(
    "SELECT set_config(name, CASE name WHEN 'jit' THEN 'off' WHEN 'plan_cache_mode' THEN 'force_custom_plan' ELSE '0' END, true)"
    " FROM pg_settings WHERE name IN ('jit', 'plan_cache_mode', 'max_parallel_workers_per_gather')"
)


async def plan_each_time(db: AsyncConnection) -> None:
    """For this transaction of PostgreSQL. Older ones lack some of the settings.

    No statement is compiled, which takes longer than it runs, and each is planned for the span that it asks about: plans for
    any span read millions of rows where thousands would do. Nor are they split among processes: so planned, the list of all keys
    took half as long again on a machine with other work.
    """
    if db.dialect.name == "postgresql":
        await db.execute(_PLANS)


async def sum_quota(db: AsyncConnection, asked: Asked, begin: int, end: int) -> int:
    """What was charged in [begin, end)."""
    total = 0
    for part in split(asked, begin, end, await read_bounds(db)):
        table: Any = UsageTotal if part.kind else UsageHourly
        statement = select(func.coalesce(func.sum(table.quota), 0)).where(*where(part, asked))
        total += int((await db.execute(statement)).scalar_one())
    return total


def _figures(table: Any) -> tuple[Any, ...]:
    """Columns of `Figures`."""
    return whole_sum(table.prompt_tokens + table.completion_tokens), whole_sum(table.calls), whole_sum(table.quota)


async def series(db: AsyncConnection, begin: int, end: int, grain_s: int) -> dict[tuple[str, int], Figures]:
    """(model, time) -> model tokens, calls, quota of all accounts. `grain_s`: 3600 or 86400."""
    found: dict[tuple[str, int], Figures] = {}
    asked = Asked()
    await plan_each_time(db)
    for part in split(asked, begin, end, await read_bounds(db)):
        table: Any = UsageTotal if part.kind else UsageHourly
        at: Any = table.at if part.kind else table.hour
        if grain_s == DAY_S:
            at = DAY_OF_TOTAL if part.kind else DAY_OF_HOUR
        statement = select(table.model, at, *_figures(table)).where(*where(part, asked)).group_by(table.model, at)
        for model, moment, *figures in await db.execute(statement):
            add(found, (model or "", int(moment)), figures)
    return found


async def by_user(db: AsyncConnection, begin: int, end: int) -> dict[int, Figures]:
    """User -> model tokens, calls, quota."""
    found: dict[int, Figures] = {}
    await plan_each_time(db)
    bounds = await read_bounds(db)
    levels = [("user_w", WEEK_S, bounds.days), ("user", DAY_S, bounds.days), ("token_h", HOUR_S, bounds.hours)]
    for part in cover(begin, end, levels):
        table: Any = UsageTotal if part.kind else UsageHourly
        conditions = [*where(part, Asked()), table.user_id > 0]
        statement = select(table.user_id, *_figures(table)).where(*conditions).group_by(table.user_id)
        for user_id, *figures in await db.execute(statement):
            add(found, int(user_id), figures)
    return found


def add(found: dict[Any, Figures], key: Any, figures: Any) -> None:
    """Three sums more of this key. Of a month by hours there are thousands: nothing is made that need not be."""
    tokens, calls, quota = figures
    fresh = (int(tokens or 0), int(calls or 0), int(quota or 0))
    held = found.get(key)
    found[key] = fresh if held is None else (held[0] + fresh[0], held[1] + fresh[1], held[2] + fresh[2])
