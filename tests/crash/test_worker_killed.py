"""SIGKILL to workers at random moments under load: every settled call is charged once."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from schema.tables import LedgerEntry, Log, SettleCursor, User
from tests.crash.processes import WorkerProcess
from tests.schema.ledger.books import PARTITIONS, Books, make_record, open_books
from tests.services import new_postgres
from tests.workers.settling import find_drifts

ROUNDS = 20
CALLS = 24  # at once
USERS = 8
BALANCE = 10_000_000


async def count(books: Books, kind: str = "settle") -> int:
    async with books.engine.connect() as db:
        wanted = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.kind == kind)
        return int((await db.execute(wanted)).scalar_one())


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


async def check_books(books: Books, settled: int) -> None:
    async def all_applied() -> bool:
        return await count(books) >= settled

    await until(all_applied, "records were not applied")
    await asyncio.sleep(0.5)  # anything applied twice would arrive now
    assert await count(books) == settled
    async with books.engine.connect() as db:
        balances = (await db.execute(select(func.sum(User.quota)))).scalar_one()
        logs = (await db.execute(select(func.count()).select_from(Log))).scalar_one()
        requests = (await db.execute(select(func.sum(User.request_count)))).scalar_one()
    assert (int(balances), logs, int(requests)) == (USERS * BALANCE - settled * 3, settled, settled)
    assert await find_drifts(books) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.timeout(180)
async def test_kill_9_at_random_moments(request, tmp_path: Path, valkey_server: str, database: str):
    dsn = new_postgres(request.getfixturevalue("postgres_server"), "killed") if database == "postgresql" else ""
    rounds = ROUNDS if database == "sqlite" else ROUNDS // 2
    rng = random.Random(7)
    settled = 0
    async with open_books(tmp_path, valkey_server, dsn) as books:
        for user in range(1, USERS + 1):
            await books.add_user(user, BALANCE)
            await books.hot.load(user)
        running = True

        async def load() -> None:
            nonlocal settled
            while running:
                records = [make_record(f"{settled}.{n}", user_id=n % USERS + 1, quota=3) for n in range(CALLS)]
                await asyncio.gather(*(books.hot.settle(record) for record in records))
                settled += len(records)
                await asyncio.sleep(0.05)

        calls = asyncio.create_task(load())
        # Two at a time, so that one is often killed while the other takes over.
        workers = [WorkerProcess(tmp_path, valkey_server, partitions=PARTITIONS, dsn=dsn) for _ in range(2)]
        try:
            for worker in workers:
                worker.start()
            for number in range(rounds):
                before = await count(books)

                async def progressed(before: int = before) -> bool:
                    return await count(books) > before

                await until(progressed, "nothing is settled")
                await asyncio.sleep(rng.random() * 0.4)
                victim = workers[number % 2]
                victim.kill()
                victim.start()
            running = False
            await calls
            await check_books(books, settled)
        finally:
            running = False
            for worker in workers:
                worker.kill()
    assert settled > rounds * CALLS


async def test_sigterm_ends_in_order(tmp_path: Path, valkey_server: str):
    async with open_books(tmp_path, valkey_server) as books:
        for user in range(1, USERS + 1):
            await books.add_user(user, BALANCE)
        with WorkerProcess(tmp_path, valkey_server, partitions=PARTITIONS) as worker:
            for number in range(500):
                await books.hot.settle(make_record(f"r{number}", user_id=number % USERS + 1, quota=3))

            async def begun() -> bool:
                return await count(books) > 0

            await until(begun, "nothing is settled")
            status, took_s = worker.stop()
            assert status == 0, worker.log.read_text()
            assert took_s < 10
            assert await books.redis.keys("mx:lease:*") == []
            assert await books.redis.zcard("mx:workers") == 0
        with WorkerProcess(tmp_path, valkey_server, partitions=PARTITIONS):
            await check_books(books, 500)


async def test_a_log_row_appears_within_a_second(tmp_path: Path, valkey_server: str):
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, BALANCE)
        with WorkerProcess(tmp_path, valkey_server, partitions=PARTITIONS):

            async def claimed() -> bool:
                async with books.engine.connect() as db:
                    return len((await db.execute(select(SettleCursor.partition))).all()) == PARTITIONS

            await until(claimed, "the partitions are not claimed")
            for number in range(5):
                await asyncio.sleep(0.3)
                started = time.monotonic()
                await books.hot.settle(make_record(f"r{number}"))

                async def applied(number: int = number) -> bool:
                    return await count(books) == number + 1

                await until(applied, "not applied", within_s=5)
                assert time.monotonic() - started < 1


async def test_other_partitions_than_those_of_the_keys_are_refused(tmp_path: Path, valkey_server: str):
    async with open_books(tmp_path, valkey_server) as books:
        await books.redis.set("mx:partitions", 3)
        with WorkerProcess(tmp_path, valkey_server, partitions=PARTITIONS) as worker:
            assert await asyncio.to_thread(worker._process.wait, 20) == 1
            assert "LEDGER_PARTITIONS is 4, but the keys in Redis were written with 3" in worker.log.read_text()
