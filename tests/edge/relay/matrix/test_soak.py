"""500 streams of all dialects at once, over connections that break and to clients that leave: nothing leaks, every bill is right."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from schema.ledger.keys import Keys
from schema.usage import UsageRecord
from tests.edge.relay.matrix.providers import PROVIDERS
from tests.edge.relay.matrix.requests import SYSTEM
from tests.edge.relay.matrix.seeding import seed_channels
from tests.edge.relay.matrix.standin import Standin, read
from tests.schema.ledger.books import records_of
from tests.system import PARTITIONS, System, open_system, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("matrix-soak")]  # one system for all
CALLS, AT_ONCE = 500, 60
UPSTREAMS = ("openai", "anthropic", "gemini", "cohere", "aws", "converse", "ollama-native", "deepseek", "coze", "dify")
ENDS = {
    "openai": b"data: [DONE]\n\n",
    "responses": b'"type":"response.completed"',
    "claude": b"event: message_stop",
    "gemini": b'"finishReason"',
    "cohere": b'"type":"message-end"',
}


def request_of(client: str, model: str, text: str) -> tuple[str, dict[str, Any]]:
    user = {"role": "user", "content": text}
    match client:
        case "openai" | "cohere":
            path = "/v1/chat/completions" if client == "openai" else "/v2/chat"
            return path, {"model": model, "stream": True, "messages": [{"role": "system", "content": SYSTEM}, user]}
        case "responses":
            return "/v1/responses", {"model": model, "stream": True, "instructions": SYSTEM, "input": text}
        case "claude":
            body = {"model": model, "stream": True, "max_tokens": 99, "system": SYSTEM, "messages": [user]}
            return "/v1/messages", body
    contents = [{"role": "user", "parts": [{"text": text}]}]
    body = {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": contents}
    return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", body


def bill_of(provider: str) -> int:
    want = json.loads(read(PROVIDERS[provider].wire, "expected.json"))["text"]["stream"]
    exact = want["input"] + Decimal("0.25") * want.get("cached", 0) + 3 * want["output"]
    return int(Decimal(exact).to_integral_value(ROUND_HALF_UP))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[System, Standin]]:
    async with Standin(PROVIDERS) as standin, open_system(tmp_path_factory.mktemp("soak")) as system:
        await system.seed(balance=10**9)
        await seed_channels(system, standin)
        system.add_edge()
        system.add_worker()
        await system.ready()
        yield system, standin


def serving_process(system: System) -> psutil.Process:
    """The server's worker: its parent only watches it."""
    (worker,) = [one for one in psutil.Process(system.edges[0].pid).children(recursive=True) if one.num_threads() > 1]
    return worker


class Soak:
    def __init__(self, system: System) -> None:
        self.system = system
        self.whole: dict[str, str] = {}  # request id -> provider, of streams that came to their end
        self.parted: set[str] = set()  # cut by the upstream, or left by the client, after the first byte
        self.unheard = 0  # the client never learnt an id, or was refused before a byte
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def call(self, http: httpx.AsyncClient, number: int) -> None:
        dice = random.Random(number)
        client, provider = dice.choice(list(ENDS)), dice.choice(UPSTREAMS)
        fate = dice.choices(["whole", "cut", "leave"], [70, 15, 15])[0]
        text = f"hi case=text soak={number}{' cut' if fate == 'cut' else ''}"
        path, body = request_of(client, f"m-{provider}", text)
        heard, request_id = b"", ""
        async with self._gate:
            try:
                async with http.stream("POST", path, json=body) as answer:
                    request_id = answer.headers.get("x-oneapi-request-id", "")
                    if answer.status_code != 200:
                        assert fate == "cut", (client, provider, await answer.aread())
                        self.unheard += 1
                        return
                    async for data in answer.aiter_raw():
                        heard += data
                        if fate == "leave" and dice.random() < 0.4:
                            self.parted.add(request_id)
                            return
            except httpx.TransportError:
                assert fate == "cut", (client, provider)
        if fate != "cut":
            assert ENDS[client] in heard, (client, provider, heard[-300:])
            self.whole[request_id] = provider
        else:
            self.parted.add(request_id)
            if (client, provider) == ("claude", "anthropic"):
                assert b"event: error" in heard, heard[-300:]

    async def records(self) -> dict[str, UsageRecord]:
        key = Keys(PARTITIONS).usage(1)
        found = await self.system.redis.xrange(key)
        told = [(fields, record) for _, fields in found if len(fields) > 1 for record in records_of(fields)]
        sure = {record.request_id for fields, record in told if b"l" not in fields}
        # what Redis acknowledged too late went to the spool and came again, marked: the worker asks the books
        read_ones = [record for fields, record in told if b"l" not in fields or record.request_id not in sure]
        assert len(read_ones) == len({one.request_id for one in read_ones}), "settled twice"
        return {one.request_id: one for one in read_ones}


async def test_soak(running: tuple[System, Standin]) -> None:
    system, standin = running
    edge = serving_process(system)
    soak = Soak(system)
    seen: dict[str, UsageRecord] = {}

    async def gather_records() -> None:  # the worker trims what it has booked
        while True:
            seen.update(await soak.records())
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(gather_records())
    async with system.client(limits=httpx.Limits(max_connections=AT_ONCE)) as http:
        await asyncio.gather(*(soak.call(http, number) for number in range(20)))  # everything is loaded once
        descriptors = edge.num_fds()
        await asyncio.gather(*(soak.call(http, number) for number in range(20, CALLS)))

    async def no_holds() -> bool:
        return await system.holds() == 0

    await until(no_holds, "holds are left")
    watching.cancel()
    seen.update(await soak.records())
    for request_id, provider in soak.whole.items():
        record = seen[request_id]
        assert (record.quota, record.cut) == (bill_of(provider), False), (provider, record.usage)
    for request_id in soak.parted:
        assert seen[request_id].quota > 0
    assert len(soak.whole) > 300 and len(soak.parted) > 60
    known = {*soak.whole, *soak.parted}
    others = [record for request_id, record in seen.items() if request_id not in known]
    assert all(record.quota == 0 for record in others), "an unanswered call was charged"

    spent = sum(record.quota for record in seen.values())

    async def booked() -> bool:
        return await system.balance() == 10**9 - spent

    await until(booked, "the books do not agree with the records")
    assert await system.drifts() == []
    descriptors += 2 * AT_ONCE  # kept-alive connections on both sides

    async def nothing_leaks() -> bool:
        return edge.num_fds() <= descriptors

    await until(nothing_leaks, f"{edge.num_fds()} descriptors are open, not {descriptors}")
    assert len(standin.asked) >= CALLS
