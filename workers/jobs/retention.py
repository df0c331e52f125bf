"""Every night at 03:30: what is older than its retention is deleted in small steps. The ledger is never touched."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select, update

from schema.database import Engine
from schema.tables import AuditEntry, Log, Midjourney, Task, User
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)

CHUNK = 5_000  # rows per transaction: some 50 ms
PAUSE_S = 0.1  # between transactions, for everybody else
DAY_S = 86_400
CONSUMED, FAILED, TEST = 2, 5, 6  # logs.type; 1, 3 and 4 are about money and management, and stay


async def delete_old(ctx: dict[str, Any]) -> dict[str, int]:
    """Returns how many rows went, by what they were."""
    worker: Worker = ctx["worker"]
    options = await worker.options.refresh()
    now_s = int(time.time())
    done: dict[str, int] = {}
    conditions: tuple[Any, ...]
    if days := options.log_retention_days:
        conditions = (Log.type.in_((CONSUMED, TEST)), Log.created_at < now_s - days * DAY_S)
        done["logs"] = await _delete(worker.log_engine, Log, conditions)
    if days := options.error_log_retention_days:
        conditions = (Log.type == FAILED, Log.created_at < now_s - days * DAY_S)
        done["error_logs"] = await _delete(worker.log_engine, Log, conditions)
    if days := options.task_retention_days:
        finished = Task.status.in_(("SUCCESS", "FAILURE"))
        done["tasks"] = await _delete(worker.engine, Task, (finished, Task.submit_time < now_s - days * DAY_S))
        drawn = Midjourney.status.in_(("SUCCESS", "FAILURE"))
        done["midjourneys"] = await _delete(
            worker.engine, Midjourney, (drawn, Midjourney.submit_time < (now_s - days * DAY_S) * 1000)
        )
    if days := options.audit_retention_days:
        done["audit"] = await _delete(worker.engine, AuditEntry, (AuditEntry.at_ms < (now_s - days * DAY_S) * 1000,))
    done["users_blanked"] = await _blank_deleted_users(worker.engine, options.deleted_user_purge_days)
    log.info("retention", **done)
    return done


async def _delete(engine: Engine, model: Any, conditions: tuple[Any, ...]) -> int:
    """By ascending id, a chunk per transaction."""
    deleted = 0
    while True:
        async with engine.connect() as db:
            ids = list(
                (await db.execute(select(model.id).where(*conditions).order_by(model.id).limit(CHUNK))).scalars()
            )
        if not ids:
            return deleted
        async with engine.begin() as db:
            await db.execute(delete(model).where(model.id >= ids[0], model.id <= ids[-1], *conditions))
        deleted += len(ids)
        await asyncio.sleep(PAUSE_S)


async def _blank_deleted_users(engine: Engine, days: int) -> int:
    """The row stays, since the ledger refers to it; what says who it was goes."""
    before = datetime.now(UTC) - timedelta(days=days)
    blank = {
        "email": "", "display_name": "", "github_id": "", "oidc_id": "", "wechat_id": "", "lark_id": "", "telegram_id": "",
        "linux_do_id": "", "github_numeric_id": None, "discord_id": None, "remark": None,
    }  # fmt: skip
    async with engine.begin() as db:
        result: Any = await db.execute(
            update(User)
            .where(
                User.deleted_at.is_not(None), User.deleted_at < before, (User.email != "") | (User.display_name != "")
            )
            .values(**blank)
        )
    return int(result.rowcount)


JOBS = [Job(name="retention", run=delete_old, daily=(3, 30), timeout_s=4 * 3600)]
