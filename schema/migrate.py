"""Brings a database to our schema: a new one from nothing, one of a predecessor by additions alone.

Nothing is dropped, renamed, narrowed or re-encoded. The verdict about the origin is recorded before the first change and
never derived again. Every step can be repeated, so a migration that was killed is simply run again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    cast,
    false,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from schema.adoption import find_origin, plain_name, plan_fill
from schema.history import fill_history
from schema.own_tables import Meta
from schema.providers import provider_of
from schema.tables import Base, LedgerEntry, Token, User

log = structlog.get_logger(__name__)

# 2: mx_channel_health; 3: indexes of the log in the order of its pages; 4: columns of tasks; 5: totals of usage; 6: mx_usage_sums
SCHEMA_VERSION = 6
_META = Base.metadata.tables["mx_meta"]
_LOGS = Base.metadata.tables["logs"]
_CURSORS = Base.metadata.tables["mx_settle_cursors"]  # the logs have their own positions in the stream
LOCK_ID = 0x6D656475_7361  # of the advisory lock on PostgreSQL
LOCK_NAME = "medusaxd_migrate"
MYSQL_INDEXED_CHARS = 191  # of utf8mb4, within the 767 bytes of the oldest row format
LOCK_WAIT_S = 600  # an index on a log of 10 million rows takes minutes
# Columns that we write longer values into than the predecessors allowed; SQLite does not care about lengths.
_WIDEN = (
    ("users", "group", "VARCHAR(64)", 64),
    ("channels", "group", "VARCHAR(64)", 64),
    ("abilities", "group", "VARCHAR(64)", 64),
    ("abilities", "model", "VARCHAR(255)", 255),
    ("channels", "model_mapping", "TEXT", None),
    ("tokens", "model_limits", "TEXT", None),
    ("tokens", "allow_ips", "TEXT", None),
)


class SchemaTooNew(Exception):
    """The database was migrated by a later version of this program than the one that is starting."""


async def migrate(engine: AsyncEngine, *, check: bool = False, log_engine: AsyncEngine | None = None) -> list[str]:
    """Do (or with `check` only tell) what is missing. Returns one sentence per step; [] when there is nothing to do.

    `log_engine`: the database of LOG_SQL_DSN; the log table and its stream positions are made there. Raises SchemaTooNew.
    """
    if await _is_current(engine):
        steps: list[str] = []
    elif check:
        async with engine.connect() as connection:
            steps = await connection.run_sync(_plan)
    else:
        async with _locked(engine) as connection:
            steps = await connection.run_sync(_apply)
    if log_engine is not None and log_engine is not engine:
        async with log_engine.connect() if check else _locked(log_engine) as connection:
            steps += await connection.run_sync(_tables_step, [_LOGS, _CURSORS], check)
    return steps + await fill_history(engine, log_engine, _locked, check=check)


async def read_meta(engine: AsyncEngine, key: str) -> str | None:
    """A fact about the database: `origin` is new, new-api or one-api."""
    async with engine.connect() as connection:
        return await find_meta(connection, key)


async def find_meta(connection: AsyncConnection, key: str) -> str | None:
    """As `read_meta`, where a connection is at hand."""
    found = (await connection.execute(_META.select().where(Meta.key == key))).first()
    return str(found.value) if found is not None else None


async def _is_current(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("mx_meta")):
            return False
        row = await connection.execute(_META.select().where(Meta.key == "schema_version"))
        found = row.first()
    version = int(found.value) if found is not None else 0
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(f"the database has schema version {version}, this program knows {SCHEMA_VERSION}")
    return version == SCHEMA_VERSION


@asynccontextmanager
async def _locked(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction while no other migrator runs. MySQL commits at every DDL, hence a lock of the session there."""
    if engine.dialect.name in ("mysql", "mariadb"):
        async with engine.connect() as holder:
            got = (await holder.execute(text("SELECT GET_LOCK(:n, :s)"), {"n": LOCK_NAME, "s": LOCK_WAIT_S})).scalar()
            if got != 1:
                raise TimeoutError("another process has been migrating the database for too long")
            try:
                async with engine.begin() as connection:
                    yield connection
            finally:
                await holder.execute(text("SELECT RELEASE_LOCK(:n)"), {"n": LOCK_NAME})
        return
    async with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
        yield connection


def _plan(connection: Connection) -> list[str]:
    steps = [f"origin of the database: {_origin(connection)}"]
    steps += _tables_step(connection, Base.metadata.sorted_tables, True)
    steps += [f"widen {table}.{column}" for table, column, _ in _too_narrow(connection)]
    return [*steps, *plan_fill(connection, _origin(connection)), f"record schema version {SCHEMA_VERSION}"]


