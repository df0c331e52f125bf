"""The transactions of a task. Each one moves state and money together, by compare-and-set, and can be killed at any line.

    open_task     none/held  SUBMITTING       before anything goes upstream
    accept_task   held -> settled             the upstream took it: ledger entry, counters, log row
    refuse_task   held -> released            it did not, or we will never know: the hold in Redis goes back
    change_task   ... -> refunded             a reading of the upstream, or its silence, ends or moves it

Nothing here decides: `states` does. Whoever loses a race changes nothing and is told so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema.ledger.entries import AlreadyPosted
from schema.tables import AsyncTask
from schema.tasks.charging import Billing, Movement, book, log_row, read_billing, write_billing, write_log
from schema.tasks.platform import Reading, Submit, stored_request
from schema.tasks.rows import Row, legacy_table, legacy_values, read_result, state_of
from schema.tasks.states import EXPIRED, MONEY_MOVES, TERMINAL, Change, advance, poll_delay_ms

TRIES_MAX = 4  # of a transaction that lost a lock
RETRY_S = 0.05
LATE_LOOK_MS = 600_000  # an expired task is looked at once more after ten minutes
COLUMNS = AsyncTask.__table__.columns
T = TypeVar("T")


class Books(Struct, frozen=True):
    """Where tasks are written. `log_consumed`: option LogConsumeEnabled."""

    engine: AsyncEngine
    log_engine: AsyncEngine  # the same object unless LOG_SQL_DSN is set
    log_consumed: bool = True


class NewTask(Struct, frozen=True, kw_only=True):
    """What is stored before the upstream hears of it. Times in ms of Redis' clock."""

    key: str  # the request id
    submit: Submit
    user_id: int
    token_id: int
    channel_id: int
    channel_key: str
    group: str
    billing: Billing
    quota: int
    now_ms: int
    deadline_ms: int
    parent_id: int = 0
    notify_hook: str = ""


class Acceptance(Struct, frozen=True, kw_only=True):
    """The upstream took a task: all that must not be lost between its answer and our transaction."""

    task_key: str
    user_id: int
    channel_id: int
    channel_key: str
    upstream_id: str
    code: int
    at_ms: int
    reading: Reading | None = None


async def find_task(engine: AsyncEngine, *where: Any) -> Row | None:
    """The newest one that fits."""
    async with engine.connect() as db:
        found = await db.execute(select(*COLUMNS).where(*where).order_by(AsyncTask.id.desc()).limit(1))
        return found.mappings().first()


async def open_task(engine: AsyncEngine, new: NewTask) -> Row:
    """Returns the stored row. Raises what the database raises; then nothing was stored."""
    submit = new.submit
    values: dict[str, Any] = {
        "task_key": new.key, "platform": submit.platform, "action": submit.action, "mode": submit.mode,
        "model": submit.model, "user_id": new.user_id, "token_id": new.token_id, "channel_id": new.channel_id,
        "channel_key": new.channel_key, "group": new.group[:64], "price": write_billing(new.billing), "code": 0,
        "prompt": submit.prompt, "upstream_id": "", "status": "SUBMITTING", "progress": "0%",
        "request": msgspec.json.encode(stored_request(submit.body)).decode(), "quota": new.quota,
        "billing_state": "held" if new.quota else "none", "submit_at": new.now_ms, "deadline_at": new.deadline_ms,
        "parent_id": new.parent_id, "notify_hook": new.notify_hook or None,
    }  # fmt: skip
    blank = {name: column.default.arg if column.default is not None else None for name, column in COLUMNS.items()}

    async def write(db: AsyncConnection) -> Row:
        shown = legacy_values(blank | values)
        result = await db.execute(insert(legacy_table(submit.platform)).values(**shown))
        values["legacy_id"] = (result.inserted_primary_key or (0,))[0]
        result = await db.execute(insert(AsyncTask).values(**values))
        return blank | values | {"id": (result.inserted_primary_key or (0,))[0]}

    return await _transact(engine, write)


async def accept_task(books: Books, taken: Acceptance, *, jitter: float = 0.5) -> bool:
    """Settle a task that the upstream took. False: it was given up meanwhile, so nothing may be charged.

    Safe to repeat: a second call finds it settled and returns True.
    """
    row = await find_task(books.engine, AsyncTask.task_key == taken.task_key)
    if row is None:
        return False
    if row["status"] != "SUBMITTING":
        return bool(row["upstream_id"] == taken.upstream_id and row["billing_state"] not in ("released", "held"))
    values: dict[str, Any] = {
        "upstream_id": taken.upstream_id[:255], "code": taken.code, "status": "SUBMITTED",
        "channel_id": taken.channel_id, "channel_key": taken.channel_key,
        "next_poll_at": taken.at_ms + poll_delay_ms(0, jitter),
    }  # fmt: skip
    if taken.reading is not None:
        change = advance(state_of({**row, "status": "SUBMITTED"}), taken.reading, taken.at_ms)
        if change is not None and not change.money:  # a failure told at submit is left to the first poll
            values |= change_values(row, change, taken.reading)
            if values["status"] in TERMINAL:
                values["next_poll_at"] = 0
    money = "settle" if row["billing_state"] == "held" else ""
    if await _move(books, row, values, money, taken.at_ms):
        return True
    row = await find_task(books.engine, AsyncTask.task_key == taken.task_key)
    return row is not None and row["upstream_id"] == taken.upstream_id and row["billing_state"] in ("settled", "none")


