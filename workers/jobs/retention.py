"""Every night at 03:30: what is older than its retention is deleted in small steps. The ledger is never touched."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, insert, select, update

from schema.database import Engine
from schema.log_keeping.deletion import (
    CHUNK,
    CONSUMED,
    DAY_S,
    FAILED,
    PAUSE_S,
    TEST,
    booked_until,
    delete_rows,
    drop_partitions,
    open_archive,
)
from schema.log_keeping.partitions import add_partitions
from schema.options import Options
from schema.tables import AsyncTask, AuditEntry, Midjourney, QuotaData, Task, User
from schema.tasks.states import TERMINAL
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)


async def delete_old(ctx: dict[str, Any]) -> dict[str, int]:
    """Returns how many rows went, by what they were."""
    worker: Worker = ctx["worker"]
    options = await worker.options.refresh()
    now_s = int(time.time())
    done = await delete_old_logs(worker, options, now_s)
    if days := options.task_retention_days:
        finished = Task.status.in_(("SUCCESS", "FAILURE"))
        done["tasks"] = await _delete(worker.engine, Task, (finished, Task.submit_time < now_s - days * DAY_S))
        ended = (AsyncTask.status.in_(sorted(TERMINAL)), AsyncTask.notify_due_at == 0, AsyncTask.outbox_due_at == 0)
        before_ms = (now_s - days * DAY_S) * 1000
        done["async_tasks"] = await _delete(worker.engine, AsyncTask, (*ended, AsyncTask.submit_at < before_ms))
        drawn = Midjourney.status.in_(("SUCCESS", "FAILURE"))
        done["midjourneys"] = await _delete(
            worker.engine, Midjourney, (drawn, Midjourney.submit_time < (now_s - days * DAY_S) * 1000)
        )
    if days := options.audit_retention_days:
        done["audit"] = await _delete(worker.engine, AuditEntry, (AuditEntry.at_ms < (now_s - days * DAY_S) * 1000,))
    if days := options.hourly_data_retention_days:
        done["hours_merged"] = await merge_hours(worker.engine, now_s - days * DAY_S)
    done["users_blanked"] = await _blank_deleted_users(worker.engine, options.deleted_user_purge_days)
    log.info("retention", **done)
    return done


async def delete_old_logs(worker: Worker, options: Options, now_s: int) -> dict[str, int]:
    """Rows of calls and tests once the totals have them, rows of failures by their own age; whole partitions first."""
    done: dict[str, int] = {}
    engine, archive = worker.log_engine, open_archive(worker.config.log_archive_dir)
    calls = now_s - options.log_retention_days * DAY_S if options.log_retention_days else 0
    failures = now_s - options.error_log_retention_days * DAY_S if options.error_log_retention_days else 0
    if calls:
        calls = min(calls, await booked_until(worker.engine, engine, calls))
        types = (CONSUMED, TEST, FAILED) if failures else (CONSUMED, TEST)
        before = min(calls, failures) if failures else calls
        done["partitions"] = len(await drop_partitions(engine, types, before, archive))
        done["logs"] = await delete_rows(engine, (CONSUMED, TEST), calls, archive)
    if failures:
        done["error_logs"] = await delete_rows(engine, (FAILED,), failures, archive)
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


async def merge_hours(engine: Engine, before_s: int) -> int:
    """Hours of the dashboard's series that are older become days (UTC). Returns how many rows went."""
    gone = 0
    hourly = (QuotaData.created_at < before_s - before_s % DAY_S, QuotaData.created_at % DAY_S != 0)
    while True:
        async with engine.begin() as db:
            oldest = select(QuotaData.created_at).where(*hourly).order_by(QuotaData.created_at).limit(1)
            first = (await db.execute(oldest)).scalar()
            if first is None:
                return gone
            gone += await _merge_day(db, first - first % DAY_S)
        await asyncio.sleep(PAUSE_S)


async def _merge_day(db: Any, day: int) -> int:
    """One transaction: a crash leaves the day as it was."""
    columns = (QuotaData.id, QuotaData.user_id, QuotaData.username, QuotaData.model_name, QuotaData.token_used,
               QuotaData.count, QuotaData.quota)  # fmt: skip
    rows = (
        await db.execute(select(*columns).where(QuotaData.created_at >= day, QuotaData.created_at < day + DAY_S))
    ).all()
    sums: dict[tuple[Any, Any], list[Any]] = {}
    for _, user_id, username, model, tokens, count, quota in rows:
        cell = sums.setdefault((user_id, model), [username, 0, 0, 0])
        cell[1] += tokens or 0
        cell[2] += count or 0
        cell[3] += quota or 0
    fresh = [
        {"user_id": user_id, "username": cell[0], "model_name": model, "created_at": day, "token_used": cell[1],
         "count": cell[2], "quota": cell[3]}
        for (user_id, model), cell in sums.items()
    ]  # fmt: skip
    ids = [row[0] for row in rows]
    for start in range(0, len(ids), CHUNK):
        await db.execute(delete(QuotaData).where(QuotaData.id.in_(ids[start : start + CHUNK])))
    await db.execute(insert(QuotaData), fresh)
    return len(rows) - len(fresh)


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


async def continue_partitions(ctx: dict[str, Any]) -> int:
    """Partitions of the log for the time ahead. Returns how many were made; nothing to do for a plain table."""
    worker: Worker = ctx["worker"]
    made = await add_partitions(worker.log_engine, int(time.time()))
    if made:
        log.info("log_partitions_made", names=made)
    return len(made)


JOBS = [
    Job(name="retention", run=delete_old, daily=(3, 30), timeout_s=4 * 3600),
    Job(name="log_partitions", run=continue_partitions, daily=(2, 10), timeout_s=600),
]
