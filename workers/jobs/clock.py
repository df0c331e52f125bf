"""Jobs that run every few seconds: each worker begins them by its own clock, and one of all workers gets the slot.

In arq's queue a run costs a dozen commands, so that the job of a killed worker is found again. What runs anew within a minute
need not be found: one command claims the slot.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import hiredis
import structlog
from redis.exceptions import RedisError

from schema.ledger.keys import JOBS
from schema.ticks import next_tick
from workers.context import Worker
from workers.jobs.job import Job, next_run, tracked

log = structlog.get_logger(__name__)

OFTEN_S = 60  # the longest interval of such a job
TICK_S = 1.0  # so much later than its slot may a job begin
CLAIM_MS = 60_000  # how far the clocks of workers may be apart, as with arq
SLOTS = f"{JOBS}:slot:"  # + job:time in Unix ms: the worker that has it


def is_frequent(job: Job) -> bool:
    """Whether its schedule is kept here, not by arq; a run that somebody asks for goes through the queue anyhow."""
    return 0 < job.every_s <= OFTEN_S


class JobClock:
    """One per process. `run` until cancelled; what runs then is cancelled too, and the next slot makes up for it."""

    def __init__(self, worker: Worker, jobs: Sequence[Job], *, running_max: int) -> None:
        """`running_max`: at once; slots beyond it are left to other workers."""
        assert all(is_frequent(job) and job.max_tries == 1 for job in jobs), jobs
        self._worker, self._running_max = worker, running_max
        self._jobs = {job.name: job for job in jobs}
        self._zone = datetime.now().astimezone().tzinfo
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        due = {job.name: next_run(job, self._now()) for job in self._jobs.values()}
        try:
            while due:
                await next_tick(TICK_S)
                now = self._now()
                for name, at in due.items():
                    if at <= now:
                        self._begin(self._jobs[name], at)
                        due[name] = next_run(self._jobs[name], now)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _now(self) -> datetime:
        return datetime.now(tz=self._zone)

    def _begin(self, job: Job, at: datetime) -> None:
        if len(self._running) >= self._running_max:
            log.warning("job_left_to_others", job=job.name, running=len(self._running))
            return
        task = asyncio.create_task(self._run(job, at))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, job: Job, at: datetime) -> None:
        started_s = time.monotonic()
        try:
            if await self._claim(job, at):
                async with asyncio.timeout(job.timeout_s):
                    await tracked(job)(self._context())
        except TimeoutError:
            if time.monotonic() - started_s >= job.timeout_s:
                log.error("job_overdue", job=job.name, timeout_s=job.timeout_s)
        except Exception as error:  # told by `tracked`; the next slot is another try
            log.debug("job_ended", job=job.name, error=type(error).__name__)

    async def _claim(self, job: Job, at: datetime) -> bool:
        """Of all workers one gets True."""
        name = f"{SLOTS}{job.name}:{int(at.timestamp() * 1000)}"
        try:
            taken = await self._worker.execute(b"SET", name, self._worker.node, b"NX", b"PX", CLAIM_MS)
        except (RedisError, hiredis.ReplyError, OSError) as error:
            log.warning("job_not_begun", job=job.name, error=type(error).__name__)
            return False
        return taken is not None

    def _context(self) -> dict[str, Any]:
        return {"worker": self._worker}
