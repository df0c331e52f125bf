"""One job: what runs, when, for how long at most. Scheduled jobs run once per cluster and time slot.

Each slot of an interval is shifted a little, so that jobs, and installations that share a database or a provider, do not all
begin on the full minute; the shift follows from job and slot alone, so that all workers agree on it.
"""

import asyncio
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from arq import cron, func
from arq.cron import CronJob
from arq.worker import Function, Retry
from msgspec import Struct

from schema.jobs import JobPlan, JobRun
from schema.ledger.keys import JOBS
from schema.redis_client import queue_of
from workers.context import Worker

log = structlog.get_logger(__name__)

TASKS = "mx:arq:tasks"  # queue of asynchronous tasks; workers with UPDATE_TASK=false do not read it
SHIFT = 0.05  # of the interval, to either side: two runs are 0.9 to 1.1 intervals apart
SLOT_MICROSECONDS = 123_456  # of each slot's second, as arq has it
RESULT_CHARS_MAX = 200
ERROR_CHARS_MAX = 300
CANCELLED = "cancelled: its worker stopped"
NOTICE_S = 6 * 3600  # between two notices about one job that fails
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


def to_function(job: Job, *, slot: bool = False) -> Function:
    """For arq: the job can also be enqueued by name ("run now"). `slot`: as a worker of an earlier version enqueued it by its
    schedule."""
    return func(
        tracked(job),
        name=f"cron:{job.name}" if slot else job.name,
        timeout=job.timeout_s,
        max_tries=job.max_tries,
        keep_result=0,
    )


def to_cron(job: Job) -> CronJob | None:
    """For arq, of jobs that workers.jobs.clock does not begin: the job id is the name and the time slot, so of many workers
    one runs it."""
    when = _schedule(job)
    if not when:
        return None
    plain = cron(
        tracked(job), name=f"cron:{job.name}", timeout=job.timeout_s, max_tries=job.max_tries, unique=True, **when
    )
    return ShiftedCron(job, **{field.name: getattr(plain, field.name) for field in fields(plain)})


class ShiftedCron(CronJob):
    """arq's, with the shift of its job; arq takes the job id from the time, so it is the same on all workers."""

    def __init__(self, job: Job, **plain: Any) -> None:
        super().__init__(**plain)
        self._job = job

    def calculate_next(self, prev_run: datetime) -> None:
        self.next_run = next_run(self._job, prev_run)


def next_run(job: Job, after: datetime) -> datetime:
    """The first run of a scheduled job later than `after`, in the zone of `after`."""
    earlier_s = 1 + SHIFT * job.every_s  # the slot before may run later than `after`
    slot = next_slot(job, after - timedelta(seconds=earlier_s))
    while (shifted := slot + shift_of(job, slot)) <= after:
        slot = next_slot(job, slot)
    return shifted


def next_slot(job: Job, after: datetime) -> datetime:
    """The first slot in a later second than that of `after`.

    The same as arq's next_cron of the job's schedule, which walks there step by step and copies all its sets at each: half
    of what an idle worker did.
    """
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    first_s = int((after - midnight).total_seconds()) + 1
    if job.daily is not None:
        slot_s = job.daily[0] * 3600 + job.daily[1] * 60
        if slot_s < first_s:
            slot_s += 86_400
    else:
        slot_s = -(-first_s // job.every_s) * job.every_s
    return midnight + timedelta(seconds=slot_s, microseconds=SLOT_MICROSECONDS)


def shift_of(job: Job, slot: datetime) -> timedelta:
    """Within SHIFT of the interval to either side; none for a job of a fixed time of day."""
    share = zlib.crc32(f"{job.name}:{int(slot.timestamp())}".encode()) / (1 << 32)  # 0 to 1
    return timedelta(seconds=round((2 * share - 1) * SHIFT * job.every_s, 3))


def plan_of(job: Job) -> JobPlan:
    """For those who look at jobs from elsewhere; the next run by this machine's clock and zone, as arq reckons."""
    scheduled = bool(job.every_s or job.daily)
    next_ms = int(next_run(job, datetime.now().astimezone()).timestamp() * 1000) if scheduled else 0
    daily = f"{job.daily[0]:02}:{job.daily[1]:02}" if job.daily is not None else ""
    return JobPlan(job.name, job.every_s, daily, job.timeout_s, job.max_tries, next_ms, job.queue)


def renew_plans(jobs: Iterable[Job], plans: Mapping[str, JobPlan], now_ms: int) -> dict[str, JobPlan]:
    """Plans by name; those whose run has begun since are made anew."""
    renewed = {}
    for job in jobs:
        plan = plans.get(job.name)
        renewed[job.name] = plan_of(job) if plan is None or 0 < plan.next_ms <= now_ms else plan
    return renewed


def _schedule(job: Job) -> dict[str, Any]:
    """Empty for a job that has none."""
    if job.daily is not None:
        return {"hour": job.daily[0], "minute": job.daily[1], "second": 0}
    return _when(job.every_s) if job.every_s else {}


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


def tracked(job: Job) -> Run:
    """Record when it ran last, for how long and how it ended, for GET /api/jobs and the metrics."""

    async def run(ctx: dict[str, Any], *arguments: Any) -> Any:
        worker: Worker = ctx["worker"]
        started_s = time.time()
        error, result = "", None
        try:
            result = await job.run(ctx, *arguments)
            return result
        except Retry:
            error = "tried again later"
            raise
        except asyncio.CancelledError:
            overdue = time.time() - started_s > job.timeout_s - 1
            error = f"took longer than {job.timeout_s} s" if overdue else CANCELLED
            raise
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"[:ERROR_CHARS_MAX]
            log.error("job_failed", job=job.name, error=error)
            raise
        finally:
            state = JobRun(
                started_ms=int(started_s * 1000), seconds=round(time.time() - started_s, 3), ok=not error, error=error,
                node=worker.node, every_s=job.every_s, result="" if result is None else str(result)[:RESULT_CHARS_MAX],
            )  # fmt: skip
            await asyncio.gather(
                worker.execute(b"HINCRBY", f"{JOBS}:runs", f"{job.name}:{'failed' if error else 'ok'}", 1),
                worker.execute(b"HSET", JOBS, job.name, msgspec.json.encode(state)),
            )
            if error not in ("", CANCELLED) and (job.every_s or job.daily):
                await _tell(worker, job, error)

    return run


async def _tell(worker: Worker, job: Job, error: str) -> None:
    """One notice in NOTICE_S for each job."""
    if await worker.redis.set(f"{JOBS}:told:{job.name}", "1", nx=True, ex=NOTICE_S):
        await queue_of(worker.redis).enqueue_job("notify_admins", "job_failed", {"job": job.name, "error": error})
