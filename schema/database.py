"""Addresses of databases as the predecessors write them, and engines that behave alike on all three.

SQLite is opened with WAL and `synchronous=NORMAL`: a commit survives `kill -9` of every process, because the pages are
with the operating system. A power cut may take the last commits, never a part of one; the settlement cursor is in the
same file, so those records are read again from the usage stream and the money is right afterwards.
"""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

log = structlog.get_logger(__name__)

SQLITE_PATH_DEFAULT = "one-api.db"
GIVE_BACK_S = 0.5  # for a connection whose server is silent
BUSY_TIMEOUT_MS = 10_000  # how long a SQLite writer waits for another; a settlement batch takes some tens of ms
_GO_MYSQL = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>.*))?@)?(?P<net>tcp|tcp4|tcp6|unix)\((?P<address>[^)]*)\)/(?P<rest>.*)",
    re.DOTALL,
)
_PRAGMAS = frozenset(
    {"cache_size", "mmap_size", "synchronous", "temp_store", "journal_size_limit", "wal_autocheckpoint"}
)
_SSLMODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


class DsnError(ValueError):
    """A database address that cannot be understood. The text never holds the password."""


def parse_dsn(text: str, sqlite_path: str = SQLITE_PATH_DEFAULT) -> URL:
    """The address of SQL_DSN or LOG_SQL_DSN as a URL with the driver we use.

    Accepts: '' or `local…` (SQLite at `sqlite_path`, which may carry `?_busy_timeout=ms&_pragma=…`), `sqlite:///file`,
    `postgres://` and `postgresql://`, `mysql://`, and Go's `user:pass@tcp(host:3306)/db?…` or `unix(/socket)`.
    Raises DsnError.
    """
    text = text.strip()
    if not text or text.startswith("local"):
        return _sqlite_url(sqlite_path)
    if text.startswith(("sqlite://", "sqlite+aiosqlite://")):
        return _sqlite_url(text.split("://", 1)[1].removeprefix("/") or ":memory:")
    scheme = text.split("://", 1)[0]
    if scheme in ("postgres", "postgresql", "postgresql+asyncpg"):
        return _postgres_url(text)
    if scheme in ("mysql", "mariadb", "mysql+aiomysql"):
        return _mysql_url(_parse_url(text))
    match = _GO_MYSQL.fullmatch(text)
    if match is None:
        raise DsnError(
            "the database address is neither postgres://…, nor user:password@tcp(host:port)/database, nor empty for SQLite"
        )
    return _mysql_url(_go_url(match))


def _parse_url(text: str) -> URL:
    try:
        return make_url(text)
    except Exception as error:
        raise DsnError("the database address is not a valid URL") from error


def _sqlite_url(path: str) -> URL:
    name, _, query = path.partition("?")
    kept: dict[str, str] = {}
    for key, value in parse_qsl(query):
        pragma = re.fullmatch(r"(\w+)[(=](.*?)\)?", value) if key == "_pragma" else None
        if key in ("_busy_timeout", "_timeout") and value.isdigit():
            kept["busy_timeout"] = value
        elif pragma and pragma[1] == "busy_timeout" and pragma[2].isdigit():
            kept["busy_timeout"] = pragma[2]
        elif pragma and pragma[1] in _PRAGMAS and re.fullmatch(r"-?\w+", pragma[2]):
            kept[pragma[1]] = pragma[2]
        elif key not in ("_journal_mode", "cache", "mode"):
            log.warning("database_parameter_ignored", name=key)
    return URL.create("sqlite+aiosqlite", database=name.removeprefix("file:") or SQLITE_PATH_DEFAULT, query=kept)


def _postgres_url(text: str) -> URL:
    url = _parse_url("postgresql+asyncpg://" + text.split("://", 1)[1])
    kept: dict[str, str] = {}
    for key, value in url.query.items():
        word = value if isinstance(value, str) else value[-1]
        if key in ("sslmode", "ssl") and word in _SSLMODES:
            kept["ssl"] = word
        elif key in ("connect_timeout", "timeout") and word.isdigit():
            kept["timeout"] = word
        elif key in ("application_name", "search_path", "prepared_statement_cache_size", "host", "port"):
            kept[key] = word
        elif key.lower() not in ("timezone",):
            log.warning("database_parameter_ignored", name=key)
    return url.set(query=kept)


