"""What ends tasks when nothing else does: notes of dead edges are booked, cut-off submits given up, deadlines kept."""

from typing import Any

import structlog
from sqlalchemy import select

from schema.tables import AsyncTask
from schema.tasks.books import COLUMNS, deliver_logs, refuse_task
from schema.tasks.notes import has_note, read_notes
from schema.tasks.rows import Row, state_of
from schema.tasks.states import OPEN, SUBMITTING_MS_MAX, expire
from workers.context import Worker
from workers.poll import count_return, now_ms
from workers.task_money import books_of, move_task, release_hold, settle_note

log = structlog.get_logger(__name__)

NOTE_AGE_MS = 5_000  # a living edge books within milliseconds
SWEEP_MAX = 500  # rows of each kind in one run
CUT_OFF = "the submit was interrupted before the provider's answer was stored"


async def sweep(worker: Worker) -> dict[str, int]:
    """Safe to run anywhere, by many at once, and to be killed. Returns how many of each kind were ended."""
    at_ms = await now_ms(worker)
    return {
        "booked": await book_notes(worker, at_ms),
        "given_up": await give_up(worker, at_ms),
        "expired": await expire_due(worker, at_ms),
        "logs": await deliver_waiting(worker),
    }


async def book_notes(worker: Worker, at_ms: int) -> int:
    books = books_of(worker, await worker.options.refresh())
    done = 0
    for note in await read_notes(worker.execute):
        if note.at_ms > at_ms - NOTE_AGE_MS:
            continue
        booked = await settle_note(worker, books, note)
        log.warning("acceptance_booked_late", task=note.task_key, booked=booked)
        done += 1
    return done


async def _rows(worker: Worker, *where: Any) -> list[Row]:
    async with worker.engine.connect() as db:
        found = await db.execute(select(*COLUMNS).where(*where).order_by(AsyncTask.id).limit(SWEEP_MAX))
        return [dict(row) for row in found.mappings()]


async def give_up(worker: Worker, at_ms: int) -> int:
    """Submits whose edge has died: nobody knows of an acceptance, so nothing is charged and the hold goes back.

    Where a call-back has told an id, the upstream is asked about it first (workers.poll), for another two minutes.
    """
    books = books_of(worker, await worker.options.refresh())
    done = 0
    stale = (AsyncTask.status == "SUBMITTING", AsyncTask.submit_at < at_ms - SUBMITTING_MS_MAX)
    for row in await _rows(worker, *stale):
        if row["upstream_id"] and row["submit_at"] > at_ms - 2 * SUBMITTING_MS_MAX:
            continue
        if await has_note(worker.execute, row["task_key"]):
            continue
        if await refuse_task(books, row, reason=CUT_OFF, now_ms=at_ms, code=5, kind="interrupted"):
            await release_hold(worker, row)
            await count_return(worker, "release", row["quota"])
            done += 1
    return done


async def expire_due(worker: Worker, at_ms: int) -> int:
    books = books_of(worker, await worker.options.refresh())
    done = 0
    late = (AsyncTask.status.in_(sorted(OPEN - {"SUBMITTING"})), AsyncTask.deadline_at <= at_ms)
    for row in await _rows(worker, *late):
        change = expire(state_of(row), at_ms)
        if change is not None and await move_task(worker, books, row, change, None, at_ms):
            if change.money:
                await count_return(worker, change.money, row["quota"])
            done += 1
    return done


async def deliver_waiting(worker: Worker) -> int:
    """Log rows that a database of logs of its own has not got yet."""
    if worker.log_engine is worker.engine:
        return 0
    books = books_of(worker, await worker.options.refresh())
    waiting = await _rows(worker, AsyncTask.outbox_due_at > 0)
    for row in waiting:
        await deliver_logs(books, row["id"])
    return len(waiting)
