"""One job: what runs, when, for how long at most. Scheduled jobs run once per cluster and time slot."""

import json
import time
from typing import Any

import structlog
from arq import cron, func
from arq.cron import CronJob
from arq.worker import Function
from msgspec import Struct

from schema.ledger.keys import JOBS
from workers.context import Worker

log = structlog.get_logger(__name__)

TASKS = "mx:arq:tasks"  # queue of asynchronous tasks; workers with UPDATE_TASK=false do not read it
Run = Any  # a coroutine function (ctx, *arguments); arq types it as a protocol of its own


class Job(Struct, frozen=True, kw_only=True):
    """`run(ctx, ...)`: safe to run twice and to be killed anywhere; ctx["worker"] is the shared `Worker`.

    A job with neither `every_s` nor `daily` runs when somebody enqueues it by its name.
    """

    name: str
    run: Run
    timeout_s: int
    max_tries: int = 1
    every_s: int = 0  # a divisor of a minute, an hour or a day
    daily: tuple[int, int] | None = None  # hour and minute of the server's time
    queue: str = ""  # '': arq's own, or TASKS


def to_function(job: Job) -> Function:
    """For arq: the job can also be enqueued by name ("run now")."""
    return func(_tracked(job), name=job.name, timeout=job.timeout_s, max_tries=job.max_tries, keep_result=0)


def to_cron(job: Job) -> CronJob | None:
    """For arq: the job id is the name and the time slot, so of many workers one runs it."""
    if job.daily is not None:
        when: dict[str, Any] = {"hour": job.daily[0], "minute": job.daily[1], "second": 0}
    elif job.every_s:
        when = _when(job.every_s)
    else:
        return None
    return cron(
        _tracked(job), name=f"cron:{job.name}", timeout=job.timeout_s, max_tries=job.max_tries, unique=True, **when
    )


def _when(every_s: int) -> dict[str, Any]:
    if every_s < 60:
        assert 60 % every_s == 0, every_s
        return {"second": set(range(0, 60, every_s))}
    minutes = every_s // 60
    if minutes < 60:
        assert 60 % minutes == 0, every_s
        return {"minute": set(range(0, 60, minutes)), "second": 0}
    hours = minutes // 60
    assert 24 % hours == 0, every_s
    return {"hour": set(range(0, 24, hours)), "minute": 0, "second": 0}


def _tracked(job: Job) -> Run:
    """Record when it ran last, for how long and how it ended, for GET /api/jobs and the metrics."""

    async def run(ctx: dict[str, Any], *arguments: Any) -> Any:
        worker: Worker = ctx["worker"]
        started_s = time.time()
        error = ""
        try:
            return await job.run(ctx, *arguments)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"[:300]
            log.error("job_failed", job=job.name, error=error)
            raise
        finally:
            state = {
                "started_ms": int(started_s * 1000),
                "seconds": round(time.time() - started_s, 3),
                "ok": not error,
                "error": error,
                "node": worker.node,
                "every_s": job.every_s,
            }
            await worker.redis.hset(JOBS, job.name, json.dumps(state))
            await worker.redis.hincrby(f"{JOBS}:runs", f"{job.name}:{'failed' if error else 'ok'}", 1)

    return run
