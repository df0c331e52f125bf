"""The counters of settlement as Prometheus wants them: they join the totals of all workers, which outlive each of them."""

from collections.abc import Mapping
from typing import Any

from schema.ledger.keys import SETTLED


class SettleTotals:
    """One per worker; a worker that is killed takes with it what it had counted since its last `tell`."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._told: dict[str, float] = {}

    async def tell(self, counters: Mapping[str, float]) -> None:
        """`counters`: since this worker began. What Redis did not acknowledge is told again, so a broken connection may
        count a few seconds twice."""
        grown = {name: value - self._told.get(name, 0) for name, value in counters.items()}
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, by in grown.items():
                if by:
                    pipe.hincrbyfloat(SETTLED, name, by)
            await pipe.execute()
        self._told = dict(counters)
