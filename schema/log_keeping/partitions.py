"""The log in partitions by time, where the database can: made from the plain table by a command, continued by a daily job.

PostgreSQL (12 and later): the plain table becomes the first partition, without being copied. MySQL and MariaDB copy it.
Rows that no partition expects wait in one of their own (`p_rest`), so a worker that is away costs nobody a row. Retention
drops partitions whose time is over instead of deleting row by row; what must stay of them is kept.
"""

# ruff: noqa: S608  # names of partitions are checked where they are read, everything else is ours

import re
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex

from schema.database import Engine
from schema.log_keeping.periods import Period, ahead_until, period_of, periods
from schema.tables import Log

log = structlog.get_logger(__name__)

PREFIX = "logs_"  # of the names of PostgreSQL's partitions, which are tables
FIRST, REST, KEPT = "p_first", "p_rest", "mx_logs_kept"
POSTGRES_MIN = 120_000  # server_version_num
PERIODS_MAX = 2_000
_TABLE = Log.__table__


class CannotPartition(Exception):
    """One sentence for the operator."""


class Part(Struct, frozen=True):
    """One partition. `end` None: the rest."""

    name: str
    end: int | None


async def grain_of(engine: Engine) -> str:
    """month or day; '' when the log is one plain table."""
    if engine.dialect.name == "sqlite":
        return ""
    names = [part.name for part in await read_parts(engine)]
    if not names:
        return ""
    return "day" if any(re.fullmatch(r"p\d{4}_\d\d_\d\d", name) for name in names) else "month"


async def read_parts(engine: Engine) -> list[Part]:
    """In order of time; empty when the log is one plain table."""
    async with engine.connect() as db:
        if engine.dialect.name == "postgresql":
            rows = (await db.execute(text(_POSTGRES_PARTS))).all()
            found = [Part(row[0].removeprefix(PREFIX), _postgres_end(row[1])) for row in rows]
        elif engine.dialect.name in ("mysql", "mariadb"):
            rows = (await db.execute(text(_MYSQL_PARTS))).all()
            found = [Part(row[0], int(row[1]) if str(row[1]).isdigit() else None) for row in rows]
        else:
            return []
    named = [part for part in found if re.fullmatch(r"[a-z0-9_]+", part.name)]  # others are somebody else's
    return sorted(named, key=lambda part: (part.end is None, part.end or 0))


_POSTGRES_PARTS = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = to_regclass('logs')"
)
_MYSQL_PARTS = (
    "SELECT partition_name, partition_description FROM information_schema.partitions"
    " WHERE table_schema = database() AND table_name = 'logs' AND partition_name IS NOT NULL"
)


def _postgres_end(bound: str) -> int | None:
    found = re.search(r"TO \('?(\d+)'?\)", bound)
    return int(found[1]) if found else None


# -- making


async def partition_log(engine: Engine, grain: str, now_s: int) -> list[str]:
    """Turn the plain table into a partitioned one. Returns what was done. Raises CannotPartition."""
    if engine.dialect.name == "sqlite":
        raise CannotPartition("SQLite has no partitions; use PostgreSQL or MySQL for a log of this size.")
    if await read_parts(engine):
        raise CannotPartition("The log is partitioned already.")
    async with engine.begin() as db:
        if engine.dialect.name == "postgresql":
            return await _partition_postgres(db, grain, now_s)
        return await _partition_mysql(db, grain, now_s)


async def _partition_postgres(db: AsyncConnection, grain: str, now_s: int) -> list[str]:
    version = int((await db.execute(text("SHOW server_version_num"))).scalar_one())
    if version < POSTGRES_MIN:
        raise CannotPartition("PostgreSQL 12 or later is needed for this.")
    first = PREFIX + FIRST
    await db.execute(text("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE"))
    await db.execute(text("UPDATE logs SET created_at = 0 WHERE created_at IS NULL"))
    newest = int((await db.execute(select(func.max(Log.created_at)))).scalar() or 0)
    end = period_of(max(newest, now_s), grain).end if newest else period_of(now_s, grain).begin
    indexes = (await db.execute(text("SELECT indexname FROM pg_indexes WHERE tablename = 'logs'"))).scalars().all()
    sequence = (await db.execute(text("SELECT pg_get_serial_sequence('logs', 'id')"))).scalar()
    await db.execute(text(f"ALTER TABLE logs RENAME TO {first}"))
    for name in indexes:
        await db.execute(text(f'ALTER INDEX "{name}" RENAME TO "{name[:56]}_first"'))
    await db.execute(text(f"CREATE TABLE logs (LIKE {first} INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)"))
    if sequence:
        await db.execute(text(f"ALTER SEQUENCE {sequence} OWNED BY logs.id"))
    await db.execute(text(f"ALTER TABLE logs ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ({end})"))
    for index in (*_TABLE.indexes, _id_index()):  # type: ignore[attr-defined]  # a Table has indexes
        await db.execute(CreateIndex(index))
    done = [f"rows until {end} stand in {first}"]
    for one in periods(end, ahead_until(now_s, grain), grain):
        await _add_postgres(db, one)
        done.append(f"made partition {one.name}")
    await db.execute(text(f"CREATE TABLE {PREFIX}{REST} PARTITION OF logs DEFAULT"))
    return done


def _id_index() -> Index:
    """A partitioned table can have no primary key that lacks the time; ids still come from one sequence."""
    copy = _TABLE.to_metadata(type(Log.metadata)())  # type: ignore[attr-defined]  # apart from the model's own indexes
    return Index("mx_logs_id", copy.c.id)


