"""The time before an adoption in our totals: made once from what the predecessor summed by the hour, or else from its log.

`quota_data` holds user, model and hour with calls, quota and tokens; prompt and completion are one sum there, which becomes
`prompt_tokens` with no completion, since the sum of both is what dashboards show. Channel, token and group are not told. A
database without such rows (One API has no such table, new-api fills it only on demand) gives the last 90 days of its log, with
all of these. Hours that settlement wrote itself are left as they are.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema.adoption import find_origin, plain_name
from schema.own_tables import Meta, UsageHourly
from schema.usage_totals import DAY_S, DAYS_THROUGH, HOUR_S, HOURS_THROUGH

FILLED = "history_filled"  # in mx_meta: `done`, or Unix s before which the days are filled
LOG_DAYS = 90  # of a log, back from its newest call
ROWS_AT_ONCE = 500
_HOUR = f"created_at - created_at % {HOUR_S}"
_NAMES = ("hour", "user_id", "token_id", "channel_id", "model", "group")
_SUMS = ("calls", "quota", "prompt_tokens", "completion_tokens")
Locked = Callable[[AsyncEngine], AbstractAsyncContextManager[AsyncConnection]]


class _Source(Struct, frozen=True):
    table: str
    keys: tuple[str, ...]  # SQL of the columns in the order of _NAMES
    sums: str  # and in that of _SUMS
    where: str
    last: int  # of `where`: the newest that is the predecessor's
    begin: int  # Unix s, a day's begin


async def fill_history(
    engine: AsyncEngine, log_engine: AsyncEngine | None, locked: Locked, *, check: bool = False
) -> list[str]:
    """Fill (or with `check` only count) what is missing, a day per transaction; a killed run goes on where it was.

    `locked`: opens a transaction while no other migrator runs.
    """
    async with engine.connect() as db:
        facts = await db.run_sync(_read_facts)
        if facts["origin"] == "new" or facts.get(FILLED) == "done":
            return []
        source = await db.run_sync(_of_sums, facts)
    logs = log_engine if log_engine is not None else engine
    reader = engine
    if source is None:
        reader = logs
        async with logs.connect() as db:
            source = await db.run_sync(_of_log, facts, logs is engine)
    if check:
        if source is None:
            return []
        async with reader.connect() as db:
            return [f"fill {await _count(db, source)} rows of mx_usage_hourly from {source.table}"]
    rows = 0
    while source is not None:
        async with locked(engine) as db:
            done = await _fill_day(db, None if reader is engine else reader, source)
        if done is None:
            return [f"filled {rows} rows of mx_usage_hourly from {source.table}"]
        rows += done
    async with locked(engine) as db:
        await _note(db, "done")
    return []


def _read_facts(connection: Connection) -> dict[str, str]:
    if not inspect(connection).has_table("mx_meta"):
        return {"origin": find_origin(connection)}
    rows = connection.execute(select(Meta.key, Meta.value)).all()
    facts = {str(row.key): str(row.value) for row in rows}
    return facts if "origin" in facts else {**facts, "origin": find_origin(connection)}


def _columns(connection: Connection, table: str) -> set[str]:
    inspector = inspect(connection)
    if not inspector.has_table(table):
        return set()
    return {plain_name(connection, column["name"]) for column in inspector.get_columns(table)}


def _of_sums(connection: Connection, facts: dict[str, str]) -> _Source | None:
    if not _columns(connection, "quota_data") >= {
        "user_id",
        "model_name",
        "created_at",
        "token_used",
        "count",
        "quota",
    }:
        return None
    quote = connection.dialect.identifier_preparer.quote_identifier
    keys = (_HOUR, "coalesce(user_id, 0)", "0", "0", "coalesce(model_name, '')", "''")
    sums = f"sum({quote('count')}), sum(quota), sum(token_used), 0"
    return _bounded(connection, "quota_data", keys, sums, "created_at <= :last", int(facts.get("adopted_at", 2**62)), 0)


def _of_log(connection: Connection, facts: dict[str, str], same: bool) -> _Source | None:
    """`same`: the log is in the main database, whose newest row was noted when it was adopted."""
    have = _columns(connection, "logs")
    if not have >= {"id", "user_id", "created_at", "type", "quota"}:
        return None
    quote = connection.dialect.identifier_preparer.quote_identifier

    def held(name: str, default: str) -> str:
        return f"coalesce({quote(name)}, {default})" if name in have else default

    keys = (
        _HOUR, "coalesce(user_id, 0)", held("token_id", "0"), held("channel_id", "0"), held("model_name", "''"),
        held("group", "''"),
    )  # fmt: skip
    sums = f"count(*), sum(quota), sum({held('prompt_tokens', '0')}), sum({held('completion_tokens', '0')})"
    newest = "id <= :last" if same else "created_at <= :last"
    last = int(facts.get("adopted_log_id" if same else "adopted_at", 2**62))
    return _bounded(connection, "logs", keys, sums, f"type = 2 AND {newest}", last, LOG_DAYS)


def _bounded(
    connection: Connection, table: str, keys: tuple[str, ...], sums: str, where: str, last: int, days: int
) -> _Source | None:
    """None: there is nothing. `days`: so many back from the newest row; 0: all."""
    wanted = f"SELECT min(created_at), max(created_at) FROM {table} WHERE created_at > 0 AND {where}"  # noqa: S608  # constants
    first, newest = connection.execute(text(wanted), {"last": last}).one()
    if first is None:
        return None
    begin = max(int(first), int(newest) - days * DAY_S) if days else int(first)
    return _Source(table, keys, sums, where, last, begin - begin % DAY_S)


def _cells(source: _Source, what: str) -> str:
    """SQL of a row for each cell in [:begin, :end); constants are not grouped by."""
    groups = ", ".join(key for key in source.keys if key not in ("0", "''"))
    span = f"created_at >= :begin AND created_at < :end AND {source.where}"
    return f"SELECT {what} FROM {source.table} WHERE {span} GROUP BY {groups}"  # noqa: S608  # constants


async def _count(db: AsyncConnection, source: _Source) -> int:
    wanted = f"SELECT count(*) FROM ({_cells(source, '1 AS cell')}) cells"  # noqa: S608  # constants
    bounds = {"begin": source.begin, "end": 2**62, "last": source.last}
    return int((await db.execute(text(wanted), bounds)).scalar_one())


async def _fill_day(db: AsyncConnection, reader: AsyncEngine | None, source: _Source) -> int | None:
    """The next day that has calls. Returns the number of rows, None when there is none left. `reader`: None: `db` itself."""
    held = (await db.execute(select(Meta.value).where(Meta.key == FILLED))).scalar()
    if held == "done":
        return None
    at = max(source.begin, int(held or 0))
    if reader is None:
        found = await _read_day(db, source, at)
    else:
        async with reader.connect() as reading:
            found = await _read_day(reading, source, at)
    if found is None:
        await _note(db, "done")
        # nothing is summed yet of these days: the job begins anew at the first of them
        await db.execute(delete(Meta).where(Meta.key.in_((HOURS_THROUGH, DAYS_THROUGH))))
        return None
    day, cells = found
    span = (UsageHourly.hour >= day, UsageHourly.hour < day + DAY_S)
    own = set((await db.execute(select(UsageHourly.hour).where(*span).distinct())).scalars())
    rows = [
        dict(zip(_NAMES + _SUMS, key + tuple(sums), strict=True)) for key, sums in cells.items() if key[0] not in own
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        await db.execute(insert(UsageHourly), rows[start : start + ROWS_AT_ONCE])
    await _note(db, str(day + DAY_S))
    return len(rows)


async def _read_day(
    db: AsyncConnection, source: _Source, at: int
) -> tuple[int, dict[tuple[Any, ...], list[int]]] | None:
    """The first day from `at` on, and its cells; names are cut as our columns are, and what becomes the same is added."""
    wanted = f"SELECT min(created_at) FROM {source.table} WHERE created_at >= :at AND {source.where}"  # noqa: S608  # constants
    first = (await db.execute(text(wanted), {"at": max(at, 1), "last": source.last})).scalar()
    if first is None:
        return None
    day = int(first) // DAY_S * DAY_S
    statement = _cells(source, ", ".join((*source.keys, source.sums)))
    cells: dict[tuple[Any, ...], list[int]] = {}
    for row in await db.execute(text(statement), {"begin": max(day, 1), "end": day + DAY_S, "last": source.last}):
        hour, user_id, token_id, channel_id, model, group = row[:6]
        # MySQL takes names that differ in spaces at the end for the same
        key = (
            int(hour),
            int(user_id),
            int(token_id),
            int(channel_id),
            str(model)[:255].rstrip(),
            str(group)[:64].rstrip(),
        )
        sums = cells.setdefault(key, [0] * len(_SUMS))
        for place, value in enumerate(row[6:]):
            sums[place] += int(value or 0)
    return day, cells


async def _note(db: AsyncConnection, value: str) -> None:
    known = (await db.execute(select(Meta.value).where(Meta.key == FILLED))).scalar()
    if known is None:
        await db.execute(insert(Meta).values(key=FILLED, value=value))
    else:
        await db.execute(update(Meta).where(Meta.key == FILLED).values(value=value))
