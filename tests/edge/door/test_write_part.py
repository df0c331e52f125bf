"""Parts of a stream that leave without a task: framed alike, and the word that a client does not read."""

import asyncio
from typing import Any

import pytest

from edge.door.exchange import EXCHANGE, Exchange
from edge.door.listener import Door

HEAD_S = 5.0
LARGE = b"x" * 65536


async def serve(application: Any) -> tuple[Door, asyncio.StreamReader, asyncio.StreamWriter]:
    door = Door(application, back="/nonexistent", head_s_max=HEAD_S)
    await door.listen("127.0.0.1", 0)
    assert door._server is not None
    port = door._server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return door, reader, writer


async def test_parts_are_chunks_like_any_other():
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        write = scope["extensions"][EXCHANGE].write_part
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert write(b"one")
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        assert write(b"")
        assert write(b"three")
        await send({"type": "http.response.body", "body": b""})

    door, reader, writer = await serve(application)
    answer = await reader.readuntil(b"0\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"
    writer.close()
    await door.close(1.0)


async def test_a_client_that_does_not_read_is_told_of():
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        write = scope["extensions"][EXCHANGE].write_part
        await send({"type": "http.response.start", "status": 200, "headers": []})
        parts = 1
        while write(LARGE):
            parts += 1
        told.set_result(parts)
        await send({"type": "http.response.body", "body": b"", "more_body": True})  # until the client reads again
        await send({"type": "http.response.body", "body": b"end"})

    door, reader, writer = await serve(application)
    parts = await asyncio.wait_for(told, 5)
    answer = b""
    while not answer.endswith(b"3\r\nend\r\n0\r\n\r\n"):
        answer += await asyncio.wait_for(reader.read(1 << 20), 5)
    assert answer.count(LARGE) == parts
    writer.close()
    await door.close(1.0)


async def test_nothing_is_written_to_a_client_that_has_left():
    class Gone:
        loop = asyncio.get_running_loop()

        def write(self, data: bytes) -> None:
            pytest.fail("written to a closed connection")

    connection: Any = Gone()
    exchange = Exchange(connection, {"method": "GET", "http_version": "1.1"}, expects=False, keep_alive=True)
    exchange.gone = True
    assert exchange.write_part(b"data")
