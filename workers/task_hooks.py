"""Telling clients that their task has ended: their `notifyHook` is called by us, so the upstream's address stays hidden."""

import time

import msgspec
import structlog
from sqlalchemy import select, update

from schema.addresses import UrlRefused, UrlRules
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher
from schema.tables import AsyncTask
from schema.tasks.books import COLUMNS
from schema.tasks.registry import PLATFORMS
from schema.tasks.rows import Row, view_of
from workers.context import Worker
from workers.poll import now_ms

log = structlog.get_logger(__name__)

PAUSES_MS = (10_000, 60_000, 600_000, 3_600_000)  # after the first, second … failure
TRIES_MAX = 1 + len(PAUSES_MS)
CLAIM_MS = 30_000  # longer than one call takes; a killed worker's claim runs out
ROUND_MAX = 50
ROUND_S = 15.0
_LIMITS = FetchLimits(connect_s=5.0, total_s=10.0)


async def tell_clients(worker: Worker, *, rules: UrlRules | None = None) -> int:
    """At least once each, five tries at most. Returns how many were told. `rules`: of addresses, https alone by default."""
    due = await _due(worker, await now_ms(worker))
    if not due:
        return 0  # a fetcher, with its TLS context, costs 20 ms
    options = await worker.options.refresh()
    fetcher = GuardedFetcher(rules or UrlRules(http=options.webhook_allow_http, url_chars_max=512))
    told, started_s = 0, time.monotonic()
    try:
        for row in due:
            if time.monotonic() - started_s > ROUND_S:
                break
            told += await _tell(worker, fetcher, row, options.server_address if options.mj_forward_url_enabled else "")
    finally:
        await fetcher.close()
    return told


async def _due(worker: Worker, at_ms: int) -> list[Row]:
    waiting = select(*COLUMNS).where(AsyncTask.notify_due_at > 0, AsyncTask.notify_due_at <= at_ms)
    async with worker.engine.connect() as db:
        found = await db.execute(waiting.order_by(AsyncTask.notify_due_at).limit(ROUND_MAX))
        return [dict(row) for row in found.mappings()]


async def _tell(worker: Worker, fetcher: GuardedFetcher, row: Row, address: str) -> bool:
    at_ms = await now_ms(worker)
    if not await _set_due(worker, row, row["notify_due_at"], at_ms + CLAIM_MS, row["notify_tries"] + 1):
        return False  # another worker does it
    shown = PLATFORMS[row["platform"]].write_task(view_of(row))
    if address and shown.get("imageUrl"):
        shown["imageUrl"] = f"{address.rstrip('/')}/mj/image/{row['upstream_id']}"
    tries = row["notify_tries"] + 1
    try:
        headers = {"Content-Type": "application/json", "X-Task-Id": row["task_key"]}
        status = await fetcher.post(row["notify_hook"], msgspec.json.encode(shown), headers, _LIMITS)
        done, reason = 200 <= status < 300, f"status {status}"
    except UrlRefused as error:
        done, reason, tries = False, str(error), TRIES_MAX
    except FetchFailed as error:
        done, reason = False, str(error)
    if not done:
        log.info("task_hook_failed", task=row["task_key"], attempt=tries, reason=reason)
    following = 0 if done or tries >= TRIES_MAX else at_ms + PAUSES_MS[tries - 1]
    await _set_due(worker, row, at_ms + CLAIM_MS, following, tries)
    return done


async def _set_due(worker: Worker, row: Row, seen: int, following: int, tries: int) -> bool:
    where = (AsyncTask.id == row["id"], AsyncTask.notify_due_at == seen)
    async with worker.engine.begin() as db:
        result = await db.execute(update(AsyncTask).where(*where).values(notify_due_at=following, notify_tries=tries))
        return bool(result.rowcount == 1)
