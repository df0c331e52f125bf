"""The edge's own HTTP/1.1 door, over real sockets: framing, order, limits, back-pressure, leaving, WebSockets handed on."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.door import listener
from edge.door.listener import Door
from tests.services import free_port

PLAIN = [(b"content-type", b"text/plain")]


async def _body(receive: Callable[[], Any]) -> bytes:
    found = b""
    while True:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            return found


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Method, path, query and body come back; /chunks in two parts; /wait waits for the client to leave."""
    body = await _body(receive)
    if scope["path"] == "/wait":
        scope["left"] = (await receive())["type"]
        LEFT.append(scope["left"])
        return
    if scope["path"] == "/crash":
        raise RuntimeError("as a bug would")
    answer = b"%b %b?%b %b" % (scope["method"].encode(), scope["path"].encode(), scope["query_string"], body)
    chunked = (b"transfer-encoding", b"chunked")  # as BlackSheep names it: the door frames, and says so once
    measured = [chunked if scope["path"] == "/chunks" else (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN + measured})
    await send({"type": "http.response.body", "body": answer[:5], "more_body": True})
    await send({"type": "http.response.body", "body": answer[5:]})


LEFT: list[str] = []


@asynccontextmanager
async def open_door(application: Any = echo, back: str = "", **wish: Any) -> AsyncIterator[tuple[Door, int]]:
    port = free_port()
    door = Door(application, back=back, head_s_max=wish.pop("head_s_max", 5), **wish)
    await door.listen("127.0.0.1", port)
    ticker = asyncio.create_task(door.run())
    try:
        yield door, port
    finally:
        ticker.cancel()
        await door.close(1)


async def talk(port: int, *parts: bytes, until_close: bool = True, pause_s: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read() if until_close else reader.read(65536), 10)
    finally:
        writer.close()


CLOSE = b"connection: close\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(
            b"GET /a%20b?c=d HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", b"GET /a b?c=d ", id="path and query"
        ),
        pytest.param(
            b"POST /p HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"content-length: 4\r\n\r\nbody", b"POST /p? body", id="a body"
        ),
        pytest.param(
            b"POST /p HTTP/1.1\r\nhost: x\r\n"
            + CLOSE
            + b"transfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
            b"POST /p? body",
            id="a chunked body",
        ),
        pytest.param(
            b"GET /chunks HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n",
            b"5\r\nGET /\r\n8\r\nchunks? \r\n0\r\n\r\n",
            id="an answer of unknown length",
        ),
        pytest.param(b"GET /chunks HTTP/1.0\r\n\r\n", b"GET /chunks? ", id="HTTP/1.0: its end is the connection's"),
        pytest.param(b"HEAD /h HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", b"", id="HEAD has no body"),
        pytest.param(b"GET http://x/abs HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", b"GET /abs? ", id="absolute form"),
        pytest.param(
            b"GET /up HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n",
            b"GET /up? ",
            id="an upgrade that we do not know is ignored",
        ),
    ],
)
async def test_requests_whole_and_byte_by_byte(request_bytes: bytes, expected: bytes):
    async with open_door() as (_, port):
        for parts in ([request_bytes], [bytes([byte]) for byte in request_bytes]):
            head, _, body = (await talk(port, *parts)).partition(b"\r\n\r\n")
            assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", expected)
            assert b"connection: close" in head and b"\r\ndate: " in head


async def test_pipelined_requests_are_answered_in_order_on_one_connection():
    gate = asyncio.Event()

    async def first_is_slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/0":
            await gate.wait()
        await echo(scope, receive, send)

    async with open_door(first_is_slow) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(40):  # more than may wait
            writer.write(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi" % number)
        await asyncio.sleep(0.1)
        gate.set()
        for number in range(40):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            assert await reader.readexactly(length) == b"POST /%d? hi" % number
        writer.close()


async def test_a_client_that_asks_first_is_told_to_go_on():
    async with open_door() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"late")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert await reader.readexactly(13) == b"POST /e? late"
        writer.close()


async def test_leaving_is_noticed_at_once():
    LEFT.clear()
    async with open_door() as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.transport.abort()
        for _ in range(100):
            if LEFT:
                break
            await asyncio.sleep(0.02)
    assert LEFT == ["http.disconnect"]


async def test_a_crash_before_the_answer_is_a_500():
    async with open_door() as (_, port):
        assert (await talk(port, b"GET /crash HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", b"400", id="not HTTP"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", b"400",
            id="two framings: how requests are smuggled",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", b"431", id="a header too large"),
        pytest.param(b"GET /" + b"y" * 70_000, b"431", id="a target without end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n", b"431", id="too many headers"),
    ],
)  # fmt: skip
async def test_what_is_not_taken(request_bytes: bytes, status: bytes):
    async with open_door() as (_, port):
        answer = await talk(port, request_bytes)
        assert answer.split()[1] == status and b"connection: close" in answer


async def test_time_limits_of_heads_and_of_idle_connections(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listener, "TICK_S", 0.05)
    monkeypatch.setattr(listener, "IDLE_S_MAX", 0.3)
    async with open_door(head_s_max=0.3) as (_, port):
        assert (await talk(port, b"GET / HT")).startswith(b"HTTP/1.1 408 ")
        assert await talk(port, b"") == b""
        answer = await talk(port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"GET /x? ")


async def test_an_answer_before_the_body_was_read_arrives_whole():
    async def refuse(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"no!"})

    async with open_door(refuse) as (_, port):
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n"
        answer = await talk(port, head, *[b"x" * 100_000] * 30)
        assert answer.startswith(b"HTTP/1.1 413 ") and answer.endswith(b"no!") and b"connection: close" in answer


async def test_a_client_that_does_not_read_holds_up_its_own_answer_only():
    sent = itertools.count()
    done = 0

    async def endless(_: Any, __: Any, send: Any) -> None:
        nonlocal done
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for done in sent:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            if done > 2000:
                return

    async with open_door(endless) as (door, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.pause_reading()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.5)
        before = done
        await asyncio.sleep(0.2)
        assert 0 < before == done < 500  # 32 MB would be all that the kernel's buffers and ours may ever hold
        writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not door._connections


async def test_websockets_are_handed_on_with_the_clients_address(tmp_path: Path):
    heads: list[bytes] = []

    async def granian(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        writer.write(await reader.readexactly(5))
        writer.close()

    path = str(tmp_path / "back.sock")
    server = await asyncio.start_unix_server(granian, path)
    async with open_door(back=path) as (_, port):
        head = b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: x\r\nx-medusa-peer: 6.6.6.6 6\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\r\n"
        answer = await talk(port, head, b"he", b"llo", pause_s=0.05)
    server.close()
    assert answer == b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello"
    assert heads[0].startswith(b"GET /v1/realtime?model=m HTTP/1.1\r\n")
    assert heads[0].count(b"x-medusa-peer") == 1 and b"x-medusa-peer: 127.0.0.1 " in heads[0]


async def test_closing_waits_for_answers_and_takes_no_more_requests():
    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await echo(scope, receive, send)

    async with open_door(slow) as (door, port):
        asked = asyncio.create_task(talk(port, b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n"))
        await asyncio.sleep(0.1)
        await door.close(5)
        answer = await asked
        assert answer.endswith(b"GET /late? ") and b"connection: close" in answer
        with pytest.raises(OSError, match=r"refused|Connect call failed|reset"):
            await talk(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")


async def test_framing_is_named_once_also_where_the_application_names_it():
    async with open_door() as (_, port):
        answer = await talk(port, b"GET /chunks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"transfer-encoding") == 1 and b"content-length" not in head