def _origin(connection: Connection) -> str:
    if inspect(connection).has_table("mx_meta"):
        found = connection.execute(_META.select().where(Meta.key == "origin")).first()
        if found is not None:
            return str(found.value)
    return find_origin(connection)


def _apply(connection: Connection) -> list[str]:
    origin = _origin(connection)
    steps = [f"origin of the database: {origin}"]
    if not inspect(connection).has_table("mx_meta"):
        connection.execute(CreateTable(_META))
        steps.append("create table mx_meta")
    if _write_meta(connection, "origin", origin):
        _write_meta(connection, "adopted_at", str(int(time.time())))
        top = 0
        if origin != "new" and inspect(connection).has_table("logs"):
            top = connection.execute(text("SELECT coalesce(max(id), 0) FROM logs")).scalar_one()
        _write_meta(connection, "adopted_log_id", str(top))
        _write_meta(connection, "secrets_at_rest", "aesgcm" if origin == "new" else "off")
    steps += _tables_step(connection, Base.metadata.sorted_tables, False)
    for table, column, kind in _too_narrow(connection):
        _widen(connection, table, column, kind)
        steps.append(f"widened {table}.{column}")
    adopted = connection.execute(_META.select().where(Meta.key == "schema_version")).first() is not None
    steps += _fill(connection, origin, opening=not adopted)
    _write_meta(connection, "schema_version", str(SCHEMA_VERSION), replace=True)
    for step in steps:
        log.info("migrated", step=step)
    return steps


def _write_meta(connection: Connection, key: str, value: str, *, replace: bool = False) -> bool:
    """Store a fact once; True when it was not there before."""
    table = _META
    if connection.execute(table.select().where(Meta.key == key)).first() is None:
        connection.execute(table.insert().values(key=key, value=value))
        return True
    if replace:
        connection.execute(table.update().where(Meta.key == key).values(value=value))
    return False


def _tables_step(connection: Connection, tables: Iterable[Table], check: bool) -> list[str]:
    inspector = inspect(connection)
    present = {plain_name(connection, name): name for name in inspector.get_table_names()}
    steps: list[str] = []
    for table in tables:
        if table.name not in present:
            steps.append(f"create table {table.name}")
            if not check:
                table.create(connection)
            continue
        known = {plain_name(connection, column["name"]) for column in inspector.get_columns(present[table.name])}
        for column in table.columns:
            if column.name not in known:
                steps.append(f"add column {table.name}.{column.name}")
                if not check:
                    _add_column(connection, table, column)
        steps += _indexes_step(connection, table, present[table.name], check)
    return steps


def _add_column(connection: Connection, table: Table, column: Column[object]) -> None:
    """Add a nullable column. The log may have 10 million rows, and PostgreSQL before version 11 rewrites a table for a
    default: there the default is set afterwards, and old rows read NULL."""
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "postgresql" and table.name == "logs":
        kind = column.type.compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE logs ADD COLUMN {quote(column.name)} {kind}")
        if column.server_default is not None:
            default = str(CreateColumn(column).compile(dialect=connection.dialect)).split(" DEFAULT ", 1)[1]
            connection.exec_driver_sql(f"ALTER TABLE logs ALTER COLUMN {quote(column.name)} SET DEFAULT {default}")
        return
    definition = str(CreateColumn(column).compile(dialect=connection.dialect))
    connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {definition}".replace("%", "%%"))


def _indexes_step(connection: Connection, table: Table, stored_as: str, check: bool) -> list[str]:
    """Adopted tables keep their indexes; of ours only those are added whose columns no index leads with."""
    have = inspect(connection).get_indexes(stored_as)
    names = {index["name"] for index in have}
    leads = {tuple(index["column_names"][: len(index["column_names"])]) for index in have}
    steps: list[str] = []
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        columns = tuple(column.name for column in index.columns)
        if index.name in names or columns in leads:
            continue
        steps.append(f"create index {index.name}")
        if not check:
            _create_index(connection, index)
    return steps


def _create_index(connection: Connection, index: Index) -> None:
    """A predecessor that did without a unique index may hold the same value twice: there it is a plain index.

    On MySQL old columns may be of a text type, of which only the beginning can be indexed.
    """
    assert index.table is not None
    unique = bool(index.unique) and str(index.name).startswith("mx_")
    lengths: dict[str, int] = {}
    if connection.dialect.name in ("mysql", "mariadb"):
        for column in inspect(connection).get_columns(index.table.name):
            if isinstance(column["type"], Text):
                lengths[column["name"]] = MYSQL_INDEXED_CHARS
    columns = [column.name for column in index.columns]
    if unique == bool(index.unique) and not lengths.keys() & set(columns):
        connection.execute(CreateIndex(index))
        return
    quote = connection.dialect.identifier_preparer.quote
    parts = ", ".join(quote(name) + (f"({lengths[name]})" if name in lengths else "") for name in columns)
    kind = "UNIQUE INDEX" if unique else "INDEX"
    connection.exec_driver_sql(f"CREATE {kind} {quote(str(index.name))} ON {quote(index.table.name)} ({parts})")


