"""Faults that are no crash: Redis loses everything, SQL stands still, clocks jump, the disk is full, upstreams cannot be reached."""

import asyncio
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, text, update

from schema.redis_losses import EMPTIED, Found, read_losses, write_time
from schema.tables import Ability, Channel, LedgerEntry, Meta, User
from tests.crash.load import BODY, Load, under_load
from tests.services import free_port
from tests.system import PRICE, ROOT, Upstream, open_system, plain, until

CLIENTS = 4


async def test_redis_forgets_everything_under_load(tmp_path: Path):
    """The edges notice within a second and send the last five seconds again; what was booked is not booked twice."""
    async with open_system(tmp_path) as system:
        await system.seed(users=CLIENTS)
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with under_load(system, CLIENTS, ("plain", "stream", "slow")) as load:
            for _ in range(3):
                await load.more(20)
                await system.redis.flushall()
            await load.more(20)
        async with httpx.AsyncClient(trust_env=False) as http:
            metrics = (await http.get(f"{system.address()}/metrics")).text
        assert float(re.findall(r"^medusa_redis_emptied_total (\S+)", metrics, re.MULTILINE)[0]) >= 1, "the alarm rings"
        assert set(load.refused) <= {503}
        assert {one.action for one in await read_losses(system.engine)} == {EMPTIED}, "reconcile names them as well"
        await system.check_books(load.answered, others=True)
        extra = set(await system.charged()) - load.answered
        assert len(extra) <= load.broken + len(load.refused)


@pytest.mark.timeout(180)
async def test_an_edge_dies_with_redis_while_no_worker_runs(tmp_path: Path):
    """Calls are lost for good, and nobody is left who knows them: `medusa reconcile` says from when on, and what was seen last."""
    async with open_system(tmp_path) as system:
        await system.seed()
        system.add_edge()
        worker = system.add_worker()
        await system.ready()
        async with under_load(system, 1) as load:
            await load.more(5)
        await system.check_books(load.answered)

        async def seen() -> bool:
            async with system.engine.connect() as db:
                rows = (await db.execute(select(Meta.value).where(Meta.key.startswith("redis_seen:")))).all()
            return bool(rows)

        await until(seen, "the worker keeps nothing of Redis' memory")
        worker.terminate()
        assert await worker.wait() == 0
        stopped_ms = int(time.time() * 1000)
        async with under_load(system, 1) as unseen:
            await unseen.more(5)
        lost_ms = int(time.time() * 1000)
        system.edges[0].kill()
        system.valkey.kill()
        shutil.rmtree(tmp_path / "valkey" / "appendonlydir")
        system.valkey.start()
        await system.valkey_ready()
        worker.start()

        async def told() -> list[Found]:
            return await read_losses(system.engine)

        (found,) = await until(told, "nobody says that calls are missing", within_s=30)
        assert found.action == EMPTIED
        assert found.loss.since <= write_time(stopped_ms) <= write_time(lost_ms) <= found.loss.noticed
        assert (found.loss.waiting, found.loss.open) == (0, 0), "all was in the books when the worker stopped"
        assert set(await system.charged()) == load.answered, "which these calls are not"
        command = [sys.executable, "-m", "medusa.cli", "reconcile", "--json"]
        environ = {**system.environ, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60)
        document = json.loads(done.stdout)
        assert (done.returncode, document["drifts"]) == (0, []), done.stderr
        assert [one["since"] for one in document["redis_losses"]] == [found.loss.since]
        text = subprocess.run(command[:-1], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
        assert str(found) in text and "the books add up" in text


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


@pytest.mark.timeout(180)
async def test_clocks_jump_under_load(tmp_path: Path):
    """Edge and worker are an hour ahead, an hour behind, and right again, while streams run: no hold is taken for abandoned."""
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("<q", 0))
    environ = {"MEDUSA_TEST_CLOCK": str(clock), "PYTHONPATH": str(Path(__file__).parent / "clock")}
    async with open_system(tmp_path, environ=environ) as system:
        await system.seed(users=CLIENTS)
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with under_load(system, CLIENTS, ("plain", "slow")) as load:
            for hours in (0, 1, -1, 0):
                with clock.open("rb+") as file:
                    file.write(struct.pack("<q", hours * 3600))
                await load.more(CLIENTS * 2)
        assert (load.refused, load.broken) == ([], 0)
        await system.check_books(load.answered)
        async with system.engine.connect() as db:
            kinds = {kind for (kind,) in await db.execute(select(LedgerEntry.kind)) if kind != "opening"}
            reasons = {reason for (reason,) in await db.execute(select(LedgerEntry.reason))}
        assert (kinds, reasons) == ({"settle"}, {""}), "nothing was reaped"


