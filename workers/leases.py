"""Who settles which partition: leases in Redis, shared out evenly. They only spare work: correctness is the cursor's."""

import asyncio
import math

import structlog

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import WORKERS, Keys

log = structlog.get_logger(__name__)

LEASE_MS = 8_000  # a crashed worker's partitions are taken over after at most LEASE_MS + ROUND_S, 10 s
ROUND_S = 2.0


class Leases:
    """The partitions that this worker has now. Call `round` every ROUND_S seconds."""

    def __init__(self, execute: Execute, keys: Keys, node: str) -> None:
        self._execute = execute
        self._keys = keys
        self._node = node
        self.owned: set[int] = set()

    async def round(self) -> None:
        """Keep what we have, up to our share; take what nobody has."""
        seconds, _ = await self._execute(b"TIME")
        now_ms = int(seconds) * 1000
        await self._execute(b"ZADD", WORKERS, now_ms + LEASE_MS, self._node)
        await self._execute(b"ZREMRANGEBYSCORE", WORKERS, b"-inf", now_ms)
        workers = max(1, await self._execute(b"ZCARD", WORKERS))
        share = math.ceil(self._keys.partitions / workers)
        kept = [partition for partition in sorted(self.owned) if await self._lease(partition, LEASE_MS)]
        for partition in kept[share:]:
            await self._lease(partition, 0)
        owned = set(kept[:share])
        start = hash(self._node) % self._keys.partitions  # so that equal workers do not all try the same first
        for offset in range(self._keys.partitions):
            partition = (start + offset) % self._keys.partitions
            if len(owned) >= share:
                break
            if partition not in kept and await self._lease(partition, LEASE_MS):
                owned.add(partition)
        if owned != self.owned:
            log.info("partitions", owned=sorted(owned), workers=workers)
        self.owned = owned

    async def _lease(self, partition: int, lifetime_ms: int) -> bool:
        return bool(
            await evaluate(self._execute, scripts.LEASE, (self._keys.lease(partition),), (self._node, lifetime_ms))
        )

    async def release(self) -> None:
        """Give everything back, so that another worker continues at once."""
        await asyncio.gather(*(self._lease(partition, 0) for partition in self.owned))
        await self._execute(b"ZREM", WORKERS, self._node)
        self.owned = set()
