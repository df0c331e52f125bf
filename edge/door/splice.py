"""WebSocket connections go on to granian's socket byte by byte; only their first request is written anew, with the client's
address in a header that nobody else can set: the socket lies in a folder that only this process' user may enter."""

import asyncio
from typing import Any

from edge.door.exchange import Headers

PEER = b"x-medusa-peer"
CONNECT_S = 5.0


def write_upgrade(method: bytes, target: bytes, headers: Headers, client: tuple[str, int]) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    lines += [b"%b: %b\r\n" % (name, value) for name, value in headers if name != PEER]
    lines.append(b"%b: %b %d\r\n\r\n" % (PEER, client[0].encode("ascii", "replace"), client[1]))
    return b"".join(lines)


def restore_peer(scope: dict[str, Any]) -> None:
    """The application sees the client, not the socket between door and granian."""
    told = next((value for name, value in scope["headers"] if name == PEER), b"")
    host, _, port = told.decode("latin-1").rpartition(" ")
    scope["client"] = (host, int(port)) if port.isdigit() else ("", 0)
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != PEER]


class _Far(asyncio.Protocol):
    """granian's end."""

    def __init__(self, splice: "Splice") -> None:
        self._splice = splice

    def connection_made(self, transport: Any) -> None:
        self._splice.far = transport

    def data_received(self, data: bytes) -> None:
        self._splice.near.write(data)

    def pause_writing(self) -> None:
        self._splice.near.pause_reading()

    def resume_writing(self) -> None:
        if not self._splice.near.is_closing():
            self._splice.near.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._splice.near.close()


class Splice:
    """Two transports, each feeding the other; a full one pauses the other."""

    def __init__(self, near: Any, first: bytes) -> None:
        self.near = near
        self.far: Any = None
        self._first = first
        self._closed = False

    async def run(self, path: str) -> None:
        self.near.pause_reading()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_unix_connection(lambda: _Far(self), path)
        except (OSError, TimeoutError):
            self.near.abort()
            return
        if self._closed:
            self.far.close()
            return
        self.far.write(self._first)
        self.near.resume_reading()

    def write(self, data: bytes) -> None:
        if self.far is None:
            self._first += data
        else:
            self.far.write(data)

    def pause_reading(self) -> None:
        if self.far is not None:
            self.far.pause_reading()

    def resume_reading(self) -> None:
        if self.far is not None and not self.far.is_closing():
            self.far.resume_reading()

    def close(self) -> None:
        self._closed = True
        if self.far is not None:
            self.far.close()