def _go_url(match: re.Match[str]) -> URL:
    database, _, query = match["rest"].partition("?")
    host, port, extra = match["address"], None, ""
    if match["net"] == "unix":
        extra, host = match["address"], ""
    else:
        host, _, digits = match["address"].rpartition(":") if ":" in match["address"] else (match["address"], "", "")
        if digits and not digits.isdigit():
            raise DsnError("the port of the database address is not a number")
        port = int(digits) if digits else None
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if extra:
        parameters["unix_socket"] = extra
    return URL.create(
        "mysql",
        username=match["user"] or None,
        password=match["password"],
        host=host.strip("[]") or ("localhost" if extra else "127.0.0.1"),
        port=port,
        database=unquote(database),
        query=parameters,
    )


def _mysql_url(url: URL) -> URL:
    kept = {"charset": "utf8mb4"}
    for key, value in url.query.items():
        word = value if isinstance(value, str) else value[-1]
        if key == "charset":
            kept["charset"] = word.split(",")[0]
        elif key == "tls" and word in ("true", "skip-verify", "preferred", "false"):
            kept["tls"] = word
        elif key == "timeout":
            kept["connect_timeout"] = str(max(1, round(_go_seconds(word))))
        elif key == "unix_socket":
            kept["unix_socket"] = word
        elif key not in ("parseTime", "loc", "collation", "readTimeout", "writeTimeout", "multiStatements"):
            log.warning("database_parameter_ignored", name=key)
    return url.set(drivername="mysql+aiomysql", query=kept)


