"""Use in slots of time by one dimension: from the totals where they tell it apart, else from the hourly table, in one pass.

Slots are days or weeks of the reader's clock. Totals of hours fit into every slot; those of four hours and of days do where no slot
begins inside of them, and the hours of those few are read instead. Where a dimension has thousands of keys (users, keys), sums of
the span come from weeks and days, and only the dearest are cut into slots.
"""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import func, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.usage_sums import Level, Part, cover, plan_each_time, whole_sum
from schema.tables import UsageHourly, UsageTotal
from schema.usage_totals import BLOCK_S, DAY_S, HOUR_S, SUMS, WEEK_S, Bounds, read_bounds

COLUMNS = {"model": "model", "user": "user_id", "channel": "channel_id", "token": "token_id", "group": "group"}
MANY = ("user", "token")  # dimensions of thousands of keys
Sums = tuple[int, ...]  # as SUMS
NOTHING: Sums = (0,) * len(SUMS)


class Wanted(Struct, frozen=True):
    """What is asked. 0 and '' = any; [begin, end) in whole hours; a slot begins where (time + shift) % step is 0."""

    by: str
    begin: int
    end: int
    step: int
    shift: int
    user_id: int = 0
    channel_id: int = 0
    token_id: int = 0
    model: str = ""

    @property
    def filters(self) -> dict[str, Any]:
        asked = {name: getattr(self, name) for name in ("user_id", "channel_id", "token_id", "model")}
        return {name: value for name, value in asked.items() if value}


class Found(Struct, frozen=True):
    """`slots`: (begin, key) -> sums, of the first `series` keys one by one; `others`: of all the rest together."""

    total: Sums
    entries: list[tuple[Any, Sums]]  # the dearest first
    slots: dict[tuple[int, Any], Sums]
    others: dict[int, Sums]


def plus(one: Sums, other: Sums, sign: int = 1) -> Sums:
    return tuple(a + sign * b for a, b in zip(one, other, strict=True))


async def find_usage(db: AsyncConnection, wanted: Wanted, *, entries: int, series: int) -> Found:
    """At most `entries` keys, `series` of them in slots of their own."""
    await plan_each_time(db)
    if wanted.by in MANY and not wanted.filters:
        return await _find_dearest(db, wanted, entries, series)
    slots = await _read_slots(db, wanted)
    keys = _sum_by(slots, 1)
    ranked = sorted(keys.items(), key=lambda one: (-one[1][_QUOTA], one[0]))
    shown = {key for key, _ in ranked[:series]}
    others = _sum_by({place: sums for place, sums in slots.items() if place[1] not in shown}, 0)
    total = NOTHING
    for _, sums in ranked:
        total = plus(total, sums)
    mine = {place: sums for place, sums in slots.items() if place[1] in shown}
    return Found(total, ranked[:entries], mine, others)


async def _find_dearest(db: AsyncConnection, wanted: Wanted, entries: int, series: int) -> Found:
    """Of thousands of keys: which are the dearest is the database's business; sums and slots are read of these alone."""
    bounds = await read_bounds(db)
    user = wanted.by == "user"
    levels: list[Level] = [
        ("user_w" if user else "token_w", WEEK_S, bounds.days), ("user" if user else "token", DAY_S, bounds.days),
        ("token_h", HOUR_S, bounds.hours),
    ]  # fmt: skip
    parts = cover(wanted.begin, wanted.end, levels)
    owners = await _rank(db, wanted, parts, max(entries, series + 1))
    ranked = await _sum_of(db, wanted, parts, owners)
    keys = [key for key, _ in ranked[:series]]
    slots = await _read_slots(db, wanted, keys, _users_of(owners, keys)) if keys else {}
    others: dict[int, Sums] = {}
    total = NOTHING
    for part in cover(wanted.begin, wanted.end, [("all", HOUR_S, bounds.hours)]):
        for (at, _), figures in (await _read_part(db, wanted, part.kind, part.begin, part.end, column="")).items():
            others[at] = plus(others.get(at, NOTHING), figures)
            total = plus(total, figures)
    for (at, _), figures in slots.items():
        others[at] = plus(others.get(at, NOTHING), figures, -1)
    left = {at: figures for at, figures in others.items() if any(figures)}
    return Found(total, ranked[:entries], slots, left if len(ranked) > series else {})


async def _rank(db: AsyncConnection, wanted: Wanted, parts: Sequence[Part], limit: int) -> dict[Any, set[int]]:
    """The dearest keys of the span and whose they are."""
    of = _rows_of(parts, [COLUMNS[wanted.by], "user_id", "quota"])
    key, spent = of[COLUMNS[wanted.by]], func.sum(of.quota)
    found = (
        select(key, func.min(of.user_id), func.max(of.user_id)).group_by(key).order_by(spent.desc(), key).limit(limit)
    )
    return {row[0]: {int(row[1]), int(row[2])} for row in await db.execute(found)}


def _rows_of(parts: Sequence[Part], names: Sequence[str], keys: Sequence[Any] = (), users: Collection[int] = ()) -> Any:
    """Columns of the rows of all parts one after the other: summed once, they take a quarter less than part by part. The first
    of `names` is the key; `keys` and `users` as in `_read_slots`."""
    found: list[Any] = []
    for part in parts:
        table: Any = UsageTotal if part.kind else UsageHourly
        where = _within(table, part.kind, part.begin, part.end)
        if keys:
            where.append(getattr(table, names[0]).in_(keys))
        if users:
            where.append(table.user_id.in_(users))
        found.append(select(*(getattr(table, name) for name in dict.fromkeys(names))).where(*where))
    return union_all(*found).subquery().c


