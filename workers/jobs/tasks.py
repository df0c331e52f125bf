"""Asynchronous tasks: channels with something due are polled by whichever worker is free, and nothing stays open for ever.

These jobs have a queue of their own, which workers with UPDATE_TASK=false do not read.
"""

from typing import Any

from schema.redis_client import queue_of
from workers.context import Worker
from workers.jobs.job import TASKS, Job
from workers.poll import ChannelPoller, channels_due, now_ms
from workers.task_adoption import adopt_open_tasks
from workers.task_figures import publish_figures, write_figures
from workers.task_hooks import tell_clients
from workers.task_sweep import book_notes, sweep
from workers.task_watch import any_task

TIMEOUT_S = 20  # of one run: the channel of a killed worker waits for that and ten seconds more


async def spread_polls(ctx: dict[str, Any]) -> int:
    """Every two seconds: one job per channel with due tasks. Its id keeps a channel from being polled twice at once."""
    worker: Worker = ctx["worker"]
    found = await channels_due(worker, await now_ms(worker)) if await any_task(worker) else []
    for channel_id in found:
        await queue_of(worker.redis).enqueue_job(
            "poll_channel", channel_id, _job_id=f"tasks:poll:{channel_id}", _queue_name=TASKS
        )
    return len(found)


async def poll_channel(ctx: dict[str, Any], channel_id: int) -> int:
    """Returns how many tasks changed."""
    worker: Worker = ctx["worker"]
    looked = await ChannelPoller(worker, ctx["wire"], channel_id).run()
    return looked.changed


async def sweep_tasks(ctx: dict[str, Any]) -> None:
    """Notes are booked even where no task seems open."""
    worker: Worker = ctx["worker"]
    if await any_task(worker):
        await sweep(worker)
        await publish_figures(worker)
    else:
        await book_notes(worker, await now_ms(worker))
        await write_figures(worker, [], 0)


async def tell_task_clients(ctx: dict[str, Any]) -> None:
    if await any_task(ctx["worker"]):
        await tell_clients(ctx["worker"])


async def adopt_tasks(ctx: dict[str, Any]) -> int:
    return await adopt_open_tasks(ctx["worker"])


JOBS = [
    Job(name="spread_polls", run=spread_polls, every_s=2, timeout_s=TIMEOUT_S, queue=TASKS),
    Job(name="poll_channel", run=poll_channel, timeout_s=TIMEOUT_S, max_tries=3, queue=TASKS),
    Job(name="sweep_tasks", run=sweep_tasks, every_s=5, timeout_s=TIMEOUT_S, queue=TASKS),
    Job(name="adopt_tasks", run=adopt_tasks, every_s=60, timeout_s=TIMEOUT_S, queue=TASKS),
    Job(name="task_hooks", run=tell_task_clients, every_s=5, timeout_s=TIMEOUT_S, queue=TASKS),
]
