"""Every ten minutes the totals of ended hours and days; each night all of them are compared with the hours they sum."""

import time
from typing import Any

import structlog

from schema.usage_totals import advance, find_wrong_days, rebuild
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)

PASS_S = 600


async def advance_totals(ctx: dict[str, Any]) -> int:
    """Days once an hour. Returns how many spans were made."""
    worker: Worker = ctx["worker"]
    now_s = int(time.time())
    return await advance(worker.engine, now_s, days_too=now_s % 3600 < PASS_S)


async def check_totals(ctx: dict[str, Any]) -> int:
    """Returns how many days were wrong and are made anew: their calls were settled long after they had ended."""
    worker: Worker = ctx["worker"]
    wrong = await find_wrong_days(worker.engine)
    if wrong:
        log.warning("totals_made_anew", days=len(wrong), first=wrong[0])
    return await rebuild(worker.engine, wrong)


JOBS = [
    Job(name="usage_totals", run=advance_totals, every_s=PASS_S, timeout_s=3600),
    Job(name="check_totals", run=check_totals, daily=(2, 40), timeout_s=4 * 3600),
]
