"""Sums of usage over whole hours: from the totals where they know the answer, from the hourly table at the ragged ends.

Hours know model and group, days know one user or one channel and the model, weeks all users. Everything else is summed from the
hourly table.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select, text
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


_PLANS = text(
    "SELECT set_config(name, CASE name WHEN 'jit' THEN 'off' ELSE 'force_custom_plan' END, true)"
    " FROM pg_settings WHERE name IN ('jit', 'plan_cache_mode')"
)


async def plan_each_time(db: AsyncConnection) -> None:
    """For this transaction of PostgreSQL: no statement is compiled, which takes longer than it runs, and each is planned for the span
    that it asks about: plans for any span read millions of rows where thousands would do. Older ones lack these settings."""
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


async def series(db: AsyncConnection, begin: int, end: int, grain_s: int) -> dict[tuple[str, int], list[int]]:
    """(model, time) -> model tokens, calls, quota of all accounts. `grain_s`: 3600 or 86400."""
    found: dict[tuple[str, int], list[int]] = {}
    asked = Asked()
    await plan_each_time(db)
    for part in split(asked, begin, end, await read_bounds(db)):
        table: Any = UsageTotal if part.kind else UsageHourly
        at: Any = table.at if part.kind else table.hour
        if grain_s == DAY_S:
            at = DAY_OF_TOTAL if part.kind else DAY_OF_HOUR
        sums = (func.sum(table.prompt_tokens + table.completion_tokens), func.sum(table.calls), func.sum(table.quota))
        statement = select(table.model, at, *sums).where(*where(part, asked)).group_by(table.model, at)
        for model, moment, *figures in await db.execute(statement):
            add(found, (model or "", int(moment)), figures)
    return found


async def by_user(db: AsyncConnection, begin: int, end: int) -> dict[int, list[int]]:
    """User -> model tokens, calls, quota."""
    found: dict[int, list[int]] = {}
    await plan_each_time(db)
    bounds = await read_bounds(db)
    levels = [("user_w", WEEK_S, bounds.days), ("user", DAY_S, bounds.days), ("token_h", HOUR_S, bounds.hours)]
    for part in cover(begin, end, levels):
        table: Any = UsageTotal if part.kind else UsageHourly
        sums = (func.sum(table.prompt_tokens + table.completion_tokens), func.sum(table.calls), func.sum(table.quota))
        conditions = [*where(part, Asked()), table.user_id > 0]
        statement = select(table.user_id, *sums).where(*conditions).group_by(table.user_id)
        for user_id, *figures in await db.execute(statement):
            add(found, int(user_id), figures)
    return found


def add(found: dict[Any, list[int]], key: Any, figures: Any) -> None:
    cell = found.setdefault(key, [0, 0, 0])
    for place, value in enumerate(figures):
        cell[place] += int(value or 0)
