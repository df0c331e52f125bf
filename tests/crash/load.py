"""Clients that call for ever and remember what came of it."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.system import System, until

BODY = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}


class Load:
    """`models`: plain answers and streams, drawn by each client with its own dice."""

    def __init__(self, system: System, models: tuple[str, ...] = ("plain",)) -> None:
        self._system, self._models, self._running = system, models, True
        self.answered: set[str] = set()  # seen whole
        self.begun_s: dict[str, float] = {}  # of answered calls
        self.refused: list[int] = []  # statuses
        self.broken = 0  # calls without a whole answer, after a status 200 or none

    async def client(self, user: int) -> None:
        rng = random.Random(user)
        async with self._system.client(user=user) as http:
            while self._running:
                try:
                    await self._call(http, rng.choice(self._models))
                except httpx.TransportError:
                    self.broken += 1
                await asyncio.sleep(0.01)

    async def _call(self, http: httpx.AsyncClient, model: str) -> None:
        begun_s = time.monotonic()
        answer = await http.post("/v1/chat/completions", json={**BODY, "model": model, "stream": model != "plain"})
        if answer.status_code != 200:
            self.refused.append(answer.status_code)
        elif model != "plain" and not answer.text.endswith("data: [DONE]\n\n"):
            self.broken += 1
        else:
            self.answered.add(answer.headers["x-request-id"])
            self.begun_s[answer.headers["x-request-id"]] = begun_s

    async def more(self, count: int) -> None:
        wanted = len(self.answered) + count

        async def there() -> bool:
            return len(self.answered) >= wanted

        await until(there, f"calls are not answered, refused with {self.refused[-5:]}, {self.broken} broken")

    async def stop(self, tasks: list["asyncio.Task[None]"]) -> None:
        self._running = False
        await asyncio.gather(*tasks)


@asynccontextmanager
async def under_load(system: System, users: int, models: tuple[str, ...] = ("plain",)) -> AsyncIterator[Load]:
    """One client for each user; at the end they finish what they have begun."""
    load = Load(system, models)
    tasks = [asyncio.create_task(load.client(user)) for user in range(1, users + 1)]
    try:
        yield load
        await load.stop(tasks)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
