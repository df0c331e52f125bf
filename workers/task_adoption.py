"""Open tasks of a predecessor: taken over once, with what they have cost, so that they end and are paid for like ours.

Only those that the predecessor had charged can be refunded: it stored a price on every row, charged or not.
"""

import time
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import exists, insert, or_, select
from sqlalchemy.exc import IntegrityError

from schema.migrate import read_meta
from schema.tables import AsyncTask, Meta, Midjourney, Task, User
from schema.tasks.books import COLUMNS, change_task
from schema.tasks.charging import Billing, write_billing
from schema.tasks.midjourney import FREE, model_name
from schema.tasks.registry import PLATFORMS
from schema.tasks.rows import Row, state_of
from schema.tasks.states import OPEN, fail
from schema.usage import PriceRecord
from workers.context import Worker
from workers.poll import now_ms
from workers.task_money import books_of

log = structlog.get_logger(__name__)

DONE = "tasks_adopted_at"  # key in mx_meta
ROUND_MAX = 500
_CHARGED_CODES = frozenset({1, 21, 22})
_ZERO = Decimal(0)


async def adopt_open_tasks(worker: Worker) -> int:
    """Safe to repeat and to be killed: a task is named after its old row. Returns how many were taken over."""
    if await read_meta(worker.engine, "origin") == "new" or await read_meta(worker.engine, DONE) is not None:
        return 0
    options = await worker.options.refresh()
    per_usd = Decimal(options.quota_per_unit)
    adopted = 0
    for platform, table in (("mj", Midjourney), ("suno", Task)):
        while rows := await _open_rows(worker, platform, table):
            for row in rows:
                adopted += await _adopt(worker, platform, row, per_usd)
    async with worker.engine.begin() as db:
        try:
            await db.execute(insert(Meta).values(key=DONE, value=str(int(time.time()))))
        except IntegrityError:
            return adopted  # another worker was as quick
    if adopted:
        log.info("open_tasks_adopted", tasks=adopted)
    return adopted


async def _open_rows(worker: Worker, platform: str, table: Any) -> list[Row]:
    taken = exists().where(AsyncTask.legacy_id == table.id, AsyncTask.platform == platform)
    mine = () if platform == "mj" else (table.platform == platform,)
    wanted = (
        select(*table.__table__.columns, User.username.label("username"))
        .outerjoin(User, User.id == table.user_id)
        .where(or_(table.progress != "100%", table.progress.is_(None)), ~taken, *mine)
        .order_by(table.id)
        .limit(ROUND_MAX)
    )
    async with worker.engine.connect() as db:
        return [dict(row) for row in (await db.execute(wanted)).mappings()]


async def _adopt(worker: Worker, platform: str, row: Row, per_usd: Decimal) -> bool:
    """False: another worker was quicker."""
    drawing = platform == "mj"
    action = (row["action"] or "").upper()
    upstream_id = (row["mj_id"] if drawing else row["task_id"]) or ""
    quota = max(0, row["quota"] or 0)
    charged = (
        quota > 0 and bool(upstream_id) and (not drawing or (row["code"] in _CHARGED_CODES and action not in FREE))
    )
    at_ms = await now_ms(worker)
    unit = 1 if drawing else 1000
    submit_ms = (row["submit_time"] or 0) * unit or at_ms
    status = row["status"] or "SUBMITTED"
    price = PriceRecord(
        per_call=True, model_ratio=_ZERO, completion_ratio=_ZERO, group_ratio=Decimal(1), model_price=quota / per_usd,
        cache_ratio=_ZERO, cache_write_ratio=_ZERO, audio_ratio=_ZERO, audio_completion_ratio=_ZERO, image_ratio=_ZERO,
        quota_per_unit=per_usd,
    )  # fmt: skip
    values = {
        "task_key": f"adopted:{platform}:{row['id']}", "platform": platform, "action": action,
        "model": model_name(action) if drawing else f"suno_{action.lower()}", "user_id": row["user_id"] or 0,
        "channel_id": row["channel_id"] or 0, "code": (row["code"] or 0) if drawing else 0,
        "price": write_billing(Billing(price=price, username=row["username"] or "", token_name="", token_limited=False)),
        "prompt": (row["prompt"] or "") if drawing else "", "upstream_id": upstream_id, "legacy_id": row["id"],
        "image_url": row["image_url"] if drawing else None, "status": status if status in OPEN else "SUBMITTED",
        "progress": row["progress"] or "0%", "quota": quota if charged else 0,
        "billing_state": "settled" if charged else "none", "submit_at": submit_ms,
        "start_at": (row["start_time"] or 0) * unit, "deadline_at": at_ms + PLATFORMS[platform].deadline_ms,
        "next_poll_at": at_ms,
    }  # fmt: skip
    async with worker.engine.begin() as db:
        try:
            await db.execute(insert(AsyncTask).values(**values))
        except IntegrityError:
            return False
    if not upstream_id:
        await _end(worker, values["task_key"], at_ms)
    return True


async def _end(worker: Worker, task_key: str, at_ms: int) -> None:
    """The upstream never gave it a name: nothing can come of it, and nothing was charged."""
    async with worker.engine.connect() as db:
        found = (await db.execute(select(*COLUMNS).where(AsyncTask.task_key == task_key))).mappings().one()
    change = fail(state_of(found), "the upstream never gave this task an id", at_ms)
    if change is not None:
        await change_task(books_of(worker, worker.options.current), found, change, None, at_ms)
