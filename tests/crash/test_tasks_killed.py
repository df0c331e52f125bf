"""SIGKILL to workers and to the edge while tasks run at an upstream that repeats, forgets, lies and goes away:
the sum of charges is the sum of what was accepted and not refunded."""

import asyncio
import contextlib
import random
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, update

from schema.ledger.keys import Keys
from schema.ledger.signals import changed
from schema.tables import AsyncTask, Channel, LedgerEntry, Midjourney, OptionRow
from schema.tasks.states import TERMINAL
from tests.services import new_postgres
from tests.system import BALANCE, PARTITIONS, System, open_system, until
from tests.task_upstream import TaskUpstream, open_task_upstream

PRICE = 50_000
USERS = 3
KILLS = 6
FORGOTTEN = 3


async def prepare(system: System, upstream: TaskUpstream) -> None:
    await system.seed(users=USERS, balance=BALANCE * 100)
    async with system.engine.begin() as db:
        await db.execute(
            insert(Channel).values(
                id=2, type=5, key="mj", status=1, name="mj", weight=0, base_url=upstream.address, models="mj_imagine",
                group="default", priority=0, provider="midjourney_plus",
            )
        )  # fmt: skip
        await db.execute(
            insert(OptionRow),
            [{"key": "ServerAddress", "value": system.address()}, {"key": "MjNotifyEnabled", "value": "true"}],
        )  # fmt: skip
    await changed(system.redis, "channels")


async def submit_for_ever(system: System, accepted: set[str], user: int, running: asyncio.Event) -> None:
    while running.is_set():
        with contextlib.suppress(httpx.TransportError):
            async with system.client(user=user) as http:
                while running.is_set():
                    answer = await http.post("/mj/submit/imagine", json={"prompt": "x"})
                    if answer.status_code == 200 and answer.json()["code"] == 1:
                        accepted.add(answer.json()["result"])
                    await asyncio.sleep(0.15)
        await asyncio.sleep(0.1)


async def lie_for_ever(system: System, upstream: TaskUpstream, running: asyncio.Event) -> None:
    """Repeated, reordered and forged call-backs."""
    rng = random.Random(5)
    while running.is_set():
        with contextlib.suppress(httpx.TransportError, IndexError):
            async with httpx.AsyncClient(trust_env=False) as http:
                _, _, _, body = rng.choice(upstream.sent("/submit/imagine"))
                lie = {"id": rng.choice(list(upstream.tasks)), "status": "FAILURE", "progress": "0%", "submitTime": 1}
                await http.post(body["notifyHook"], json=lie)
                await http.post(body["notifyHook"][:-4] + "0000", json=lie)
        await asyncio.sleep(0.1)


async def let_two_minutes_pass(system: System) -> None:
    """For what the killed edge left behind: submits without an answer, and holds without a task."""
    async with system.engine.begin() as db:
        cut = update(AsyncTask).where(AsyncTask.status == "SUBMITTING")
        await db.execute(cut.values(submit_at=AsyncTask.submit_at - 300_000))
    keys = Keys(PARTITIONS)
    for user in range(1, USERS + 1):
        for name, hold in (await system.redis.hgetall(keys.balance(user))).items():
            if name.startswith(b"h"):
                amount, token, _, rest = hold.decode().split(" ", 3)
                await system.redis.hset(keys.balance(user), name, f"{amount} {token} 1 {rest}")


async def all_ended(system: System, upstream: TaskUpstream) -> bool:
    """Those that the upstream has forgotten end by their deadlines, which come once nothing else is open."""
    open_ones = AsyncTask.status.not_in(sorted(TERMINAL))
    async with system.engine.connect() as db:
        left = set((await db.execute(select(AsyncTask.upstream_id).where(open_ones))).scalars())
    if left and left.isdisjoint(upstream.tasks):
        async with system.engine.begin() as db:
            await db.execute(update(AsyncTask).where(open_ones).values(deadline_at=1))
    return not left and await system.holds() == 0


