"""What `medusa up` does before anything starts: settings checked, secrets made, databases reached and migrated.

It loads SQLAlchemy and Redis, 60 MB, and needs them for a second; so this process ends by becoming the supervisor, which
loads neither.
"""

import asyncio
import os
import signal
import sys
from typing import TextIO

import structlog

from medusa.cannot_start import CannotStart
from medusa.preflight import check_database, check_folder, check_port, check_redis, lock_folder
from medusa.supervisor import SIGNALS, VALKEY_PROGRAM
from medusa.valkey import find_binary
from schema.config import Config, ensure_secrets
from schema.database import Engine, make_engine, parse_dsn
from schema.log_lines import configure_logging
from schema.migrate import SchemaTooNew, migrate

log = structlog.get_logger(__name__)


def prepare(config: Config) -> int:
    """Prepare, then become the supervisor: returns only with an exit status, after one sentence or a signal."""
    configure_logging(config, "medusa")
    try:
        check_folder(config.data_dir)
        lock = lock_folder(config.data_dir)
        check_port(config.host, config.port)
        config = ensure_secrets(config)
        prepared = asyncio.run(_prepare_until_signal(config))
    except CannotStart as error:
        print(f"medusa: {error}", file=sys.stderr, flush=True)
        return 1
    if not prepared:
        log.info("stopped")
        return 0
    _become_supervisor(config, lock)
    raise AssertionError("this program was replaced")


async def _prepare_until_signal(config: Config) -> bool:
    """Whether it came to its end: False when a signal was quicker. From then on signals wait for the supervisor."""
    loop = asyncio.get_running_loop()
    wanted = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, wanted.set)
    work = asyncio.create_task(_prepare(config))
    stop = asyncio.create_task(wanted.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
        return False
    stop.cancel()
    work.result()
    return not wanted.is_set()


async def _prepare(config: Config) -> None:
    if config.redis_url:
        await check_redis(config.redis_url, allow_eviction=config.allow_eviction)
    if config.jobs_redis_url:
        await check_redis(config.jobs_redis_url, name="JOBS_REDIS_CONN_STRING", allow_eviction=config.allow_eviction)
    engine = await _open(config, "SQL_DSN", config.sql_dsn)
    logs = await _open(config, "LOG_SQL_DSN", config.log_sql_dsn) if config.log_sql_dsn else None
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


async def _open(config: Config, name: str, dsn: str) -> Engine:
    url = parse_dsn(dsn, config.sqlite_file)
    engine = make_engine(url, pool_size=1, pool_max=4, connect_timeout_s=5)
    try:
        await check_database(engine, url, name=name)
    except CannotStart:
        await engine.dispose()
        raise
    return engine


def _become_supervisor(config: Config, lock: TextIO) -> None:
    """The process stays, and with it its number, its lock on the folder and the signals that came meanwhile."""
    environ = os.environ | {
        "SESSION_SECRET": config.session_secret,
        "CRYPTO_SECRET": config.crypto_secret,
        "PORT": str(config.port),
        "DATA_DIR": config.data_dir,
        "PYTHONUNBUFFERED": "1",
    }
    if not config.redis_url:
        environ[VALKEY_PROGRAM] = find_binary()  # not an argument: who looks for Valkey's process should not find ours
    sys.stdout.flush()
    sys.stderr.flush()
    os.set_inheritable(lock.fileno(), True)
    command = [sys.executable, "-m", "medusa.supervise", str(lock.fileno())]
    os.execve(sys.executable, command, environ)  # noqa: S606  # our own interpreter
