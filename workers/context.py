"""What the jobs of a worker share: configuration, databases, Redis, the typed settings. Built once by `workers.main`."""

import time
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct
from sqlalchemy import select

from schema.config import Config
from schema.database import Engine, read_within
from schema.ledger.connection import Execute
from schema.ledger.keys import VERSIONS, Keys
from schema.migrate import find_meta
from schema.options import Options, read_options
from schema.secrets import Vault
from schema.tables import OptionRow

if TYPE_CHECKING:
    from workers.task_watch import TaskWatch

log = structlog.get_logger(__name__)

OPTIONS_CHECK_S = 0.9  # the version counter in Redis is looked at no more often
READ_S_MAX = 20.0
OPTIONS_AGE_S_MAX = 60.0  # read again even if the counter stands still: it may have been lost


class Worker(Struct, frozen=True, kw_only=True):
    """Jobs find it in arq's context as ctx["worker"]."""

    config: Config
    engine: Engine
    log_engine: Engine  # the same object unless LOG_SQL_DSN is set
    redis: Any  # redis.asyncio
    execute: Execute
    keys: Keys
    options: "OptionStore"
    node: str
    tasks: "TaskWatch | None" = None  # None: there may always be some


class OptionStore:
    """The newest settings; read from SQL only when their version changes."""

    def __init__(self, engine: Engine, execute: Execute, vault: Vault) -> None:
        self._engine, self._vault = engine, vault
        self._execute = execute
        self._checked_s = self._read_s = 0.0
        self._version = -1
        self._one_api = False
        self.current: Options = read_options({})

    async def refresh(self) -> Options:
        """Cheap to call often. Keeps what it has when Redis or SQL are away."""
        now_s = time.monotonic()
        if now_s - self._checked_s < OPTIONS_CHECK_S and self._read_s:
            return self.current
        self._checked_s = now_s
        try:
            version = int(await self._execute(b"HGET", VERSIONS, b"options") or 0)
            if version != self._version or now_s - self._read_s > OPTIONS_AGE_S_MAX:
                await self._read(version)
                self._version, self._read_s = version, now_s
        except Exception as error:
            log.warning("options_not_read", error=type(error).__name__)
        return self.current

    async def _read(self, version: int) -> None:
        async with read_within(self._engine, READ_S_MAX) as db:
            if not self._read_s:
                self._one_api = await find_meta(db, "origin") == "one-api"
            rows = (await db.execute(select(OptionRow.key, OptionRow.value))).all()
        self.current = read_options(
            {key: self._vault.unseal(value or "") for key, value in rows}, version=version, one_api_origin=self._one_api
        )
