"""Every 10 minutes: the books against the balances. A difference is an alert, never a silent repair."""

from typing import Any

import structlog

from schema.ledger.keys import METRICS
from workers.context import Worker
from workers.jobs.job import Job
from workers.reconcile import reconcile

log = structlog.get_logger(__name__)

SHOWN_MAX = 20


async def check_books(ctx: dict[str, Any]) -> None:
    worker: Worker = ctx["worker"]
    report = await reconcile(worker.engine, worker.execute, worker.keys.partitions)
    await worker.redis.hset(METRICS + "ledger", mapping={"drift_units": report.units, "drifts": len(report.drifts)})
    for drift in report.drifts[:SHOWN_MAX]:
        log.error("ledger_drift", kind=drift.kind, user_id=drift.user_id, token_id=drift.token_id, found=drift.found,
                  expected=drift.expected)  # fmt: skip
    if report.drifts:
        await worker.redis.enqueue_job(
            "notify_admins", "reconcile_drift", {"drifts": len(report.drifts), "units": report.units},
            _job_id=f"notify:reconcile_drift:{report.units}",
        )  # fmt: skip


JOBS = [Job(name="reconcile", run=check_books, every_s=600, timeout_s=300)]
