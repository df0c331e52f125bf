"""Faults that are no crash: Redis loses everything, SQL stands still, an upstream's socket is open and nobody is behind it."""

import asyncio
import time
from pathlib import Path

from sqlalchemy import insert, text

from schema.tables import Ability, Channel
from tests.crash.load import BODY, Load
from tests.system import System, open_system, until

CLIENTS = 4


async def test_redis_forgets_everything_under_load(tmp_path: Path):
    """Lost are at most the records that no worker had read yet; nothing is charged twice, the books agree, calls go on."""
    async with open_system(tmp_path) as system:
        await system.seed(users=CLIENTS)
        system.add_edge()
        system.add_worker()
        await system.ready()
        load = Load(system)
        tasks = [asyncio.create_task(load.client(user)) for user in range(1, CLIENTS + 1)]
        await load.more(30)
        before = set(load.answered)
        await system.redis.flushall()
        flushed_s = time.monotonic()
        await load.more(30)
        await load.stop(tasks)
        at_risk = {
            name for name in load.answered if load.begun_s[name] <= flushed_s
        }  # perhaps settled before it forgot

        async def booked() -> bool:
            return load.answered - at_risk <= set(await system.charged())

        await until(booked, "calls after the loss are charged")
        charged = await system.charged()
        assert len(charged) == len(set(charged)), "charged twice"
        lost = load.answered - set(charged)
        assert lost <= at_risk, "only what was unread when Redis forgot"
        assert len(lost) < len(before), f"{len(lost)} of {len(before)}: the worker had booked the rest"
        assert set(load.refused) <= {503}
        await until(lambda: no_drift(system), "hot balances and books agree again")


async def no_drift(system: System) -> bool:
    return await system.drifts() == []


async def test_calls_go_on_while_sql_stands_still(tmp_path: Path):
    """A warm call needs no SQL: a lock of two seconds delays the books and nothing else."""
    async with open_system(tmp_path) as system:
        await system.seed(users=CLIENTS)
        system.add_edge()
        system.add_worker()
        await system.ready()
        load = Load(system)
        tasks = [asyncio.create_task(load.client(user)) for user in range(1, CLIENTS + 1)]
        await load.more(CLIENTS * 3)  # everybody is known
        async with system.engine.connect() as db:
            await db.execute(text("UPDATE users SET quota = quota"))  # the one writer SQLite allows
            begun = time.monotonic()
            while time.monotonic() < begun + 2:
                await load.more(1)
            await db.rollback()
        await load.stop(tasks)
        assert load.refused == []
        await system.check_books(load.answered)


async def test_an_upstream_that_never_answers_is_left_for_one_that_does(tmp_path: Path):
    """A half-open socket costs a call the time-out for the first byte, and soon nobody goes there any more."""
    silent_calls = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal silent_calls
        while data := await reader.read(65536):
            silent_calls += data.startswith(b"POST")
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    environ = {"RELAY_FIRST_BYTE_TIMEOUT": "1"}
    async with open_system(tmp_path, environ=environ) as system:
        await system.seed(RetryTimes="1", BreakerOpenSeconds="60", BreakerOpenSecondsMax="60", BreakerFailures="2")
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with system.engine.begin() as db:
            values = {"id": 2, "type": 1, "key": "k", "status": 1, "name": "silent", "weight": 0, "base_url": address}
            await db.execute(
                insert(Channel).values(**values, models="plain", group="default", priority=9, provider="openai")
            )
            await db.execute(
                insert(Ability).values(group="default", model="plain", channel_id=2, enabled=True, priority=9)
            )
        system.add_edge()
        system.add_worker()
        await system.ready()
        answered = set()
        async with system.client() as http:
            for _ in range(12):
                answer = await http.post("/v1/chat/completions", json=BODY)
                assert answer.status_code == 200, answer.text
                answered.add(answer.headers["x-request-id"])
        assert 1 <= silent_calls <= 4, "the breaker keeps the rest away"
        await system.check_books(answered)
    server.close()
