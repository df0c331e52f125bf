"""A closed-loop client on uvloop: raw keep-alive connections, little work per byte, so that it does not measure itself.

`python -m bench.load URL KEY [--stream] [-c 32] [-n 4000] [--warm 500] [--pid ROOT] [--model NAME] [--at-once]`
"""

import argparse
import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from bench.procs import cpu_s, memory_bytes

CALL_TIMEOUT_S = 120.0


class Call(msgspec.Struct):
    """One finished call; times in seconds from the first byte sent."""

    status: int
    first_byte_s: float
    total_s: float
    body_bytes: int
    complete: bool
    request_id: str = ""


class Figures(msgspec.Struct):
    """What one run says. Milliseconds, microseconds and bytes as the names end; -1: not measured."""

    calls: int
    errors: int
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float
    first_byte_p99_ms: float
    cpu_us: float = -1
    memory_bytes: int = -1
    client_cpu_us: float = -1


class Client(asyncio.Protocol):
    """One keep-alive connection; `ask` sends a prepared request and waits for the end of the answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._done: asyncio.Future[Call] | None = None
        self.closed = False

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._finish(False)

    def ask(self, request: bytes, *, expect_end: bytes) -> asyncio.Future[Call]:
        """`expect_end`: what the body must hold near its end to count as complete; b"" = anything."""
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self._expect_end, self._tail, self._size, self._first, self._id = expect_end, b"", 0, 0.0, ""
        self._start = time.perf_counter()
        self._transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        if self._done is not None:
            self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-oneapi-request-id":
            self._id = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        if not self._size:
            self._first = time.perf_counter()
        self._size += len(body)
        self._tail = (self._tail + body)[-256:] if len(body) < 256 else body[-256:]

    def on_message_complete(self) -> None:
        self._finish(self._expect_end in self._tail)

    def _finish(self, complete: bool) -> None:
        done, self._done = self._done, None
        if done is None or done.done():
            return
        now = time.perf_counter()
        status = self._parser.get_status_code() if self._size else 0
        first = (self._first or now) - self._start
        done.set_result(Call(status, first, now - self._start, self._size, complete, self._id))

    def close(self) -> None:
        self._transport.close()


def write_request(url: str, key: str, model: str, *, stream: bool, headers: dict[str, str] | None = None) -> bytes:
    parts = urlsplit(url)
    fields = {"model": model, "messages": [{"role": "user", "content": "Say it in a hundred tokens, please."}]}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    if parts.path.endswith("/messages"):
        fields = {**fields, "max_tokens": 1000}
        fields.pop("stream_options", None)
    body = json.dumps(fields).encode()
    lines = [
        f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: Bearer {key}",
        "Content-Type: application/json", f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def run(
    url: str, request: bytes, *, at_once: int, calls: int, expect_end: bytes, warm: int = 0, root_pid: int = 0
) -> tuple[Figures, list[Call]]:
    """`calls` calls, `at_once` at a time; `root_pid`: the process tree whose CPU is counted."""
    if warm:
        await _drive(url, request, min(at_once, warm), warm, expect_end)
    before, own, started = cpu_s(root_pid) if root_pid else 0.0, time.process_time(), time.perf_counter()
    peak = asyncio.create_task(_peak_memory(root_pid)) if root_pid else None
    results = await _drive(url, request, at_once, calls, expect_end)
    took_s = time.perf_counter() - started
    own_us = (time.process_time() - own) / calls * 1e6
    figures = summarize(results, took_s)
    figures.client_cpu_us = own_us
    if root_pid and peak is not None:
        await asyncio.sleep(0.5)  # what settles behind the answers counts too
        figures.cpu_us = (cpu_s(root_pid) - before) / calls * 1e6
        peak.cancel()
        figures.memory_bytes = max(memory_bytes(root_pid), _peaks.pop(root_pid, 0))
    return figures, results


_peaks: dict[int, int] = {}


async def _peak_memory(root_pid: int) -> None:
    while True:
        await asyncio.sleep(1)
        _peaks[root_pid] = max(_peaks.get(root_pid, 0), await asyncio.to_thread(memory_bytes, root_pid))


async def _drive(url: str, request: bytes, at_once: int, calls: int, expect_end: bytes) -> list[Call]:
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    left, results = calls, []

    async def lane() -> None:
        nonlocal left
        client: Client | None = None
        while left > 0:
            left -= 1
            try:
                if client is None or client.closed:
                    _, client = await loop.create_connection(Client, parts.hostname, parts.port)
                results.append(await asyncio.wait_for(client.ask(request, expect_end=expect_end), CALL_TIMEOUT_S))
            except (OSError, TimeoutError, httptools.HttpParserError):
                results.append(Call(0, 0.0, 0.0, 0, False))
                if client is not None:
                    client.close()
                client = None
        if client is not None:
            client.close()

    await asyncio.gather(*(lane() for _ in range(at_once)))
    return results


def summarize(results: list[Call], took_s: float) -> Figures:
    good = [call for call in results if call.status == 200 and call.complete]
    total = sorted(call.total_s for call in good)
    first = sorted(call.first_byte_s for call in good)
    return Figures(
        len(results), len(results) - len(good), len(results) / took_s,
        percentile_ms(total, 50), percentile_ms(total, 99), percentile_ms(first, 50), percentile_ms(first, 99),
    )  # fmt: skip


def percentile_ms(ordered: list[float], rank: int) -> float:
    """Nearest rank; `ordered` in seconds, ascending; -1 when it is empty."""
    if not ordered:
        return -1.0
    return ordered[max(0, -(-len(ordered) * rank // 100) - 1)] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--model", default="bench")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("-c", type=int, default=32, help="calls at a time")
    parser.add_argument("-n", type=int, default=4000, help="calls")
    parser.add_argument("--warm", type=int, default=500)
    parser.add_argument("--pid", type=int, default=0, help="root of the process tree whose CPU is counted")
    wish = parser.parse_args()
    request = write_request(wish.url, wish.key, wish.model, stream=wish.stream)
    end = b"" if not wish.stream else b"[DONE]" if not wish.url.endswith("/messages") else b"message_stop"
    figures, results = uvloop.run(
        run(wish.url, request, at_once=wish.c, calls=wish.n, expect_end=end, warm=wish.warm, root_pid=wish.pid)
    )
    print(json.dumps(msgspec.to_builtins(figures), indent=1))
    if figures.errors:
        bad = next(call for call in results if call.status != 200 or not call.complete)
        print(f"first failed call: {bad}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