def _go_seconds(text: str) -> float:
    """`1m30s`, `500ms` in seconds; 10 where it is not a duration."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
    return sum(float(number) * units[unit] for number, unit in parts) if parts else 10.0


class DatabaseAway(SQLAlchemyError):
    """The database refused, broke off, or did not answer in time: what was asked may be asked again."""


_HANG_UP = {"postgresql": "terminate", "mysql": "close"}  # how a driver closes a socket without a word to the server


@asynccontextmanager
async def read_within(engine: AsyncEngine, seconds: float) -> AsyncIterator[AsyncConnection]:
    """A connection for reading while somebody waits. Raises DatabaseAway for whatever keeps it from answering.

    A connection that is given up here is thrown away, so a half-open one is met only once. To give one back is a round trip
    as well, and SQLAlchemy waits for that whatever happens: `GIVE_BACK_S` after the time is up its socket is closed.
    """
    cut: asyncio.TimerHandle | None = None
    try:
        async with asyncio.timeout(seconds), engine.connect() as db:
            driver: Any = (await db.get_raw_connection()).driver_connection
            hang_up = _HANG_UP.get(engine.dialect.name)
            if hang_up is not None:
                cut = asyncio.get_running_loop().call_later(seconds + GIVE_BACK_S, getattr(driver, hang_up))
            yield db
    except (SQLAlchemyError, OSError, TimeoutError) as error:  # drivers raise OSError while they connect
        raise DatabaseAway(type(error).__name__) from error
    finally:
        if cut is not None:
            cut.cancel()


class Engine(AsyncEngine):
    """`begin()` is for writing (on SQLite it takes the write lock at once), `connect()` for reading.

    A transaction of SQLite that begins by reading and then writes fails when somebody else wrote in between, and no
    time-out helps; so whoever will write says it first, by `begin()`.
    """

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.connect() as connection:
            await connection.execution_options(mx_begin="IMMEDIATE")
            async with connection.begin():
                yield connection


def make_engine(
    dsn: str | URL,
    *,
    sqlite_path: str = SQLITE_PATH_DEFAULT,
    pool_size: int = 10,
    pool_max: int = 40,
    lifetime_s: int = 60,
    connect_timeout_s: int = 10,
    debug: bool = False,
) -> Engine:
    """An engine; opens nothing yet.

    Args:
        dsn: what `parse_dsn` accepts, or its result.
        pool_size, pool_max: connections kept and the most there may be.
        lifetime_s: age at which a connection of the pool is replaced; 0 = never.
    """
    url = parse_dsn(dsn, sqlite_path) if isinstance(dsn, str) else dsn
    options: dict[str, Any] = {
        "echo": debug,
        "pool_size": pool_size,
        "max_overflow": max(0, pool_max - pool_size),
        "pool_recycle": lifetime_s if lifetime_s > 0 else -1,
        "pool_use_lifo": True,
        "pool_timeout": 30,
    }
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, options)
    options["pool_pre_ping"] = True
    if url.get_backend_name() == "postgresql":
        url, options["connect_args"] = _postgres_arguments(url, connect_timeout_s)
    else:
        url, options["connect_args"] = _mysql_arguments(url, connect_timeout_s)
        options["isolation_level"] = "READ COMMITTED"
    return Engine(create_async_engine(url, **options).sync_engine)


def _postgres_arguments(url: URL, timeout_s: int) -> tuple[URL, dict[str, Any]]:
    query = dict(url.query)
    settings = {"timezone": "UTC"}
    for key in ("application_name", "search_path"):
        if key in query:
            settings[key] = str(query.pop(key))
    arguments: dict[str, Any] = {
        "timeout": int(str(query.pop("timeout", timeout_s))),
        "server_settings": settings,
    }
    return url.set(query=query), arguments


def _mysql_arguments(url: URL, timeout_s: int) -> tuple[URL, dict[str, Any]]:
    query = dict(url.query)
    arguments: dict[str, Any] = {"connect_timeout": int(str(query.pop("connect_timeout", timeout_s)))}
    arguments["init_command"] = "SET time_zone = '+00:00'"
    tls = query.pop("tls", "false")
    if tls == "true":
        arguments["ssl"] = ssl.create_default_context()
    elif tls in ("skip-verify", "preferred"):
        unchecked = ssl.create_default_context()
        unchecked.check_hostname = False
        unchecked.verify_mode = ssl.CERT_NONE  # asked for by the operator in the address
        arguments["ssl"] = unchecked
    return url.set(query=query), arguments


def _sqlite_engine(url: URL, options: dict[str, Any]) -> Engine:
    pragmas = {str(key): str(value) for key, value in url.query.items()}
    busy_ms = int(pragmas.pop("busy_timeout", BUSY_TIMEOUT_MS))
    memory = url.database in (None, "", ":memory:")
    if memory:
        options = {"echo": options["echo"]}
    else:
        options["pool_recycle"] = -1
        folder = Path(str(url.database)).parent
        folder.mkdir(parents=True, exist_ok=True)
    engine = Engine(create_async_engine(url.set(query={}), **options).sync_engine)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; on_begin and on_execute do
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {busy_ms}")
        if not memory:
            cursor.execute("PRAGMA journal_mode = WAL")
        for name, value in (
            {"synchronous": "NORMAL", "cache_size": "-32768", "temp_store": "MEMORY"} | pragmas
        ).items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("mx_begin") == "IMMEDIATE":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def on_execute(connection: Connection, _c: Any, statement: str, _p: Any, _x: Any, _many: bool) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        words = statement.lstrip()[:9].upper()
        if driver.in_transaction or words.startswith(("BEGIN", "PRAGMA", "VACUUM", "ATTACH")):
            return
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN" if words.startswith(("SELECT", "EXPLAIN", "WITH")) else "BEGIN IMMEDIATE")
        cursor.close()

    return engine


async def database_clock_offset_ms(engine: AsyncEngine) -> int:
    """How far this machine's clock is ahead of the database's, in ms; 0 on SQLite, which has our clock."""
    if engine.dialect.name == "sqlite":
        return 0
    statement = (
        "SELECT extract(epoch FROM clock_timestamp()) * 1000"
        if engine.dialect.name == "postgresql"
        else "SELECT unix_timestamp(now(3)) * 1000"
    )
    async with engine.connect() as connection:
        theirs = (await connection.exec_driver_sql(statement)).scalar_one()
    return int(time.time() * 1000 - float(theirs))
