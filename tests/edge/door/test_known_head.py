"""A head that is known is taken as the parser takes it: whatever the order and slicing, the application sees what was sent."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from edge.door.connection import LESSONS_MAX, Connection
from edge.door.exchange import Exchange
from edge.door.known_head import HEAD_BYTES_MAX, KnownHead, learn_head
from edge.door.listener import Door

Seen = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]  # path, query, headers, body


def write_request(path: bytes, body: bytes, *more: tuple[bytes, bytes], length: bytes | None = None) -> bytes:
    pairs = (
        (b"Host", b"x"),
        *more,
        (b"Content-Length", b"%d" % len(body) if length is None else length),
        (b"Accept", b"*/*"),
    )
    lines = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path, lines, body)


def as_seen(path: bytes, body: bytes, *more: tuple[bytes, bytes]) -> Seen:
    pairs = [(b"host", b"x"), *more, (b"content-length", b"%d" % len(body)), (b"accept", b"*/*")]
    target, _, query = path.partition(b"?")
    return target.decode(), query, [(name.lower(), value) for name, value in pairs], body


KEY, OTHER = (b"Authorization", b"Bearer sk-a"), (b"Authorization", b"Bearer sk-b")
REQUESTS = [(b"/v1/a", b"one", KEY), (b"/v1/a", b"", KEY), (b"/v1/a?b", b"three", OTHER), (b"/v1/a", b"x" * 1500, KEY)]


async def ask_all(
    stream: bytes, cuts: list[int], answers_due: int, *, express: bool = False
) -> tuple[list[Seen], bytes, int]:
    """What the application saw, the answers, and how many heads were parsed.

    `express`: `one` is answered by a callback, `three` begun by one and handed over.
    """
    seen: list[Seen] = []

    def take(known: KnownHead, body: bytes, begin: Callable[[KnownHead], Exchange]) -> bool:
        if body not in (b"one", b"three"):
            return False
        exchange = begin(known)
        scope = known.scope_with(b"%d" % len(body))
        seen.append((scope["path"], scope["query_string"], scope["headers"], body))
        if body == b"one":
            asyncio.get_running_loop().call_soon(exchange.answer, 200, b"x-express: 1\r\n", b"ok")
            return True

        async def go_on() -> None:
            await asyncio.sleep(0.001)
            exchange.answer(200, b"x-express: 2\r\n", b"ok")

        exchange.scope = scope
        exchange.hand_over(go_on())
        return True

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert "of the application" not in scope
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        seen.append((scope["path"], scope["query_string"], scope["headers"], body))
        scope["of the application"] = "must not be seen by the next request"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"%d;" % len(seen)})

    parsed = 0

    class Counting(Connection):
        __slots__ = ()

        def on_headers_complete(self) -> None:
            nonlocal parsed
            parsed += 1
            super().on_headers_complete()

    door = Door(application, back="", head_s_max=5.0, express=take if express else None)
    server = await asyncio.get_running_loop().create_server(lambda: Counting(door), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for start, end in pairwise([0, *sorted(cuts), len(stream)]):
        writer.write(stream[start:end])
        await asyncio.sleep(0.002)
    answers = b""
    async with asyncio.timeout(5):
        while answers.count(b"HTTP/1.1 ") < answers_due:
            answers += await reader.read(65536)
    writer.close()
    server.close()
    await door.close(1.0)
    return seen, answers, parsed


@settings(max_examples=60, deadline=None)
@given(
    express=some.booleans(),
    asked=some.lists(some.sampled_from(REQUESTS), min_size=2, max_size=8),
    cuts=some.lists(some.integers(0, 3000), max_size=12),
)
def test_any_order_and_slicing_is_seen_as_it_was_sent(express: bool, asked: list[Any], cuts: list[int]):
    stream = b"".join(write_request(*one) for one in asked)
    cuts = [cut for cut in cuts if cut < len(stream)]
    seen, _, _ = asyncio.run(ask_all(stream, cuts, len(asked), express=express))
    assert seen == [as_seen(*one) for one in asked]


async def test_the_same_head_is_parsed_once():
    requests = [write_request(b"/v1/a", b"x" * size, KEY) for size in (3, 0, 700, 3)]
    cuts = [sum(map(len, requests[: n + 1])) for n in range(3)]
    seen, answers, parsed = await ask_all(b"".join(requests), cuts, len(requests))
    assert [len(body) for *_, body in seen] == [3, 0, 700, 3]
    assert (parsed, answers.count(b"200 OK")) == (1, 4)


@pytest.mark.parametrize("apart", [False, True])
async def test_the_express_way_is_offered_whole_requests_alone(apart: bool):
    """Many clients write head and body one after the other."""
    requests = [write_request(b"/v1/a", body, KEY) for body in (b"one", b"one", b"three", b"two", b"one")]
    ends = [sum(map(len, requests[: n + 1])) for n in range(5)]
    cuts = [end - 3 for end in ends] if apart else []
    seen, answers, parsed = await ask_all(b"".join(requests), [*cuts, *ends[:-1]], 5, express=True)
    assert [body for *_, body in seen] == [b"one", b"one", b"three", b"two", b"one"]
    assert (parsed, answers.count(b"x-express: 1"), answers.count(b"x-express: 2")) == (1, 2, 1)


async def test_a_body_that_does_not_come_is_the_applications_business():
    seen: list[bytes] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 408, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    door = Door(application, back="", head_s_max=5.0, express=lambda *_: False)
    ticker = asyncio.create_task(door.run())
    server = await asyncio.get_running_loop().create_server(lambda: Connection(door), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for cut in (None, -2):
        writer.write(write_request(b"/v1/a", b"three", KEY)[:cut])
        assert b" 408 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert seen == [b"three", b"thr"]
    ticker.cancel()
    writer.close()
    server.close()
    await door.close(1.0)


async def test_a_door_that_closes_takes_what_has_begun_to_come():
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            continue
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    door = Door(application, back="", head_s_max=5.0, express=lambda *_: False)
    await door.listen("127.0.0.1", 0)
    assert door._server is not None
    reader, writer = await asyncio.open_connection(*door._server.sockets[0].getsockname())
    request = write_request(b"/v1/a", b"three", KEY)
    writer.write(request)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.write(request[:-2])
    await asyncio.sleep(0.05)
    door.stop_listening()
    writer.write(request[-2:])
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await door.close(1.0)


async def test_a_client_whose_heads_always_differ_is_given_up():
    requests = [write_request(b"/v1/a", b"", (b"Traceparent", b"%d" % n)) for n in range(LESSONS_MAX)]
    requests += [write_request(b"/v1/a", b"", KEY)] * 3
    cuts = [sum(map(len, requests[: n + 1])) for n in range(len(requests) - 1)]
    seen, _, parsed = await ask_all(b"".join(requests), cuts, len(requests))
    assert len(seen) == parsed == len(requests)


@pytest.mark.parametrize("length", [b"-1", b"+1", b"1x", b"0x1", b" 1 1", b"99999999999999999999"])
async def test_a_known_head_with_a_wrong_length_is_refused(length: bytes):
    good, bad = write_request(b"/v1/a", b"y", KEY), write_request(b"/v1/a", b"y", KEY, length=length)
    seen, answers, _ = await ask_all(good + bad, [len(good)], 2)
    assert len(seen) == 1
    assert answers.count(b"200 OK") == answers.count(b" 400 ") == 1


@pytest.mark.parametrize(
    ("head", "version"),
    [
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", "1.1", id="asks first"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1.1", id="no length"),
        pytest.param(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n", "1.0", id="old"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 2\r\nA: %b\r\n\r\n" % (b"a" * HEAD_BYTES_MAX), "1.1", id="long"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length:2\r\n\r\n", "1.1", id="written oddly"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nCo", "1.1", id="not whole"),
    ],
)
def test_heads_that_are_not_kept(head: bytes, version: str):
    pairs = [line.partition(b":") for line in head.split(b"\r\n")[1:] if b":" in line]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    assert learn_head(head + b"{}", {"http_version": version, "headers": headers}) is None
