"""What arrives goes straight to its sink, and whatever only the reader can tell ends the pouring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.upstream.http1 import Answer, Http1Client, Origin, UpstreamBroken, UpstreamSilent

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def answered(*steps: bytes | float) -> AsyncIterator[Answer]:
    """A chunked answer: bytes are sent as a chunk, numbers are pauses in seconds; b'' is the end, and then it hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for step in steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                writer.write(b"%x\r\n%b\r\n" % (len(step), step))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Http1Client()
    async with server:
        answer = await client.request(Origin("127.0.0.1", server.sockets[0].getsockname()[1], False), HEAD, b"")
        try:
            yield answer
        finally:
            answer.close()
            client.close()


async def test_parts_go_to_the_sink_and_the_end_to_the_reader():
    poured: list[bytes] = []
    async with answered(b"a", 0.05, b"b", 0.05, b"c", 0.05, b"") as answer:
        first = await answer.read_some()
        await answer.pour(lambda data: poured.append(data) is None)
        assert (first, poured, await answer.read_some()) == (b"a", [b"b", b"c"], b"")


async def test_a_sink_that_says_no_has_taken_what_it_got():
    async with answered(b"a", 0.05, b"b", 0.05, b"c", b"") as answer:
        await answer.read_some()
        poured: list[bytes] = []
        await answer.pour(lambda data: bool(poured.append(data)))
        assert poured == [b"b"]
        assert await answer.read_some() == b"c"


async def test_what_the_sink_raises_reaches_the_reader():
    def sink(data: bytes) -> bool:
        raise KeyError(data)

    async with answered(b"a", 0.05, b"b", 0.5, b"") as answer:
        await answer.read_some()
        with pytest.raises(KeyError):
            await answer.pour(sink)


async def test_a_break_and_a_silence_are_the_readers_to_tell():
    async with answered(b"a", 0.05, b"b", 0.05) as answer:
        await answer.read_some()
        await answer.pour(lambda data: True)
        with pytest.raises(UpstreamBroken):
            await answer.read_some()
    async with answered(b"a", 0.3, b"b", 1.5, b"") as answer:
        await answer.read_some()
        poured: list[bytes] = []
        await answer.pour(
            lambda data: poured.append(data) is None, 0.6
        )  # counted from the last part, not from the first
        assert poured == [b"b"]
        with pytest.raises(UpstreamSilent):
            await answer.read_some(0.6)