@pytest.mark.timeout(180)
async def test_the_disk_for_the_spool_is_full(tmp_path: Path):
    """Redis is away and the spool holds no more: who gets no room gets no answer and no bill, and the edge is not ready."""
    gate = asyncio.Event()

    async def waiting(reader, writer, body):
        await gate.wait()
        await system.upstream.behaviours["plain"](reader, writer, body)

    async with open_system(tmp_path, environ={"SPOOL_MAX_MB": "1"}, waiting=waiting) as system:
        await system.seed()
        async with system.engine.begin() as db:  # a record is as large as the name in it
            await db.execute(update(User).where(User.id == 1).values(username="n" * 320_000))
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with system.client() as http:
            body = {**BODY, "model": "waiting"}
            calls = [asyncio.create_task(http.post("/v1/chat/completions", json=body)) for _ in range(10)]

            async def all_upstream() -> bool:
                return system.upstream.calls.get("waiting") == 10

            await until(all_upstream, "the calls did not get through")
            system.valkey.kill()
            gate.set()
            answers = await asyncio.gather(*calls)
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [200] * 3 + [503] * 7, "three records fit into a megabyte"
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["spool"]) == (503, False)
            system.valkey.start()
            await system.valkey_ready()
            await system.ready()
            whole = {answer.headers["x-request-id"] for answer in answers if answer.status_code == 200}
            await system.check_books(whole)
            assert (await http.post("/v1/chat/completions", json=BODY)).status_code == 200, "all is well again"


async def _half(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    """An answer that is cut in its middle by an RST."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{")
    await writer.drain()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.timeout(180)
async def test_bad_upstreams_are_left_for_one_that_answers(tmp_path: Path):
    """Half-open (the time-out for the first byte passes), without an address, closed, cut by resets: each costs some calls a
    second try, then the breaker keeps the rest away. Nobody notices, nothing is charged twice."""
    silent_calls = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal silent_calls
        while data := await reader.read(65536):
            silent_calls += data.startswith(b"POST")
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    resetting = Upstream(resets=_half)
    reset_server = await asyncio.start_server(resetting.serve, "127.0.0.1", resetting.port)
    bad = {
        "silent": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "nameless": "http://no-such-host.invalid",
        "closed": f"http://127.0.0.1:{free_port()}",
        "resets": f"http://127.0.0.1:{resetting.port}",
    }
    environ = {"RELAY_FIRST_BYTE_TIMEOUT": "1", "RELAY_CONNECT_TIMEOUT": "2"}
    good = dict.fromkeys(bad, plain)
    async with open_system(tmp_path, environ=environ, **good) as system:
        await system.seed(
            users=2,
            balance=PRICE * 25,
            RetryTimes="1",
            BreakerOpenSeconds="60",
            BreakerOpenSecondsMax="60",
            BreakerFailures="2",
        )
        async with system.engine.begin() as db:
            await db.execute(update(User).where(User.id == 2).values(quota=PRICE))
            less = {"kind": "adjust", "reference": "poor", "user_id": 2, "delta": -24 * PRICE, "at_ms": 1}
            await db.execute(insert(LedgerEntry).values(**less))
            for number, (name, address) in enumerate(bad.items(), 2):
                values = {"id": number, "type": 1, "key": "k", "status": 1, "name": name, "weight": 0, "models": name}
                await db.execute(
                    insert(Channel).values(**values, base_url=address, group="default", priority=9, provider="openai")
                )
                ability = {"group": "default", "model": name, "channel_id": number, "enabled": True, "priority": 9}
                await db.execute(insert(Ability).values(**ability))
        system.add_edge()
        system.add_worker()
        await system.ready()
        answered = set()
        async with system.client(user=2) as http:  # a balance for one call pays for a call with two attempts
            answer = await http.post("/v1/chat/completions", json={**BODY, "model": "closed"})
            assert answer.status_code == 200, answer.text
            answered.add(answer.headers["x-request-id"])
        async with system.client() as http:
            for name in bad:
                for _ in range(6):
                    answer = await http.post("/v1/chat/completions", json={**BODY, "model": name})
                    assert answer.status_code == 200, answer.text
                    answered.add(answer.headers["x-request-id"])
        assert 1 <= silent_calls <= 4 and 1 <= resetting.calls["resets"] <= 4, "the breaker keeps the rest away"
        await system.check_books(answered)
    server.close()
    reset_server.close()
