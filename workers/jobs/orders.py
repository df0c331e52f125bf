"""Every ten minutes: orders that nobody paid in time are closed. A payment that arrives later is credited all the same."""

import time
from typing import Any

from sqlalchemy import and_, or_, select, update

from schema.tables import TopUp, TopUpOrder
from workers.context import Worker
from workers.jobs.job import Job

AGE_S = 86_400  # of orders without a time of their own: those of a predecessor


async def expire_orders(ctx: dict[str, Any]) -> None:
    worker: Worker = ctx["worker"]
    now_s = int(time.time())
    timed = and_(TopUpOrder.expires_ms > 0, TopUpOrder.expires_ms < now_s * 1000)
    untimed = and_(TopUpOrder.expires_ms == 0, TopUpOrder.created_ms < (now_s - AGE_S) * 1000)
    overdue = (TopUpOrder.status == "pending", or_(timed, untimed))
    pending = TopUp.status == "pending"
    async with worker.engine.begin() as db:
        rows = (await db.execute(select(TopUpOrder.id, TopUpOrder.top_up_id).where(*overdue))).all()
        for order_id, top_up_id in rows:
            still = (TopUpOrder.id == order_id, TopUpOrder.status == "pending")
            done: Any = await db.execute(update(TopUpOrder).where(*still).values(status="expired"))
            if done.rowcount == 1:
                await db.execute(update(TopUp).where(TopUp.id == top_up_id, pending).values(status="expired"))
        ours = select(TopUpOrder.top_up_id).where(TopUpOrder.status == "pending")
        old = (pending, TopUp.create_time < now_s - AGE_S, TopUp.id.not_in(ours))
        await db.execute(update(TopUp).where(*old).values(status="expired"))


JOBS = [Job(name="expire_orders", run=expire_orders, every_s=600, timeout_s=60)]
