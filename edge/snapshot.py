"""The settings of one moment, read from SQL when their version counter in Redis moves, and at least once a minute."""

import asyncio

import structlog
from msgspec import Struct
from sqlalchemy import select

from edge.redis_pipe import RedisAway, RedisPipe
from schema.database import Engine
from schema.ledger.keys import VERSIONS
from schema.migrate import read_meta
from schema.options import Options, read_options
from schema.tables import OptionRow

log = structlog.get_logger(__name__)

CHECK_S = 0.5  # a change must be seen within 2 s
AGE_S_MAX = 60.0  # read again even if the counter stands still: it may have been lost


class EdgeSnapshot(Struct, frozen=True):
    """Immutable; replaced whole."""

    options: Options


class Snapshots:
    """Holds the newest snapshot; `run` keeps it fresh until cancelled."""

    def __init__(self, engine: Engine, pipe: RedisPipe) -> None:
        self._engine, self._pipe = engine, pipe
        self._version = -1
        self._read_at = 0.0
        self.current = EdgeSnapshot(read_options({}))

    async def read(self, version: int = 0) -> None:
        """Read everything from SQL. Raises what the database raises."""
        async with self._engine.connect() as db:
            rows = await db.execute(select(OptionRow.key, OptionRow.value))
            texts = {key: value for key, value in rows if value is not None}
        one_api = await read_meta(self._engine, "origin") == "one-api"
        self.current = EdgeSnapshot(read_options(texts, version=version, one_api_origin=one_api))
        self._version, self._read_at = version, asyncio.get_running_loop().time()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                version = int(await self._pipe.execute(b"HGET", VERSIONS, b"options") or 0)
                if version != self._version or loop.time() - self._read_at > AGE_S_MAX:
                    await self.read(version)
            except RedisAway:
                continue  # keeps what it has
            except Exception as error:
                log.warning("snapshot_not_read", error=type(error).__name__)
