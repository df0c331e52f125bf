"""With the settings as they come and the real clock: how long after its recovery a channel serves again under light traffic.

Worst cases: the channel recovers in the moment in which its breaker opens for the longest pause (the fourth time), or in which
it has just answered 429 without Retry-After.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import insert, update

from schema.tables import Ability, Channel
from tests.system import ANSWER, System, open_system, until

LIMIT_S = 60.0  # within which a recovered channel must serve again
EVERY_S = 0.5  # a call of each model
FAILURES = 5 + 3  # five in a row open the breaker, three trials make its pause the longest
LIMITED = 3
REFUSALS = {
    "broken": (500, b'{"error":{"message":"sorry","type":"server_error","code":"x"}}'),
    "limited": (429, b'{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}'),
}


class Sickly:
    """The upstream of channel 1: refuses each model so many times, then answers.

    `refused_s`, `served_s`: when, by model.
    """

    def __init__(self, well_after: dict[str, int]) -> None:
        self._well_after = well_after
        self.recovered_s: dict[str, float] = {}
        self.refused_s: dict[str, list[float]] = {model: [] for model in well_after}
        self.served_s: dict[str, list[float]] = {model: [] for model in well_after}

    def answer(self, model: str) -> tuple[int, bytes]:
        now_s = time.monotonic()
        if model in self.recovered_s:
            self.served_s[model].append(now_s)
            return 200, ANSWER
        self.refused_s[model].append(now_s)
        if len(self.refused_s[model]) == self._well_after[model]:
            self.recovered_s[model] = now_s
        return REFUSALS[model]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                model = next(name for name in REFUSALS if name.encode() in body)
                status, data = self.answer(model) if b"bearer sickly" in head else (200, ANSWER)
                lines = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
                writer.write(lines.encode() + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def light_traffic(system: System) -> AsyncIterator[list[tuple[float, int]]]:
    """A call of each model every half second; yields when each began, and its status."""
    seen: list[tuple[float, int]] = []

    async def call_on(model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        async with system.client() as http:
            while True:
                begun_s = time.monotonic()
                seen.append((begun_s, (await http.post("/v1/chat/completions", json=body)).status_code))
                await asyncio.sleep(EVERY_S)

    tasks = [asyncio.create_task(call_on(model)) for model in REFUSALS]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.timeout(240)  # 35 s until the longest pause, 30 s of pause, and waiting for a draw
async def test_a_recovered_channel_serves_again_within_a_minute(tmp_path):
    sickly = Sickly({"broken": FAILURES, "limited": LIMITED})
    server = await asyncio.start_server(sickly.serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with open_system(tmp_path) as system, server:
        await system.seed(models=tuple(REFUSALS))
        names = ",".join(REFUSALS)
        async with system.engine.begin() as db:
            await db.execute(update(Channel).values(key="sickly", base_url=address, models=names))
            await db.execute(
                insert(Channel).values(
                    id=2, type=1, key="sound", status=1, name="sound", weight=0, base_url=address, models=names,
                    group="default", priority=0, provider="openai",
                )
            )  # fmt: skip
            rows = [{"group": "default", "model": name, "channel_id": 2, "enabled": True} for name in REFUSALS]
            await db.execute(insert(Ability), rows)
        system.add_edge()
        await system.ready()
        async with light_traffic(system) as seen:

            async def all_serve() -> bool:
                return all(sickly.served_s.values())

            await until(all_serve, f"not served by the channel: {sickly.recovered_s}", within_s=180)
    waited_s = {model: served_s[0] - sickly.recovered_s[model] for model, served_s in sickly.served_s.items()}
    print(f"\nserves again after {waited_s['broken']:.1f} s (breaker), {waited_s['limited']:.1f} s (429)")
    assert all(waited < LIMIT_S for waited in waited_s.values()), waited_s
    assert waited_s["broken"] >= 29, "the breaker had opened for the longest pause"
    assert waited_s["limited"] >= 4.9, "it had been told to be quiet"
    well_s = max(sickly.recovered_s.values()) + 1
    assert {status for begun_s, status in seen if begun_s > well_s} == {200}
