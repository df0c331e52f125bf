"""What must be right before anything starts: each mistake becomes one sentence that says what to do."""

import asyncio
import errno
import fcntl
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from redis.exceptions import AuthenticationError, RedisError, ResponseError
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from medusa.cannot_start import CannotStart
from schema.ledger.server import find_eviction, refuse_eviction
from schema.redis_client import close_client, open_client, servers_of
from schema.redis_cluster import is_cluster, read_cluster_url

PATIENCE_S = 45.0  # containers start in any order
_MYSQL_UNREACHABLE = frozenset({2002, 2003, 2006, 2013})  # Source: MySQL client error numbers


def check_folder(data_dir: str) -> None:
    """Make DATA_DIR if need be and prove that a file can be written there."""
    folder = Path(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotStart(
            f"The data folder {folder} cannot be written ({reason}); set DATA_DIR to another one."
        ) from None


def lock_folder(data_dir: str) -> TextIO:
    """One gateway per data folder. Keep the returned file open as long as the gateway runs."""
    file = (Path(data_dir) / "medusa.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise CannotStart(f"Another gateway is already running on the data folder {data_dir}.") from None
    return file


def check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(f"Port {port} is already in use; set PORT to a free one.") from None
            reason = (error.strerror or str(error)).lower()
            raise CannotStart(f"Port {port} on {host} cannot be opened ({reason}); check PORT and HOST.") from None


async def check_database(
    engine: AsyncEngine, url: URL, *, name: str = "SQL_DSN", patience_s: float = PATIENCE_S
) -> None:
    """Return when the database answers. Waits for one that is not there yet, not for one that refuses us."""
    place = (
        url.database if url.get_backend_name() == "sqlite" else f"{url.host or 'its socket'}:{url.port or 'default'}"
    )

    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    def refused(error: Exception) -> str | None:
        if url.get_backend_name() == "sqlite":
            return f"The SQLite file {place} cannot be used ({find_reason(error)}); check SQLITE_PATH and DATA_DIR."
        if is_absent(error):
            return None
        return f"The database at {place} refuses us ({find_reason(error)}); check {name}."

    await _wait(ask, refused, f"The database at {place}", name, patience_s)


def is_absent(error: Exception) -> bool:
    """Nobody answers there (yet), as opposed to a server that says no or a host name that does not exist."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
    if isinstance(cause, socket.gaierror):
        return False
    if isinstance(cause, OSError | TimeoutError):
        return True
    if isinstance(error, OperationalError) and cause.args and cause.args[0] in _MYSQL_UNREACHABLE:
        return "Name or service not known" not in str(cause)
    return type(cause).__name__ in ("CannotConnectNowError", "ConnectionDoesNotExistError")


def find_reason(error: Exception) -> str:
    """The last line of what the driver said, without SQLAlchemy's wrapping."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.splitlines()[0]
    words = str(cause.args[-1]) if len(cause.args) > 1 else str(cause)
    return (words.strip() or type(cause).__name__).splitlines()[0].rstrip(".")


async def check_redis(
    address: str, *, name: str = "REDIS_CONN_STRING", allow_eviction: bool = False, patience_s: float = PATIENCE_S
) -> None:
    """Return when Redis answers and drops nothing by itself."""
    try:
        place = make_place(address)
        client = open_client(address, socket_connect_timeout=5, socket_timeout=5)
    except ValueError as error:
        raise CannotStart(f"{name} cannot be understood: {error}.") from None

    def refused(error: Exception) -> str | None:
        named = "Name or service not known" in str(error) or "Temporary failure in name" in str(error)
        if named or isinstance(error, AuthenticationError | ResponseError):
            return f"Redis at {place} refuses us ({find_reason(error)}); check {name}."
        return None

    async def ask() -> None:
        await client.ping()

    try:
        await _wait(ask, refused, f"Redis at {place}", name, patience_s)
        for server in await servers_of(client):
            policy = find_eviction(await server.info("memory"))
            if policy is not None and not allow_eviction:
                raise CannotStart(refuse_eviction(policy))
    finally:
        await close_client(client)


def make_place(address: str) -> str:
    """Where this Redis is, without its password."""
    if is_cluster(address):
        return ", ".join(f"{host}:{port}" for host, port in read_cluster_url(address).seeds)
    parts = urlsplit(address)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


async def _wait(
    ask: Callable[[], Awaitable[None]],
    refused: Callable[[Exception], str | None],
    what: str,
    variable: str,
    patience_s: float,
) -> None:
    deadline = time.monotonic() + patience_s
    delay_s, told = 0.2, False
    while True:
        try:
            return await asyncio.wait_for(ask(), 10)
        except (OSError, RedisError, DBAPIError, TimeoutError) as error:
            problem: Exception = error
        except Exception as error:  # asyncpg raises its own errors while it connects
            if type(error).__module__.split(".")[0] not in ("asyncpg", "pymysql", "aiomysql"):
                raise
            problem = error
        if sentence := refused(problem):
            raise CannotStart(sentence) from None
        if time.monotonic() + delay_s > deadline:
            raise CannotStart(
                f"{what} cannot be reached ({find_reason(problem)}); start it or check {variable}."
            ) from None
        if not told:
            print(f"Waiting up to {patience_s:.0f} s for {what[0].lower()}{what[1:]}.", file=sys.stderr, flush=True)
            told = True
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 2)
