"""A deterministic upstream on uvloop and httptools: OpenAI chat and Claude messages, plain and streamed.

The model's name shapes the answer: NAME[-nCHUNKS][-dMICROSECONDS between chunks]. Without -d all chunks leave at once,
each in its own write. `python -m bench.mock PORT`.
"""

import asyncio
import re
import sys
from functools import lru_cache

import httptools
import msgspec
import uvloop

CHUNKS_DEFAULT = 100
PROMPT_TOKENS = 21
_SHAPE = re.compile(r"(?:-n(?P<chunks>\d+))?(?:-d(?P<gap_us>\d+))?$")


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Ask(msgspec.Struct):
    """What the mock reads of a request."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None


_decode = msgspec.json.Decoder(Ask).decode


class Script(msgspec.Struct, frozen=True):
    """One streamed answer: what comes first, the repeated chunk, what comes last; framed for chunked encoding."""

    first: bytes
    chunk: bytes
    last: bytes
    chunks: int
    gap_s: float


def shape(model: str) -> tuple[int, float]:
    """Chunks and seconds between them."""
    match = _SHAPE.search(model)
    chunks, gap_us = (match["chunks"], match["gap_us"]) if match else (None, None)
    return int(chunks or CHUNKS_DEFAULT), int(gap_us or 0) / 1e6


def _frame(body: str) -> bytes:
    data = body.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@lru_cache(256)
def chat_stream(model: str, with_usage: bool) -> Script:
    chunks, gap_s = shape(model)
    start = f'data: {{"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1735689600,"model":"{model}",'
    chunk = (
        f'{start}"choices":[{{"index":0,"delta":{{"content":" token"}},"logprobs":null,"finish_reason":null}}]}}\n\n'
    )
    last = _frame(f'{start}"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]}}\n\n')
    if with_usage:
        counts = f'"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{chunks},"total_tokens":{chunks + PROMPT_TOKENS}'
        last += _frame(f'{start}"choices":[],"usage":{{{counts}}}}}\n\n')
    return Script(_HEAD, _frame(chunk), last + _frame("data: [DONE]\n\n") + b"0\r\n\r\n", chunks, gap_s)


@lru_cache(256)
def chat_plain(model: str) -> bytes:
    chunks, _ = shape(model)
    body = (
        f'{{"id":"chatcmpl-mock","object":"chat.completion","created":1735689600,"model":"{model}","choices":[{{"index":0,'
        f'"message":{{"role":"assistant","content":"{"token " * chunks}"}},"logprobs":null,"finish_reason":"stop"}}],'
        f'"usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{chunks},"total_tokens":{chunks + PROMPT_TOKENS}}}}}'
    )
    return _plain(body)


def _plain(body: str) -> bytes:
    data = body.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


def _event(name: str, fields: str) -> bytes:
    return _frame(f'event: {name}\ndata: {{"type":"{name}"{fields}}}\n\n')


@lru_cache(256)
def claude_stream(model: str) -> Script:
    chunks, gap_s = shape(model)
    message = (
        f'{{"id":"msg_mock","type":"message","role":"assistant","model":"{model}","content":[],"stop_reason":null,'
        f'"stop_sequence":null,"usage":{{"input_tokens":{PROMPT_TOKENS},"output_tokens":1}}}}'
    )
    first = _HEAD + _event("message_start", f',"message":{message}')
    first += _event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}')
    chunk = _event("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":" token"}')
    end = f',"delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{chunks}}}'
    last = _event("content_block_stop", ',"index":0') + _event("message_delta", end) + _event("message_stop", "")
    return Script(first, chunk, last + b"0\r\n\r\n", chunks, gap_s)


@lru_cache(256)
def claude_plain(model: str) -> bytes:
    chunks, _ = shape(model)
    return _plain(
        f'{{"id":"msg_mock","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text",'
        f'"text":"{"token " * chunks}"}}],"stop_reason":"end_turn","stop_sequence":null,'
        f'"usage":{{"input_tokens":{PROMPT_TOKENS},"output_tokens":{chunks}}}}}'
    )


class Upstream(asyncio.Protocol):
    """One connection; requests on it are answered in turn (no pipelining). `served` counts answers begun."""

    served = 0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._free = asyncio.Event()
        self._free.set()

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == b"/served":
            self._transport.write(_plain(str(Upstream.served)))
            return
        try:
            ask = _decode(self._body)
        except msgspec.DecodeError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        Upstream.served += 1
        claude = self._url.startswith(b"/v1/messages")
        if not ask.stream:
            self._task = asyncio.create_task(
                self._answer(claude_plain(ask.model) if claude else chat_plain(ask.model), ask)
            )
            return
        with_usage = ask.stream_options is not None and ask.stream_options.include_usage
        script = claude_stream(ask.model) if claude else chat_stream(ask.model, with_usage)
        self._task = asyncio.create_task(self._play(script))

    async def _answer(self, answer: bytes, ask: Ask) -> None:
        if gap_s := shape(ask.model)[1]:
            await asyncio.sleep(gap_s)
        self._transport.write(answer)

    async def _play(self, script: Script) -> None:
        loop = asyncio.get_running_loop()
        write = self._transport.write
        write(script.first)
        due = loop.time()
        for _ in range(script.chunks):
            write(script.chunk)
            if script.gap_s:
                due += script.gap_s
                await asyncio.sleep(max(0.0, due - loop.time()))
            await self._free.wait()
        write(script.last)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