async def _add_postgres(db: AsyncConnection, one: Period) -> None:
    bounds = f"FOR VALUES FROM ({one.begin}) TO ({one.end})"
    await db.execute(text(f"CREATE TABLE {PREFIX}{one.name} PARTITION OF logs {bounds}"))


async def _partition_mysql(db: AsyncConnection, grain: str, now_s: int) -> list[str]:
    """One ALTER, which copies the table; the database commits by itself."""
    await db.execute(text("UPDATE logs SET created_at = 0 WHERE created_at IS NULL"))
    row = (await db.execute(select(func.min(Log.created_at), func.max(Log.created_at)).where(Log.created_at > 0))).one()
    oldest, newest = int(row[0] or now_s), int(row[1] or now_s)
    spans = periods(oldest, max(newest + 1, ahead_until(now_s, grain)), grain)
    if len(spans) > PERIODS_MAX:
        raise CannotPartition(f"That would be {len(spans)} partitions: choose months, or delete old rows first.")
    parts = ", ".join(f"PARTITION {one.name} VALUES LESS THAN ({one.end})" for one in spans)
    await db.execute(
        text(
            "ALTER TABLE logs MODIFY created_at BIGINT NOT NULL DEFAULT 0, DROP PRIMARY KEY, ADD PRIMARY KEY (id, created_at)"
            f" PARTITION BY RANGE (created_at) ({parts}, PARTITION {REST} VALUES LESS THAN MAXVALUE)"
        )
    )
    return [f"made partition {one.name}" for one in spans]


async def add_partitions(engine: Engine, now_s: int) -> list[str]:
    """Those of the time ahead that are missing. Returns their names; [] where the log is one plain table."""
    parts, grain = await read_parts(engine), await grain_of(engine)
    ends = [part.end for part in parts if part.end is not None]
    if not ends:
        return []
    missing = periods(max(ends), ahead_until(now_s, grain), grain)
    made = []
    for one in missing:
        async with engine.begin() as db:
            if engine.dialect.name == "postgresql":
                await _add_postgres(db, one)
            else:
                await db.execute(
                    text(
                        f"ALTER TABLE logs REORGANIZE PARTITION {REST} INTO (PARTITION {one.name} VALUES LESS THAN"
                        f" ({one.end}), PARTITION {REST} VALUES LESS THAN MAXVALUE)"
                    )
                )
        made.append(one.name)
    return made


# -- dropping


async def drop_before(engine: Engine, before_s: int, gone: tuple[int, ...]) -> list[str]:
    """Drop partitions that end at or before a time, once only rows of types in `gone` are to go; the others are kept.

    Returns their names. Killed anywhere, the next run goes on.
    """
    if engine.dialect.name == "sqlite":
        return []
    await _restore_kept(engine)
    dropped = []
    for part in await read_parts(engine):
        if part.end is None or part.end > before_s:
            break
        types = ", ".join(map(str, gone))
        if engine.dialect.name == "postgresql":
            if not await _shrink_postgres(engine, part, types):
                continue
        else:
            await _drop_mysql(engine, part, types)
        log.info("log_partition_dropped", partition=part.name)
        dropped.append(part.name)
    return dropped


async def _shrink_postgres(engine: Engine, part: Part, types: str) -> bool:
    """In one transaction a partition with only what stays takes the place of the full one. False: nothing would go."""
    name = PREFIX + part.name
    async with engine.begin() as db:
        if (await db.execute(text(f"SELECT 1 FROM {name} WHERE type IN ({types}) LIMIT 1"))).first() is None:
            return False
        await db.execute(text(f"LOCK TABLE {name} IN SHARE MODE"))  # who reads goes on
        bound = (
            await db.execute(
                text("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = to_regclass(:n)"), {"n": name}
            )
        ).scalar_one()
        stays = f"SELECT * FROM {name} WHERE type IS NULL OR type NOT IN ({types})"
        await db.execute(text(f"CREATE TABLE {name}_new (LIKE {name} INCLUDING DEFAULTS INCLUDING INDEXES)"))
        await db.execute(text(f"INSERT INTO {name}_new {stays}"))
        await db.execute(text(f"ALTER TABLE logs DETACH PARTITION {name}"))
        await db.execute(text(f"DROP TABLE {name}"))
        await db.execute(text(f"ALTER TABLE {name}_new RENAME TO {name}"))
        await db.execute(text(f"ALTER TABLE logs ATTACH PARTITION {name} {bound}"))
    return True


async def _drop_mysql(engine: Engine, part: Part, types: str) -> None:
    """DDL commits by itself here, so what stays is copied first and comes back afterwards, into the next partition."""
    async with engine.begin() as db:
        if not await _exists(db, KEPT):
            await db.execute(text(f"CREATE TABLE {KEPT} LIKE logs"))
            await db.execute(text(f"ALTER TABLE {KEPT} REMOVE PARTITIONING"))
        stays = f"SELECT * FROM logs PARTITION ({part.name}) WHERE type IS NULL OR type NOT IN ({types})"
        await db.execute(text(f"INSERT IGNORE INTO {KEPT} {stays}"))
    async with engine.begin() as db:
        await db.execute(text(f"ALTER TABLE logs DROP PARTITION {part.name}"))
    await _restore_kept(engine)


async def _restore_kept(engine: Engine) -> None:
    if engine.dialect.name not in ("mysql", "mariadb"):
        return
    async with engine.begin() as db:
        if await _exists(db, KEPT):
            await db.execute(text(f"INSERT IGNORE INTO logs SELECT * FROM {KEPT}"))
            await db.execute(text(f"DELETE FROM {KEPT}"))


async def _exists(db: AsyncConnection, table: str) -> bool:
    wanted = "SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = :t"
    found: Any = (await db.execute(text(wanted), {"t": table})).first()
    return found is not None
