"""Streams on the express way: the same bytes and the same bill as in a task, whatever the upstream does and wherever it goes wrong."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Struct

from tests.express_client import Answer, Client, expressed, replayed, rows, settled, turning, whole
from tests.system import BALANCE, CHUNK, LAST, USAGE, Behaviour, System, open_system, raw, streamed, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("express_stream")]
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
PRICE = 1000 + 500  # quota of 1 000 tokens in and 500 out, at a ratio of 1
DONE = b"data: [DONE]\n\n"
FINISHED = CHUNK.replace(b'{"content":"hi "},"finish_reason":null', b'{},"finish_reason":"stop"')
ERROR = b'data: {"error":{"message":"no, sk-abcdefghijklmnop","type":"server_error","code":"x"}}\n\n'


def framed(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def pieces(data: bytes, *cuts: int) -> list[bytes | float]:
    """With pauses between."""
    bounds = [0, *cuts, len(data)]
    found: list[bytes | float] = []
    for start, end in itertools.pairwise(bounds):
        found += [data[start:end], 0.03]
    return found


BURST = CHUNKED + framed(*[CHUNK] * 100, LAST) + END
TALKS = CHUNK.replace(b"hi ", b"say data: [DONE] and data:[DONE]")
CRLF = b"".join([CHUNK] * 3 + [LAST]).replace(b"\n", b"\r\n")


class Case(Struct, frozen=True):
    """`alone`: it ends without a task."""

    stream: Behaviour
    alone: bool
    status: int = 200
    more: dict[str, Any] = {}


GOOD = {
    "burst": Case(raw(BURST), True),
    "paced": Case(streamed(5, 0.02), True),
    "cut anywhere": Case(raw(*pieces(CHUNKED + framed(CHUNK, CHUNK, LAST) + END, 30, 110, 130, 200, 400, 500)), True),
    "the end comes later": Case(raw(CHUNKED + framed(CHUNK, LAST), 0.05, END), True),
    "half an end": Case(raw(CHUNKED + framed(CHUNK, LAST[:-9]), 0.05, framed(LAST[-9:]), 0.05, END), True),
    "with a charset": Case(raw(BURST.replace(b"event-stream", b"event-stream; charset=utf-8")), True),
    "measured": Case(raw(STREAM + b"content-length: %d\r\n\r\n" % len(CHUNK + LAST) + CHUNK, 0.03, LAST), True),
    "until it closes": Case(raw(STREAM + b"\r\n" + CHUNK, 0.03, LAST, close=True), True),
    "closes behind": Case(raw(BURST.replace(b"\r\ntr", b"\r\nconnection: close\r\ntr", 1), close=True), True),
    "other line ends": Case(raw(CHUNKED + framed(CRLF) + END), True),
    "talks of streams": Case(raw(CHUNKED + framed(CHUNK, TALKS), 0.05, framed(CHUNK, LAST) + END), True),
    "usage asked for": Case(raw(BURST), True, more={"stream_options": {"include_usage": True}}),
    "usage each time": Case(
        raw(CHUNKED + framed(*[CHUNK.replace(b'"choices"', USAGE + b',"choices"')] * 9, LAST) + END), True
    ),
    "no usage": Case(raw(CHUNKED + framed(CHUNK, CHUNK, DONE) + END), False),
    "no usage asked for": Case(
        raw(CHUNKED + framed(CHUNK, CHUNK, DONE) + END), False, more={"stream_options": {"include_usage": True}}
    ),
    "no end mark": Case(raw(CHUNKED + framed(CHUNK, FINISHED) + END), False),
    "usage and no end mark": Case(raw(CHUNKED + framed(CHUNK, FINISHED, LAST[: -len(DONE)]), 0.03, END), False),
    "an error inside": Case(raw(CHUNKED + framed(CHUNK), 0.05, framed(ERROR, LAST) + END), True),
    "a plain answer": Case(
        raw(whole(b'{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}],' + USAGE + b"}")),
        False,
    ),
}
BAD = {
    "an error at once": Case(raw(CHUNKED + framed(ERROR, DONE) + END), False, 500),
    "an error status": Case(raw(whole(ERROR[6:], b"500 Oops")), False, 500),
    "nothing": Case(raw(CHUNKED + END), False, 502),
    "half an event": Case(raw(CHUNKED + framed(CHUNK[:40]) + END), False),
    "cut in the middle": Case(raw(CHUNKED + framed(CHUNK, CHUNK), 0.05, framed(CHUNK[:50]), close=True), False),
    "cut at once": Case(raw(CHUNKED, close=True), False, 502),
    "cut before its end": Case(raw(CHUNKED + framed(CHUNK, LAST), 0.05, close=True), False),
    "wrong framing": Case(raw(CHUNKED + framed(CHUNK), 0.05, b"zz\r\n" + CHUNK), False),
    "silent in the middle": Case(raw(CHUNKED + framed(CHUNK), 9.0), False),
    "silent before": Case(raw(CHUNKED, 9.0), False, 502),
}
CASES = {name.replace(" ", "-"): case for name, case in (GOOD | BAD).items()}


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    """12 MB as fast as they are taken."""
    writer.write(CHUNKED)
    for _ in range(1000):
        writer.write(framed(CHUNK * 90))
        await writer.drain()
    writer.write(framed(LAST) + END)


ENDLESS = {"endless": streamed(1000, 0.02), "flood": flood}


def prices(*models: str) -> str:
    return json.dumps(dict.fromkeys(models, 1))


async def seed(system: System) -> None:
    models = prices(*system.upstream.behaviours)
    await system.seed(
        ModelPrice="{}",
        ModelRatio=models,
        CompletionRatio=models,
        BreakerEnabled="false",
        AutomaticDisableChannelEnabled="false",
        RetryTimes="0",
        cooldown_seconds="0",
    )
    system.add_edge()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder: Path = tmp_path_factory.mktemp("express")
    behaviours = {name: turning(case.stream, first=streamed(1, 0.0)) for name, case in CASES.items()}
    times = {"STREAMING_TIMEOUT": "2", "EDGE_WORKERS": "1"}
    async with open_system(folder, environ=times, **behaviours, **ENDLESS) as system:
        await seed(system)
        system.add_worker()
        await system.ready()
        yield system


def shown(answer: Answer) -> str:
    """Without what differs from call to call."""
    return re.sub(r'\d{14}\w{18}|"created":\d+', "", answer.body.decode())


@pytest.mark.parametrize("name", list(CASES))
async def test_it_ends_as_in_the_ordinary_way(system: System, name: str):
    """The other call has a head of its own, so that it is not known: the ordinary way says the same."""
    case = CASES[name]
    before, count = await system.balance(), await expressed(system)
    async with Client(system) as client, Client(system) as other:
        assert (await client.ask(name, stream=True, **case.more)).status == 200
        express, ordinary = await asyncio.gather(
            client.ask(name, stream=True, **case.more), other.ask(name, stream=True, **case.more)
        )
    assert express.status == ordinary.status == case.status
    assert shown(express) == shown(ordinary)
    assert "sk-abc" not in shown(express)
    charged = 0
    if case.status == 200:
        billed = [await rows(system, answer) for answer in (express, ordinary)]
        assert billed[0] == billed[1]
        charged = billed[0][0]["quota"]
        assert charged > 0
    await settled(system, before, PRICE + 2 * charged)
    assert await expressed(system) == count + case.alone


async def test_a_burst_leaves_in_one_piece_and_bytes_stay_as_they_are(system: System):
    asked = {"stream_options": {"include_usage": True}}
    before = await system.balance()
    async with Client(system) as client:
        await client.ask("burst", stream=True, **asked)  # perhaps the first of all, which is another one
        for _ in range(3):
            answer = await client.ask("burst", stream=True, **asked)
            assert answer.body == CHUNK * 100 + LAST
    await settled(system, before, 4 * PRICE)
    assert "content-length: " in answer.head and "cache-control: no-cache" in answer.head


async def test_events_leave_as_they_come(system: System):
    """Each in a chunk of its own, and the client has it long before the end."""
    before = await system.balance()
    async with Client(system) as client:
        assert (await client.ask("burst", stream=True)).status == 200
        client.send("slow", stream=True)
        assert "transfer-encoding: chunked" in await client.head()
        assert len([part async for part in client.parts()]) > 30
    await settled(system, before, 2 * PRICE)


async def test_a_client_that_does_not_read_is_waited_for(system: System):
    before = await system.balance()
    async with Client(system) as client:
        assert len((await client.ask("flood", stream=True)).body) == 1000 * 90 * len(CHUNK) + len(DONE)
        client.send("flood", stream=True)
        await client.head()
        await asyncio.sleep(1.5)
        assert sum([len(part) async for part in client.parts()]) == 1000 * 90 * len(CHUNK) + len(DONE)
    await settled(system, before, 2 * PRICE)


async def test_a_client_that_leaves_pays_for_what_it_saw_and_the_upstream_is_cut(system: System):
    before, broken = await system.balance(), system.upstream.broken
    async with Client(system) as client:
        assert (await client.ask("burst", stream=True)).status == 200
        client.send("endless", stream=True)
        request_id = Answer(200, await client.head(), b"").request_id
        parts = client.parts()
        for _ in range(10):
            await anext(parts)

    async def cut() -> bool:
        return system.upstream.broken > broken

    await until(cut, "the upstream goes on", within_s=20)
    (row,) = await rows(system, Answer(200, f"x-request-id: {request_id}\r\n", b""))
    assert 10 <= row["completion_tokens"] < 400
    await settled(system, before, PRICE + row["quota"])


@pytest_asyncio.fixture(loop_scope="module")
async def own(tmp_path: Path) -> AsyncIterator[System]:
    """A system that may be broken."""
    environ = {"SHUTDOWN_TIMEOUT": "4", "SHUTDOWN_DELAY": "0", "EDGE_WORKERS": "1"}
    async with open_system(tmp_path, environ=environ, **ENDLESS) as system:
        await seed(system)
        await system.ready()
        yield system


async def test_what_redis_cannot_take_goes_to_the_spool_before_the_end_leaves(own: System):
    async with Client(own) as client:
        for _ in range(2):
            assert (await client.ask("stream", stream=True)).status == 200
        client.send("slow", stream=True)
        await asyncio.sleep(0.7)
        own.valkey.kill()
        answer = await client.answer()
        assert answer.status == 200 and answer.body.endswith(DONE)
        assert (await client.ask("stream", stream=True)).status == 503, "nothing can be held"
    await replayed(own, answer, 3 * PRICE)


async def test_a_process_that_ends_tells_its_streams(own: System):
    own.add_worker()
    async with Client(own) as client, Client(own) as other:
        for one in (client, other):
            assert (await one.ask("stream", stream=True)).status == 200
        assert (await client.ask("slow", stream=True)).status == 200
        client.send("slow", stream=True)
        other.send("endless", stream=True)
        await asyncio.sleep(0.5)
        own.edges[0].terminate()
        answer, ended = await client.answer(), await other.answer()
        assert answer.body.endswith(DONE) and b"shutting_down" not in answer.body
        assert b"shutting_down" in ended.body
    assert await own.edges[0].wait() == 0
    charged = (await rows(own, ended))[0]["quota"]
    assert charged > 0
    await settled(own, BALANCE, 4 * PRICE + charged)
