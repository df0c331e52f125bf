"""Whether any task is open or still to be told of, on every database."""

from typing import Any

import pytest
from sqlalchemy import delete, insert

from schema.tables import AsyncTask
from schema.tasks.states import EXPIRED, OPEN, TERMINAL
from tests.schema.ledger.books import Books
from workers.task_watch import TaskWatch

NOTHING = [{"status": status} for status in sorted(TERMINAL)]
SOMETHING = [
    *({"status": status} for status in sorted(OPEN)),
    {"status": EXPIRED, "next_poll_at": 5},
    {"status": "SUCCESS", "notify_due_at": 5},
    {"status": "FAILURE", "outbox_due_at": 5},
]


async def add(books: Books, **values: Any) -> None:
    async with books.engine.begin() as db:
        await db.execute(insert(AsyncTask).values(platform="mj", user_id=1, task_key=str(values), **values))


@pytest.mark.parametrize("values", SOMETHING, ids=str)
async def test_a_task_that_waits_is_seen(books: Books, values: dict[str, Any]):
    watch = TaskWatch(books.engine)
    assert not await watch.any()
    await add(books, **values)
    assert await watch.any()
    watch.close()


async def test_ended_tasks_need_nobody_on_any_database(any_books: Books):
    watch = TaskWatch(any_books.engine)
    for values in NOTHING:
        await add(any_books, **values)
    assert not await watch.any()
    await add(any_books, status="SUBMITTED")
    assert await watch.any()
    async with any_books.engine.begin() as db:
        await db.execute(delete(AsyncTask).where(AsyncTask.status == "SUBMITTED"))
    assert not await watch.any()
    watch.close()