async def check(system: System, accepted: set[str], upstream: TaskUpstream) -> None:
    async with system.engine.connect() as db:
        tasks = (await db.execute(select(AsyncTask.__table__))).all()
        entries = (await db.execute(select(LedgerEntry.kind, LedgerEntry.reference, LedgerEntry.delta))).all()
        shown = (await db.execute(select(Midjourney.mj_id, Midjourney.status, Midjourney.quota))).all()
    by_id = {row.upstream_id: row for row in tasks if row.upstream_id}
    assert accepted <= by_id.keys(), "a client was told of a task that nobody tracks"
    assert all(by_id[one].billing_state in ("settled", "refunded") for one in accepted)
    settled = {row.task_key for row in tasks if row.billing_state in ("settled", "refunded")}
    refunded = {row.task_key for row in tasks if row.billing_state == "refunded"}
    assert sorted(row.reference for row in entries if row.kind == "settle") == sorted(settled)
    assert sorted(row.reference for row in entries if row.kind == "refund") == sorted(refunded)
    succeeded = [one for one in by_id.values() if one.status == "SUCCESS"]
    assert {row.billing_state for row in succeeded} == {"settled"} and {"settled", "refunded"} >= {
        row.billing_state for row in by_id.values()
    }
    spent = sum([BALANCE * 100 - await system.balance(user) for user in range(1, USERS + 1)])
    assert spent == PRICE * (len(settled) - len(refunded)) == PRICE * len(succeeded)
    for one in by_id.values():  # what the upstream finished is charged, what it failed or forgot is not
        told = upstream.tasks.get(one.upstream_id)
        assert (one.status == "SUCCESS") == (told is not None and told["status"] == "SUCCESS"), one
    assert len(shown) == len(tasks) and sum(row.quota for row in shown) == PRICE * len(settled)
    assert await system.drifts() == []
    assert len(succeeded) > 5 and len(refunded) > 5, "the test did something"


@pytest.mark.timeout(180)
async def test_workers_and_the_edge_are_killed_while_tasks_run(tmp_path: Path, postgres_server: str):
    dsn = new_postgres(postgres_server, "taskskilled")
    rng = random.Random(11)
    async with open_task_upstream() as upstream, open_system(tmp_path, dsn) as system:
        upstream.latency_s, upstream.finish_by_itself = 0.05, True
        upstream.extra = [{"id": "foreign", "status": "FAILURE", "progress": "100%"}]
        system.add_edge()
        await prepare(system, upstream)
        system.add_worker(UPDATE_TASK="false")
        await system.ready()
        running, accepted = asyncio.Event(), set[str]()
        running.set()
        load = [asyncio.create_task(submit_for_ever(system, accepted, user, running)) for user in range(1, USERS + 1)]
        load.append(asyncio.create_task(lie_for_ever(system, upstream, running)))
        await until(lambda: _some(accepted), "nothing is accepted")
        await asyncio.sleep(4.5)  # the first look is due after three seconds
        assert upstream.sent("/list-by-condition") == [], "UPDATE_TASK=false keeps a node out of it"
        system.workers.pop().kill()
        for _ in range(2):
            system.add_worker()
        for number in range(KILLS):
            await asyncio.sleep(0.6 + rng.random())
            if number == KILLS // 2:
                system.edges[0].kill()
                upstream.poll_status = 502
                for one in list(upstream.tasks)[-FORGOTTEN:]:
                    upstream.tasks.pop(one)
                system.edges[0].start()
                await system.ready()
            else:
                upstream.poll_status = 200
                victim = system.workers[number % 2]
                victim.kill()
                victim.start()
        running.clear()
        await asyncio.gather(*load)
        await let_two_minutes_pass(system)
        started = time.monotonic()
        await until(lambda: all_ended(system, upstream), "tasks stay open", within_s=100)
        await asyncio.sleep(1)
        await check(system, accepted, upstream)
        assert time.monotonic() - started < 100


async def _some(accepted: set[str]) -> bool:
    return len(accepted) > 3
