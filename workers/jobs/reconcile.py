"""Every 10 minutes, for large ledgers every night: the books against the balances. A difference is an alert, never a silent
repair."""

from typing import Any

import structlog
from sqlalchemy import func, select

from schema.ledger.keys import METRICS
from schema.redis_client import queue_of
from schema.tables import LedgerEntry
from workers.context import Worker
from workers.jobs.job import Job
from workers.reconcile import Report, check_hot, reconcile

log = structlog.get_logger(__name__)

SHOWN_MAX = 20
LARGE = 5_000_000  # entries; summing them takes seconds of the database each time


async def check_books(ctx: dict[str, Any]) -> str:
    """Of a large ledger only the hot balances are compared; `check_all_books` does the rest. Returns what was found."""
    worker: Worker = ctx["worker"]
    async with worker.engine.connect() as db:
        newest = (await db.execute(select(func.max(LedgerEntry.id)))).scalar() or 0
    if newest <= LARGE:
        return await check_all_books(ctx)
    compared, drifts = await check_hot(worker.engine, worker.execute, worker.keys)
    return await _report(worker, Report(0, 0, compared, drifts), hot_only=True)


async def check_all_books(ctx: dict[str, Any]) -> str:
    """Every entry, every balance. Returns what was found."""
    worker: Worker = ctx["worker"]
    return await _report(worker, await reconcile(worker.engine, worker.execute, worker.keys.partitions))


async def _report(worker: Worker, report: Report, *, hot_only: bool = False) -> str:
    """The gauge: what the last look at everything found stays while only hot balances are looked at."""
    name = METRICS + "ledger"
    kept = int(await worker.redis.hget(name, "books_units") or 0) if hot_only else report.units
    units = kept + (report.units if hot_only else 0)
    facts = {"drift_units": units, "drifts": len(report.drifts), "books_units": kept}
    await worker.redis.hset(name, mapping=facts)
    for drift in report.drifts[:SHOWN_MAX]:
        log.error("ledger_drift", kind=drift.kind, user_id=drift.user_id, token_id=drift.token_id, found=drift.found,
                  expected=drift.expected)  # fmt: skip
    if report.drifts:
        await queue_of(worker.redis).enqueue_job(
            "notify_admins", "reconcile_drift", {"drifts": len(report.drifts), "units": report.units},
            _job_id=f"notify:reconcile_drift:{report.units}",
        )  # fmt: skip
    return f"{report.users} users, {report.tokens} tokens, {report.hot} hot balances, {len(report.drifts)} differences"


JOBS = [
    Job(name="reconcile", run=check_books, every_s=600, timeout_s=300),
    Job(name="reconcile_all", run=check_all_books, daily=(1, 50), timeout_s=2 * 3600),
]
