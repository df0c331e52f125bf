"""The body of a request: read whole within the limit, unpacked when the client sent it compressed."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from edge.relay.refusal import Refused
from schema.ticks import next_tick

LOOK_S = 1.0
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(
    receive: Callable[[], Awaitable[dict[str, Any]]], headers: Mapping[bytes, bytes], bytes_max: int
) -> bytes:
    """As it was sent, see `unpack`. Raises Refused: 413 too large, 499 the client left."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > bytes_max:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(499, "client_gone", "The client left before its request was complete.")
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body"):
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Readers:
    """The bodies that are being received: whoever takes too long is cut off. One per process; `run` until cancelled.

    A timer for each body would cost every call 5 us; a look at all of them once a second costs none of them anything.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._loop = asyncio.get_running_loop()
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()

    async def read(
        self, receive: Callable[[], Awaitable[dict[str, Any]]], headers: Mapping[bytes, bytes], bytes_max: int
    ) -> bytes:
        """Raises Refused: as `read_body`, and 408."""
        task: Any = asyncio.current_task(self._loop)  # unasked for its loop it asks the kernel for our process id
        self._since[task] = self._loop.time()
        try:
            return await read_body(receive, headers, bytes_max)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise Refused(408, "request_timeout", "The request body did not arrive in time.") from None
        finally:
            del self._since[task]
            self._late.discard(task)

    async def run(self) -> None:
        while True:
            await next_tick(LOOK_S)
            late_s = self._loop.time() - self._within_s
            for task, since_s in self._since.items():
                if since_s < late_s and task not in self._late:
                    self._late.add(task)
                    task.cancel()


async def drain(receive: Callable[[], Awaitable[dict[str, Any]]], bytes_max: int, within_s: float) -> None:
    """Read what a refused client still sends: cutting it off in the middle, most clients would never see the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while size <= bytes_max:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return


def unpack(body: bytes, headers: Mapping[bytes, bytes], bytes_max: int) -> bytes:
    """Raises Refused: 413 too large once unpacked, 415 packing unknown, 400 not unpackable."""
    packed = headers.get(b"content-encoding")
    if packed is None:
        return body
    packing = packed.decode("latin-1").strip().lower()
    if packing in ("", "identity"):
        return body
    window = _WINDOWS.get(packing)
    if window is None:
        raise Refused(415, "unsupported_encoding", "The body may be sent as it is, or with gzip or deflate.")
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(body, bytes_max + 1)
    except zlib.error:
        raise Refused(400, "invalid_request", f"The request body is not valid {packing}.") from None
    if len(found) > bytes_max:
        raise _too_large()
    if not unpacker.eof:
        raise Refused(400, "invalid_request", f"The request body is not valid {packing}.")
    return found


def _too_large() -> Refused:
    return Refused(413, "request_too_large", "The request body is larger than this gateway allows.")
