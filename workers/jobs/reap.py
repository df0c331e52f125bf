"""Every 5 s: holds whose edge is gone."""

from typing import Any

from schema.ledger.keys import HOLDS
from workers.context import Worker
from workers.jobs.job import Job
from workers.reap import reap


async def reap_holds(ctx: dict[str, Any]) -> None:
    worker: Worker = ctx["worker"]
    done = await reap(worker.execute, worker.keys)
    await worker.redis.hset(HOLDS, mapping={"open": done.open, "held": done.held})
    if done.charged:
        await worker.redis.hincrby(HOLDS, "charged", done.charged)
    if done.released:
        await worker.redis.hincrby(HOLDS, "released", done.released)


JOBS = [Job(name="reap_holds", run=reap_holds, every_s=5, timeout_s=60)]
