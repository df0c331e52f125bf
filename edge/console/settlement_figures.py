"""How booking keeps up: its lag, its rate, the holds that stand, the tasks that wait."""

import time

from sqlalchemy import func, select

from edge.services import Services
from schema.ledger.keys import HOLDS, METRICS, SETTLED, WORKERS
from schema.own_tables import AsyncTask
from schema.tasks.states import OPEN

SAMPLE_S = 5.0  # between two looks at the counters


class SettlementFigures:
    """Keeps the counters of the last look, to make a rate of them."""

    def __init__(self) -> None:
        self._at = 0.0
        self._records = 0.0
        self._rate: float | None = None

    async def read(self, services: Services) -> tuple[float | None, float | None, int | None, int]:
        """Lag in s, records a second, holds that stand (None: no worker has told), open tasks."""
        redis = services.redis
        workers = await redis.zrange(WORKERS, 0, -1)
        nodes = [await redis.hgetall(METRICS + name.decode()) for name in workers]
        lags = [float(node[b"settle_lag_seconds"]) for node in nodes if b"settle_lag_seconds" in node]
        if nodes:
            self._look(float(await redis.hget(SETTLED, "settle_records_total") or 0))
        held = await redis.hget(HOLDS, "open")
        async with services.engine.connect() as db:
            wanted = select(func.count()).select_from(AsyncTask).where(AsyncTask.status.in_(OPEN))
            tasks = (await db.execute(wanted)).scalar_one()
        return max(lags, default=None), self._rate, int(held) if held is not None else None, int(tasks)

    def _look(self, records: float) -> None:
        now = time.monotonic()
        if self._at and now - self._at < SAMPLE_S:
            return
        if self._at and records >= self._records:
            self._rate = round((records - self._records) / (now - self._at), 2)
        self._at, self._records = now, records
