"""Figures of tasks for the metrics: open ones, the oldest, how late polls are."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from schema.ledger.keys import METRICS
from schema.tables import AsyncTask
from schema.tasks.states import OPEN
from workers.context import Worker
from workers.poll import now_ms


async def publish_figures(worker: Worker) -> None:
    """Gauges by platform and status, in one hash that expires. The counters stand in TASK_COUNTS, which does not."""
    at_ms = await now_ms(worker)
    open_ones = select(
        AsyncTask.platform,
        AsyncTask.status,
        func.count(),
        func.min(AsyncTask.submit_at),
        func.min(AsyncTask.next_poll_at),
    ).where(AsyncTask.status.in_(sorted(OPEN)))
    async with worker.engine.connect() as db:
        rows = (await db.execute(open_ones.group_by(AsyncTask.platform, AsyncTask.status))).all()
    await write_figures(worker, rows, at_ms)


async def write_figures(worker: Worker, rows: Sequence[Any], at_ms: int) -> None:
    """`rows`: platform, status, how many, first submit, next look; none where no task is open."""
    figures: dict[str, int] = {"oldest_open_ms": 0, "poll_lag_ms": 0}
    for platform, status, count, oldest, due in rows:
        figures[f"open:{platform}:{status}"] = int(count)
        figures["oldest_open_ms"] = max(figures["oldest_open_ms"], at_ms - int(oldest))
        if due:
            figures["poll_lag_ms"] = max(figures["poll_lag_ms"], at_ms - int(due))
    name = METRICS + "tasks"
    async with worker.redis.pipeline(transaction=True) as pipe:
        pipe.delete(name)
        pipe.hset(name, mapping=figures)
        pipe.expire(name, 120)
        await pipe.execute()
