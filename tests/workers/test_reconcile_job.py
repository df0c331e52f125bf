"""The job of the books: what it tells the metrics and whom it tells, for small ledgers and for large ones."""

from types import SimpleNamespace

import pytest
from sqlalchemy import update

from schema.ledger.keys import METRICS, Keys
from schema.tables import User
from tests.schema.ledger.books import PARTITIONS, Books
from workers.jobs import reconcile as job


@pytest.fixture
async def ctx(books: Books):
    queued = []

    async def enqueue(*arguments, **_):
        queued.append(arguments)

    books.redis.enqueue_job = enqueue
    worker = SimpleNamespace(engine=books.engine, execute=books.execute, redis=books.redis, keys=Keys(PARTITIONS))
    await books.add_user(1, 1000)
    await books.hot.load(1)
    return {"worker": worker, "queued": queued, "books": books}


async def units(books):
    return int(await books.redis.hget(METRICS + "ledger", "drift_units"))


async def disturb(books, by):
    async with books.engine.begin() as db:
        await db.execute(update(User).where(User.id == 1).values(quota=User.quota + by))


async def test_a_difference_alarms_and_its_end_ends_the_alarm(ctx):
    books = ctx["books"]
    assert "0 differences" in await job.check_books(ctx) and await units(books) == 0 and ctx["queued"] == []
    await disturb(books, 7)
    await job.check_books(ctx)
    assert await units(books) == 14, "the balance and the hot balance"
    assert ctx["queued"][0] == ("notify_admins", "reconcile_drift", {"drifts": 2, "units": 14})
    await disturb(books, -7)
    await job.check_books(ctx)
    assert await units(books) == 0


async def test_of_a_large_ledger_hot_balances_are_looked_at_often_and_the_rest_at_night(ctx, monkeypatch):
    books = ctx["books"]
    monkeypatch.setattr(job, "LARGE", 0)
    await disturb(books, 7)
    assert await job.check_books(ctx) == "0 users, 0 tokens, 1 hot balances, 1 differences"
    assert await units(books) == 7
    await job.check_all_books(ctx)
    assert await units(books) == 14
    await books.redis.hincrby("mx:{1}:b:1", "q", 7)
    await job.check_books(ctx)
    assert await units(books) == 14, "what the night found stays"
    await disturb(books, -7)
    await books.redis.hincrby("mx:{1}:b:1", "q", -7)
    await job.check_all_books(ctx)
    assert await units(books) == 0