def _too_narrow(connection: Connection) -> list[tuple[str, str, str]]:
    if connection.dialect.name == "sqlite":
        return []
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    narrow: list[tuple[str, str, str]] = []
    for table, name, kind, length in _WIDEN:
        if table not in present:
            continue
        for column in inspector.get_columns(table):
            size = getattr(column["type"], "length", None)
            if column["name"] == name and size is not None and (length is None or size < length):
                narrow.append((table, name, kind))
    return narrow


def _widen(connection: Connection, table: str, column: str, kind: str) -> None:
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} TYPE {kind}")
        return
    strict = " NOT NULL" if table == "abilities" else " NULL" if kind == "TEXT" else " DEFAULT 'default'"
    connection.exec_driver_sql(f"ALTER TABLE {quote(table)} MODIFY COLUMN {quote(column)} {kind}{strict}")


def _fill(connection: Connection, origin: str, *, opening: bool) -> list[str]:
    """Values of the new columns. Each statement finds nothing to do when it is repeated.

    `opening`: the books begin now. In a later version's step every balance has its entries already.
    """
    quote = connection.dialect.identifier_preparer.quote
    steps: list[str] = []
    rows = connection.execute(text("SELECT id, type FROM channels WHERE provider IS NULL")).all()
    if opening:
        _write_opening(connection)
    for row in rows:
        name = provider_of(row.type or 0, one_api=origin == "one-api")
        connection.execute(text("UPDATE channels SET provider = :p WHERE id = :id"), {"p": name, "id": row.id})
    if rows:
        steps.append(f"named the provider of {len(rows)} channels")
    if origin == "one-api":
        connection.execute(
            text(
                "UPDATE tokens SET model_limits = models, model_limits_enabled = :yes"
                " WHERE models IS NOT NULL AND models <> '' AND model_limits IS NULL"
            ).bindparams(yes=True if connection.dialect.name != "sqlite" else 1)
        )
        connection.execute(
            update(User).where(User.status == 3, User.deleted_at.is_(None)).values(deleted_at=datetime.now(UTC))
        )
        steps.append("took over model limits and deleted accounts")
    for table, column, value in (
        ("users", "aff_count", "0"),
        ("users", "aff_quota", "0"),
        ("users", "aff_history", "0"),
        ("channels", "auto_ban", "1"),
    ):
        connection.execute(text(f"UPDATE {table} SET {quote(column)} = {value} WHERE {quote(column)} IS NULL"))  # noqa: S608  # constants
    root = connection.execute(text("SELECT id FROM users WHERE role = 100")).first()
    done = connection.execute(text("SELECT id FROM setups")).first()
    if root is not None and done is None:
        connection.execute(
            text("INSERT INTO setups (version, initialized_at) VALUES ('adopted', :now)"), {"now": int(time.time())}
        )
        steps.append("marked the first-run set-up as done")
    return steps


def _write_opening(connection: Connection) -> None:
    """What accounts and limited tokens have now, as first entries of the ledger; written once."""
    now_ms = int(time.time() * 1000)
    names = ["kind", "reference", "balance", "user_id", "token_id", "delta", "token_delta", "actor", "reason", "at_ms"]
    users = literal("user:") + cast(User.id, String(32))
    tokens = literal("token:") + cast(Token.id, String(32))
    rest = (literal("migrate"), literal("balance when the database was adopted"), literal(now_ms))
    known = select(LedgerEntry.reference).where(LedgerEntry.kind == "opening")
    connection.execute(
        insert(LedgerEntry).from_select(
            names,
            select(
                literal("opening"),
                users,
                literal("user"),
                User.id,
                literal(0),
                func.coalesce(User.quota, 0),
                literal(0),
                *rest,
            ).where(User.quota != 0, users.not_in(known)),
        )
    )
    connection.execute(
        insert(LedgerEntry).from_select(
            names,
            select(
                literal("opening"), tokens, literal("token"), func.coalesce(Token.user_id, 0), Token.id, literal(0),
                func.coalesce(Token.remain_quota, 0), *rest,
            ).where(func.coalesce(Token.unlimited_quota, false()) == false(), Token.remain_quota != 0, tokens.not_in(known)),
        )
    )  # fmt: skip


async def wait_for_database(engine: AsyncEngine, *, patience_s: float = 60) -> None:
    """Return once the database answers; raises its error after `patience_s` seconds of trying."""
    deadline = time.monotonic() + patience_s
    delay_s = 0.2
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
            return
        except Exception as error:
            if time.monotonic() + delay_s > deadline:
                raise
            log.warning("database_not_ready", error=type(error).__name__, retry_s=delay_s)
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 5)
