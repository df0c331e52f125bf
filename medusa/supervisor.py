"""`medusa up`: checks, embedded Valkey, migration, edge and worker; then waits for a signal and ends all in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog

from medusa.child import Child
from medusa.preflight import CannotStart, check_database, check_folder, check_port, check_redis, lock_folder
from medusa.valkey import find_socket, valkey_command, wait_for_valkey
from schema.config import Config, ensure_secrets
from schema.database import Engine, make_engine, parse_dsn
from schema.log_lines import configure_logging
from schema.migrate import SchemaTooNew, migrate

log = structlog.get_logger(__name__)

WORKER_GRACE_S = 15.0  # it finishes or rolls back a transaction within 10 s
VALKEY_GRACE_S = 60.0  # it syncs its append-only file
EDGE_EXTRA_S = 8.0  # beyond SHUTDOWN_DELAY_S and SHUTDOWN_TIMEOUT: ending what is still open and settling it
READY_S = 90.0


class Supervisor:
    """Owns the children. `run` returns the exit status."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config = config
        self._environ = dict(environ)
        self._children: list[Child] = []  # in the order in which they start
        self._signals = 0
        self._wake = asyncio.Event()
        self._lock: TextIO | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        try:
            work = asyncio.create_task(self._start())
            stop = asyncio.create_task(self._wake.wait())
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
                return 0
            work.result()
            await stop
            return 0
        finally:
            await self._stop()

    def _on_signal(self) -> None:
        self._signals += 1
        self._wake.set()
        if self._signals > 1:
            for child in self._children:
                child.kill()

    async def _start(self) -> None:
        config = self._config
        check_folder(config.data_dir)
        self._lock = lock_folder(config.data_dir)
        check_port(config.host, config.port)
        self._config = config = ensure_secrets(config)
        self._environ |= {
            "SESSION_SECRET": config.session_secret,
            "CRYPTO_SECRET": config.crypto_secret,
            "PORT": str(config.port),
            "DATA_DIR": config.data_dir,
            "PYTHONUNBUFFERED": "1",
        }
        await self._start_redis()
        await self._prepare_databases()
        if config.is_master:
            await self._start_child("worker", [sys.executable, "-m", "workers"], WORKER_GRACE_S)
        edge_grace_s = config.shutdown_delay_s + config.shutdown_grace_s + EDGE_EXTRA_S
        await self._start_child("edge", [sys.executable, "-m", "edge"], edge_grace_s)
        await self._announce()

    async def _start_child(self, name: str, command: list[str], grace_s: float) -> None:
        child = Child(name, command, self._environ, grace_s=grace_s)
        self._children.append(child)
        await child.start()

    async def _start_redis(self) -> None:
        if self._config.redis_url:
            await check_redis(self._config.redis_url, allow_eviction=self._config.allow_eviction)
        if self._config.jobs_redis_url:
            await check_redis(
                self._config.jobs_redis_url, name="JOBS_REDIS_CONN_STRING", allow_eviction=self._config.allow_eviction
            )
        if self._config.redis_url:
            return
        socket = find_socket(self._config.data_dir)
        socket.unlink(missing_ok=True)  # the lock on the folder says that nobody listens there
        self._environ["REDIS_CONN_STRING"] = f"unix://{socket}"
        await self._start_child("valkey", valkey_command(self._config.data_dir, socket), VALKEY_GRACE_S)
        await wait_for_valkey(socket)

    async def _prepare_databases(self) -> None:
        config = self._config
        engine = await self._open("SQL_DSN", config.sql_dsn)
        logs = await self._open("LOG_SQL_DSN", config.log_sql_dsn) if config.log_sql_dsn else None
        try:
            if config.is_master:
                for step in await migrate(engine, log_engine=logs):
                    log.info("migrated", step=step)
        except SchemaTooNew as error:
            raise CannotStart(str(error)) from None
        finally:
            await engine.dispose()
            if logs is not None:
                await logs.dispose()

    async def _open(self, name: str, dsn: str) -> Engine:
        url = parse_dsn(dsn, self._config.sqlite_file)
        engine = make_engine(url, pool_size=1, pool_max=4, connect_timeout_s=5)
        try:
            await check_database(engine, url, name=name)
        except CannotStart:
            await engine.dispose()
            raise
        return engine

    async def _announce(self) -> None:
        """Print where to go as soon as the edge says that it is ready."""
        host = self._config.host if self._config.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
        deadline = asyncio.get_running_loop().time() + READY_S
        while not await _is_ready(host, self._config.port):
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"The gateway was not ready within {READY_S:.0f} s; its log lines above say why.")
            await asyncio.sleep(0.05)
        print(f"MedusaXD API is ready: http://{host}:{self._config.port}", flush=True)

    async def _stop(self) -> None:
        """The edge drains first, then the worker ends its transaction, Valkey goes last."""
        for child in reversed(self._children):
            await child.stop()
        if self._lock is not None:
            self._lock.close()
        log.info("stopped")


async def _is_ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1)
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 2)
        return status.split(b" ")[1:2] == [b"200"]
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


def run(config: Config) -> int:
    """Run until a signal comes. Prints one sentence and returns 1 where it cannot start."""
    configure_logging(config, "medusa")
    try:
        return asyncio.run(Supervisor(config, os.environ).run())
    except CannotStart as error:
        print(f"medusa: {error}", file=sys.stderr, flush=True)
        return 1
