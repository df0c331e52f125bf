"""SIGKILL to edge, worker and Valkey, alone and in pairs, at random moments under load: answered calls = charged calls, balances = ledger.

A call whose answer died with its edge may have been charged already: those are counted, never an answered one that is not.
`make soak` does the same a hundred times for each kind of process; the figures that it prints stand in docs/faults.md.
"""

import asyncio
import contextlib
import os
import random
import time
from itertools import combinations
from pathlib import Path

import httpx
import pytest

from tests.services import new_postgres
from tests.system import System, open_system

KILLS = int(os.environ.get("MEDUSA_KILLS", "5"))  # of each kind of process, on each database
PAIRS = max(1, KILLS // 10)  # times that each pair dies at once; each kind is in two pairs
ROUNDS = 3 * PAIRS + 3 * (KILLS - 2 * PAIRS)
ROUND_S = 1.2  # of load between two kills, on average
CLIENTS = 8
USERS = 4


class Load:
    """Clients that call for ever, plain and streamed, and remember whose answers they saw whole."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._running = True
        self.answered: set[str] = set()
        self.lost = 0  # calls without a whole answer

    async def client(self, number: int) -> None:
        rng = random.Random(number)
        async with self._system.client(user=number % USERS + 1) as http:
            while self._running:
                model = rng.choice(["plain", "stream", "slow"])
                try:
                    await self._call(http, model)
                except httpx.TransportError:
                    self.lost += 1
                    await asyncio.sleep(0.05)

    async def _call(self, http: httpx.AsyncClient, model: str) -> None:
        body = {"model": model, "stream": model != "plain", "messages": [{"role": "user", "content": "hello"}]}
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code == 200 and (model == "plain" or answer.text.endswith("data: [DONE]\n\n")):
            self.answered.add(answer.headers["x-request-id"])
            return
        assert answer.status_code in (200, 503), answer.text  # 200: a stream that broke off
        self.lost += 1
        await asyncio.sleep(0.02)

    def stop(self) -> None:
        self._running = False


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.timeout(240 + 15 * ROUNDS)
async def test_kill_9_of_anything_under_load(request, tmp_path: Path, database: str):
    dsn = new_postgres(request.getfixturevalue("postgres_server"), "kill9") if database == "postgresql" else ""
    rng = random.Random(11)
    async with open_system(tmp_path, dsn) as system:
        await system.seed(users=USERS)
        edge = system.add_edge()
        worker = system.add_worker()
        await system.ready()
        load = Load(system)
        clients = [asyncio.create_task(load.client(number)) for number in range(CLIENTS)]
        pieces = (edge, worker, system.valkey)
        victims = [(piece,) for piece in pieces] * (KILLS - 2 * PAIRS) + list(combinations(pieces, 2)) * PAIRS
        assert len(victims) == ROUNDS
        rng.shuffle(victims)
        begun_s = time.monotonic()
        try:
            for dying in victims:
                before, deadline = len(load.answered), time.monotonic() + 60
                while len(load.answered) < before + 10:  # it is up and works before the next one dies
                    assert time.monotonic() < deadline, f"nothing is answered: {edge.tail()} {worker.tail()}"
                    await asyncio.sleep(0.02)
                await asyncio.sleep(rng.random() * ROUND_S)
                for victim in dying:
                    victim.kill()
                for victim in dying:
                    victim.start()
            await system.valkey_ready()
            await system.ready()
            load.stop()
            await asyncio.gather(*clients)
        finally:
            load.stop()
            for client in clients:
                client.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*clients, return_exceptions=True)
        await system.check_books(load.answered, others=True)
        extra = len(set(await system.charged()) - load.answered)
        print(
            f"\n{database}: each of edge, worker and Valkey killed {KILLS} times in {time.monotonic() - begun_s:.0f} s: "
            f"{len(load.answered)} calls answered and charged once, {load.lost} failed or broke off, {extra} of them charged"
        )
        assert extra <= load.lost  # whatever else was charged is a call that a client began
        assert len(load.answered) > ROUNDS * 10
