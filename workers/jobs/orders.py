"""Every hour: orders that nobody paid within a day are closed. A payment that arrives later is credited all the same."""

import time
from typing import Any

from sqlalchemy import update

from schema.tables import TopUp, TopUpOrder
from workers.context import Worker
from workers.jobs.job import Job

AGE_S = 86_400


async def expire_orders(ctx: dict[str, Any]) -> None:
    worker: Worker = ctx["worker"]
    before_s = int(time.time()) - AGE_S
    async with worker.engine.begin() as db:
        await db.execute(
            update(TopUpOrder)
            .where(TopUpOrder.status == "pending", TopUpOrder.created_ms < before_s * 1000)
            .values(status="expired")
        )
        await db.execute(
            update(TopUp).where(TopUp.status == "pending", TopUp.create_time < before_s).values(status="expired")
        )


JOBS = [Job(name="expire_orders", run=expire_orders, every_s=3600, timeout_s=60)]