async def refuse_task(books: Books, row: Row, *, reason: str, now_ms: int, code: int = 0, kind: str = "") -> bool:
    """End a task that never ran; what it holds in Redis is released by the caller. `kind`: class of the error."""
    values = {
        "status": "FAILURE", "progress": "100%", "fail_reason": reason, "code": code, "error_class": kind[:64],
        "finish_at": now_ms, "next_poll_at": 0,
    }  # fmt: skip
    return await _move(books, row, values, "release" if row["billing_state"] == "held" else "", now_ms)


async def change_task(
    books: Books, row: Row, change: Change, reading: Reading | None, now_ms: int, **more: Any
) -> bool:
    """Write what `states` decided. False: somebody else changed the task first. `more`: further columns, as the next poll."""
    values = change_values(row, change, reading) | more
    if change.status in TERMINAL:
        values["next_poll_at"] = now_ms + LATE_LOOK_MS if change.status == EXPIRED else 0
        if row["notify_hook"]:
            values["notify_due_at"] = now_ms
    elif change.late_success:
        values["next_poll_at"] = 0
    return await _move(books, row, values, change.money, now_ms)


def change_values(row: Row, change: Change, reading: Reading | None) -> dict[str, Any]:
    """Columns that change; the result is merged, so an upstream that leaves something out takes nothing away."""
    told = {
        "status": change.status, "fail_reason": change.fail_reason, "image_url": change.image_url,
        "start_at": change.start_ms, "finish_at": change.finish_ms,
    }  # fmt: skip
    values = {name: value for name, value in told.items() if value is not None}
    if change.progress is not None:
        values["progress"] = f"{change.progress}%"
    if change.late_success:
        values["late_success"] = True
    if change.store_result and reading is not None and reading.result:
        values["result"] = msgspec.json.encode(read_result(row) | reading.result).decode()
    return values


async def _move(books: Books, row: Row, values: dict[str, Any], money: str, now_ms: int) -> bool:
    """The one place where a task's money moves: the row by compare-and-set, then ledger, balances and log, or nothing."""
    values = {**values, "version": row["version"] + 1}
    if money:
        expected, values["billing_state"] = MONEY_MOVES[money]
        assert row["billing_state"] == expected, (row["task_key"], money)
    after = {**row, **values}
    movement = _movement(after, refund=money == "refund", now_ms=now_ms) if money in ("settle", "refund") else None
    logged = log_row(movement) if movement is not None and (movement.refund or books.log_consumed) else None
    apart = books.log_engine is not books.engine
    if logged is not None and apart:
        waiting = msgspec.json.decode(row["outbox"]) if row["outbox"] else []
        values |= {"outbox": msgspec.json.encode([*waiting, logged]).decode(), "outbox_due_at": now_ms}

    async def write(db: AsyncConnection) -> bool:
        seen = (
            AsyncTask.id == row["id"],
            AsyncTask.version == row["version"],
            AsyncTask.billing_state == row["billing_state"],
        )
        result: Any = await db.execute(update(AsyncTask).where(*seen).values(**values))
        if result.rowcount != 1:
            return False
        if row["legacy_id"]:
            table = legacy_table(row["platform"])
            await db.execute(update(table).where(table.id == row["legacy_id"]).values(**legacy_values(after)))
        if movement is not None:
            await book(db, movement)
        if logged is not None and not apart:
            await write_log(db, logged)
        return True

    try:
        done = await _transact(books.engine, write)
    except AlreadyPosted:  # cannot be, since state and entry are written together; the ledger is right
        return False
    if done and logged is not None and apart:
        await deliver_logs(books, row["id"])
    return done


def _movement(row: Row, *, refund: bool, now_ms: int) -> Movement:
    billing = read_billing(row["price"])
    assert billing is not None, row["task_key"]
    return Movement(
        task_key=row["task_key"], refund=refund, quota=row["quota"], user_id=row["user_id"], token_id=row["token_id"],
        channel_id=row["channel_id"], model=row["model"], action=row["action"], group=row["group"],
        upstream_id=row["upstream_id"], billing=billing, reason=(row["fail_reason"] or "")[:255] if refund else "",
        started_ms=row["submit_at"], at_ms=now_ms,
    )  # fmt: skip


async def deliver_logs(books: Books, task_id: int) -> None:
    """Rows for a log database of its own: written there once, then forgotten here. A failure leaves them for the next time."""
    row = await find_task(books.engine, AsyncTask.id == task_id)
    if row is None or not row["outbox"]:
        return
    try:
        async with books.log_engine.begin() as db:
            for logged in msgspec.json.decode(row["outbox"]):
                await write_log(db, logged)
    except DBAPIError:
        return
    async with books.engine.begin() as db:
        seen = (AsyncTask.id == task_id, AsyncTask.version == row["version"])
        await db.execute(update(AsyncTask).where(*seen).values(outbox=None, outbox_due_at=0))


async def _transact(engine: AsyncEngine, write: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """One transaction, repeated when it lost a lock to another one."""
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with engine.begin() as db:
                return await write(db)
        except IntegrityError:
            raise
        except DBAPIError:
            if attempt == TRIES_MAX:
                raise
            await asyncio.sleep(RETRY_S * attempt)
    raise AssertionError("the loop returns or raises")
