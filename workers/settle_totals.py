"""The counters of settlement as Prometheus wants them: they join the totals of all workers, which outlive each of them."""

import asyncio
from collections.abc import Mapping

from schema.ledger.connection import Execute
from schema.ledger.keys import SETTLED


class SettleTotals:
    """One per worker; a worker that is killed takes with it what it had counted since its last `tell`."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._told: dict[str, float] = {}

    async def tell(self, counters: Mapping[str, float]) -> None:
        """`counters`: since this worker began. What Redis did not acknowledge is told again, so a broken connection may
        count a few seconds twice."""
        grown = {name: value - self._told.get(name, 0) for name, value in counters.items()}
        await asyncio.gather(
            *(self._execute(b"HINCRBYFLOAT", SETTLED, name, str(by)) for name, by in grown.items() if by)
        )
        self._told = dict(counters)
