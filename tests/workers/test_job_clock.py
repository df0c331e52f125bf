"""Jobs of every few seconds: one of all workers runs a slot, failures and time limits end nothing but the run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schema.config import read_config
from schema.jobs import JobRun
from schema.ledger.keys import JOBS, Keys
from schema.secrets import Vault
from tests.schema.ledger.books import PARTITIONS, Books
from workers.context import OptionStore, Worker
from workers.jobs import clock as clock_module
from workers.jobs import find_jobs
from workers.jobs.clock import OFTEN_S, JobClock, is_frequent
from workers.jobs.job import Job, to_function

SLOT = datetime.now().astimezone()


def make_worker(books: Books, tmp_path: Path, node: str) -> Worker:
    config = read_config({"SQLITE_PATH": str(tmp_path / "medusa.db"), "SESSION_SECRET": "s" * 32})
    return Worker(
        config=config, engine=books.engine, log_engine=books.engine, redis=books.redis, execute=books.execute,
        keys=Keys(PARTITIONS), options=OptionStore(books.engine, books.execute, Vault("k" * 32)), node=node,
    )  # fmt: skip


async def last_run(books: Books, name: str) -> JobRun:
    return msgspec.json.decode(await books.redis.hget(JOBS, name), type=JobRun)


async def test_of_two_workers_one_runs_a_slot(books: Books, tmp_path: Path):
    ran: list[str] = []

    async def count(ctx: dict[str, Any]) -> int:
        ran.append(ctx["worker"].node)
        return 7

    job = Job(name="count", run=count, every_s=2, timeout_s=5)
    clocks = [JobClock(make_worker(books, tmp_path, node), [job], running_max=5) for node in ("a", "b")]
    await asyncio.gather(*(one._run(job, SLOT) for one in clocks))
    assert len(ran) == 1
    run = await last_run(books, "count")
    assert (run.ok, run.node, run.result, run.every_s) == (True, ran[0], "7", 2)
    await clocks[1]._run(job, SLOT.replace(year=SLOT.year + 1))
    assert len(ran) == 2


async def test_a_run_that_fails_or_takes_too_long_is_told_and_the_next_slot_comes(books: Books, tmp_path: Path):
    async def fail(_: dict[str, Any]) -> None:
        raise ValueError("no")

    async def hang(_: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    failing = Job(name="fail", run=fail, every_s=2, timeout_s=5)
    hanging = Job(name="hang", run=hang, every_s=2, timeout_s=1)
    clock = JobClock(make_worker(books, tmp_path, "a"), [failing, hanging], running_max=5)
    await asyncio.gather(clock._run(failing, SLOT), clock._run(hanging, SLOT))
    assert (await last_run(books, "fail")).error == "ValueError: no"
    assert (await last_run(books, "hang")).error == "took longer than 1 s"


@asynccontextmanager
async def running(clock: JobClock) -> AsyncIterator[None]:
    task = asyncio.create_task(clock.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_slots_come_by_the_clock_until_it_is_stopped(books: Books, tmp_path: Path, monkeypatch):
    began, ended = 0, 0

    async def wait(_: dict[str, Any]) -> None:
        nonlocal began, ended
        began += 1
        try:
            await asyncio.sleep(60)
        finally:
            ended += 1

    job = Job(name="wait", run=wait, every_s=1, timeout_s=90)
    async with running(JobClock(make_worker(books, tmp_path, "a"), [job], running_max=2)):
        await asyncio.sleep(3.6)
        assert began == 2  # no third one beside two that still run
    assert ended == 2


async def test_while_redis_is_away_nothing_begins(books: Books, tmp_path: Path):
    async def away(*_: Any) -> Any:
        raise ConnectionError

    ran: list[int] = []

    async def note(_: dict[str, Any]) -> None:
        ran.append(1)

    job = Job(name="note", run=note, every_s=2, timeout_s=5)
    worker = msgspec.structs.replace(make_worker(books, tmp_path, "a"), execute=away)
    await JobClock(worker, [job], running_max=5)._run(job, SLOT)
    assert not ran


def test_frequent_jobs_are_tried_once_a_slot():
    frequent = [job for job in find_jobs() if is_frequent(job)]
    assert {job.name for job in frequent} >= {"reap_holds", "spread_polls", "sweep_tasks", "task_hooks"}
    assert all(job.max_tries == 1 and job.every_s <= OFTEN_S for job in frequent)
    assert not any(is_frequent(job) for job in find_jobs() if job.daily is not None or not job.every_s)
    assert clock_module.CLAIM_MS >= 1000 * OFTEN_S


def test_a_slot_that_an_earlier_version_put_into_the_queue_is_known():
    job = Job(name="reap", run=None, every_s=5, timeout_s=5)
    assert to_function(job, slot=True).name == f"cron:{job.name}" != to_function(job).name


@pytest.mark.parametrize("every_s", [0, 600])
def test_other_jobs_are_arqs(every_s: int, books: Books, tmp_path: Path):
    job = Job(name="rare", run=None, every_s=every_s, timeout_s=5)
    with pytest.raises(AssertionError):
        JobClock(make_worker(books, tmp_path, "a"), [job], running_max=5)
