"""Charges lost after kill -9: everything dies at once under load, starts again, and the books are compared with the answers."""

import asyncio
import os
import signal
import time
from pathlib import Path

import msgspec

from bench.books import charged_ids, seed
from bench.gateway import run_gateway
from bench.load import Call, run, write_request
from bench.procs import tree

LOAD_S = 4.0
CAUGHT_UP_S = 60.0


class Losses(msgspec.Struct):
    """Calls that clients saw answered whole, and those of them that were never charged."""

    answered: int
    lost: int


def measure(folder: Path, upstream: str, *, at_once: int = 32) -> Losses:
    """SIGKILL to edge, worker, Valkey and supervisor in the middle of a load."""
    calls: list[Call] = []
    with run_gateway(folder) as gateway:
        key = seed(gateway, upstream, ["bench"])
        url = f"{gateway.url}/v1/chat/completions"
        request = write_request(url, key, "bench", stream=False)

        async def load() -> None:
            async def kill() -> None:
                await asyncio.sleep(LOAD_S)
                for pid in reversed(tree(gateway.process.pid)):
                    os.kill(pid, signal.SIGKILL)

            killer = asyncio.create_task(kill())
            while not killer.done():
                _, done = await run(url, request, at_once=at_once, calls=200, expect_end=b"")
                calls.extend(done)
            await killer

        asyncio.run(load())
    answered = {call.request_id for call in calls if call.status == 200 and call.complete}
    with run_gateway(folder) as gateway:
        deadline = time.monotonic() + CAUGHT_UP_S
        while (missing := answered - charged_ids(gateway)) and time.monotonic() < deadline:
            time.sleep(0.5)
    return Losses(len(answered), len(missing))
