"""Who settles which partition: leases in Redis, shared out evenly. They only spare work: correctness is the cursor's."""

import asyncio
import math
import os

import structlog

from schema.ledger import scripts
from schema.ledger.connection import Execute, evaluate
from schema.ledger.keys import WORKERS, Keys

log = structlog.get_logger(__name__)

LEASE_MS = 8_000  # a crashed worker's partitions are taken over after at most LEASE_MS + ROUND_S, 10 s
ROUND_S = 2.0


class Leases:
    """The partitions that this worker has now. Call `round` every ROUND_S seconds."""

    def __init__(self, execute: Execute, keys: Keys, host: str) -> None:
        """`host`: name of this machine; with the process id it names the worker."""
        self._execute = execute
        self._keys = keys
        self._host = host
        self.node = f"{host}:worker:{os.getpid()}"
        self.owned: set[int] = set()

    async def round(self) -> None:
        """Keep what we have, up to our share; take what nobody has."""
        mine = sorted(self.owned)
        workers, *granted = await asyncio.gather(
            self._count_workers(), *(self._lease(partition, LEASE_MS) for partition in mine)
        )
        share = math.ceil(self._keys.partitions / workers)
        kept = [partition for partition, held in zip(mine, granted, strict=True) if held]
        for partition in kept[share:]:
            await self._lease(partition, 0)
        owned = set(kept[:share])
        start = os.getpid() % self._keys.partitions  # so that equal workers do not all try the same first
        for offset in range(self._keys.partitions):
            partition = (start + offset) % self._keys.partitions
            if len(owned) >= share:
                break
            if partition not in kept and await self._lease(partition, LEASE_MS):
                owned.add(partition)
        if owned != self.owned:
            log.info("partitions", owned=sorted(owned), workers=workers)
        self.owned = owned

    async def _count_workers(self) -> int:
        """Announce ourselves and count who is alive."""
        nodes = await evaluate(self._execute, scripts.LIVING, (WORKERS,), (self.node, LEASE_MS))
        for node in nodes:
            if self._is_dead(node.decode()):
                await self._execute(b"ZREM", WORKERS, node)
        return max(1, sum(not self._is_dead(node.decode()) for node in nodes))

    def _is_dead(self, node: str) -> bool:
        """A worker of this machine whose process is gone: its restarted self need not wait for the lease to run out."""
        host, _, pid = node.rpartition(":worker:")
        if host != self._host or not pid.isdigit():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    async def _lease(self, partition: int, lifetime_ms: int) -> bool:
        names = (self._keys.lease(partition),)
        owner = await evaluate(self._execute, scripts.LEASE, names, (self.node, lifetime_ms))
        if owner and self._is_dead(owner.decode()):
            owner = await evaluate(self._execute, scripts.LEASE, names, (self.node, lifetime_ms, owner))
        return not owner

    async def release(self) -> None:
        """Give everything back, so that another worker continues at once."""
        await asyncio.gather(*(self._lease(partition, 0) for partition in self.owned))
        await self._execute(b"ZREM", WORKERS, self.node)
        self.owned = set()