def _users_of(owners: dict[Any, set[int]], keys: Sequence[Any]) -> set[int]:
    """Whose these keys are; empty when one has several accounts, as that of deleted keys and none has."""
    return {user for key in keys for user in owners[key]} if all(len(owners[key]) == 1 for key in keys) else set()


async def _sum_of(
    db: AsyncConnection, wanted: Wanted, parts: Sequence[Part], owners: dict[Any, set[int]]
) -> list[tuple[Any, Sums]]:
    """These keys with their sums, the dearest first."""
    if not owners:
        return []
    keys = list(owners)
    of = _rows_of(parts, [COLUMNS[wanted.by], *SUMS], keys, _users_of(owners, keys))
    key = of[COLUMNS[wanted.by]]
    rows = await db.execute(select(key, *(whole_sum(of[name]) for name in SUMS)).group_by(key))
    found = [(row[0], _whole(row[1:])) for row in rows]
    return sorted(found, key=lambda one: (-one[1][_QUOTA], one[0]))


async def _read_slots(
    db: AsyncConnection, wanted: Wanted, keys: Sequence[Any] = (), users: Collection[int] = ()
) -> dict[tuple[int, Any], Sums]:
    """(slot, key) -> sums. `keys`: of these alone; empty: of all. `users`: whose they are, for the index; empty: unknown."""
    levels = _levels_of(wanted, await read_bounds(db))
    finer = levels[1][0] if len(levels) > 1 else ""
    found: dict[tuple[int, Any], Sums] = {}
    for part in cover(wanted.begin, wanted.end, levels):
        size = next((size for kind, size, _ in levels if kind == part.kind), HOUR_S)
        torn = _torn(wanted, size, part.begin, part.end)
        read = await _read_part(db, wanted, part.kind, part.begin, part.end, keys=keys, users=users, left_out=torn)
        if torn:
            hours = [hour for span in torn for hour in range(span, span + size, HOUR_S)]
            more = await _read_part(db, wanted, finer, part.begin, part.end, keys=keys, users=users, only=hours)
            read = {
                place: plus(read.get(place, NOTHING), more.get(place, NOTHING)) for place in read.keys() | more.keys()
            }
        for place, sums in read.items():
            found[place] = plus(found.get(place, NOTHING), sums)
    return found


def _levels_of(wanted: Wanted, bounds: Bounds) -> list[Level]:
    """The totals that tell apart what is asked, the largest spans first; empty: none does."""
    columns = {COLUMNS[wanted.by], *wanted.filters}
    if columns <= {"model", "group"}:
        return [("hour", HOUR_S, bounds.hours)]
    if columns == {"channel_id"}:
        return [("chan_h", HOUR_S, bounds.hours)]
    if columns <= {"user_id", "token_id", "group"}:
        hours = ("token_h", HOUR_S, bounds.hours)
        if wanted.step < WEEK_S or "group" in columns:
            return [hours]
        return [("user" if columns == {"user_id"} else "token", DAY_S, bounds.days), hours]
    if columns <= {"user_id", "model"} and wanted.step % BLOCK_S == 0:
        return [("model", BLOCK_S, bounds.days)]
    return []


def _torn(wanted: Wanted, size: int, begin: int, end: int) -> list[int]:
    """Spans of `size` seconds inside of which a slot begins."""
    if size == HOUR_S or wanted.shift % size == 0:
        return []
    first = begin + -(begin + wanted.shift) % wanted.step
    return [at - at % size for at in range(first, end, wanted.step) if at % size]


async def _read_part(
    db: AsyncConnection, wanted: Wanted, kind: str, begin: int, end: int, *, column: str | None = None,
    keys: Sequence[Any] = (), users: Collection[int] = (), left_out: Sequence[int] = (), only: Sequence[int] = (),
) -> dict[tuple[int, Any], Sums]:  # fmt: skip
    """From one table. `column` '': not told apart; `left_out`, `only`: begins of blocks or hours."""
    table: Any = UsageTotal if kind else UsageHourly
    at, name = (table.at, "at") if kind else (table.hour, "hour")
    where = _within(table, kind, begin, end) + [getattr(table, one) == value for one, value in wanted.filters.items()]
    if users:
        where.append(table.user_id.in_(users))
    if left_out:
        where.append(at.not_in(left_out))
    if only:
        where.append(at.in_(only))
    # Numbers of ours, not parameters: PostgreSQL would take those of the GROUP BY for another expression.
    slot: Any = literal_column(f"{name} - ({name} + {int(wanted.shift)}) % {int(wanted.step)}")
    groups = [slot]
    if column is None:
        key = getattr(table, COLUMNS[wanted.by])
        groups.append(key)
        if keys:
            where.append(key.in_(keys))
    rows = await db.execute(select(*groups, *_sums(table)).where(*where).group_by(*groups))
    width = len(groups)
    return {(int(row[0]), row[1] if width > 1 else ""): _whole(row[width:]) for row in rows}


def _within(table: Any, kind: str, begin: int, end: int) -> list[Any]:
    at = table.at if kind else table.hour
    return [at >= begin, at < end, *([table.kind == kind] if kind else [])]


def _sums(table: Any) -> list[Any]:
    return [whole_sum(getattr(table, name)) for name in SUMS]


def _whole(figures: Any) -> Sums:
    return tuple(int(one or 0) for one in figures)


def _sum_by(slots: dict[tuple[int, Any], Sums], place: int) -> dict[Any, Sums]:
    found: dict[Any, Sums] = {}
    for key, sums in slots.items():
        found[key[place]] = plus(found.get(key[place], NOTHING), sums)
    return found


_QUOTA = SUMS.index("quota")
