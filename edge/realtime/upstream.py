"""The WebSocket to a provider: whole messages in, whole messages out, back-pressure both ways."""

import asyncio
from collections import deque
from typing import Any

import picows
from msgspec import Struct

from edge.upstream.http1 import UpstreamBroken, UpstreamSilent
from schema.realtime.handshake import Handshake

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
QUEUED_MAX = 4  # messages that the client has not taken yet; then reading pauses
READ_BYTES = 4096  # of the read buffer of a silent session; it grows with its messages
PING_S = 20.0
CONNECT_TIMEOUT_S = 10.0
_MESSAGES = (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION)


class Closed(Struct, frozen=True):
    """How the provider ended it; `code` 1006: without a close frame."""

    code: int
    reason: str


class HandshakeRefused(Exception):
    """The provider answered with HTTP instead of a WebSocket."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status, self.body, self.headers = status, body, headers


class Upstream(picows.WSListener):
    """One connection. One reader and one writer at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self._transport: Any = None
        self.closed: Closed | None = None

    # -- called by the transport

    def on_ws_connected(self, transport: Any) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type in _MESSAGES:
            self._take(frame.get_payload_as_bytes(), frame.fin)
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            self.closed = self.closed or Closed(int(frame.get_close_code() or 1005), frame.get_close_reason() or "")
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def _take(self, payload: bytes, fin: bool) -> None:
        if self._parts or not fin:
            self._parts.append(payload)
            self._parts_bytes += len(payload)
            if self._parts_bytes > MESSAGE_BYTES_MAX:
                self.closed = Closed(1009, "message too big")
                self._transport.disconnect()
                return
            if not fin:
                return
            payload = b"".join(self._parts)
            self._parts, self._parts_bytes = [], 0
        self._queue.append(payload)
        if len(self._queue) >= QUEUED_MAX and not self._paused:
            self._paused = True
            self._transport.underlying_transport.pause_reading()
        self._wake.set()

    def on_ws_disconnected(self, transport: Any) -> None:
        self.closed = self.closed or Closed(1006, "")
        self._wake.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- called by the session

    async def next(self) -> bytes | None:
        """The next message; None when the provider has closed (`closed` says how)."""
        while not self._queue:
            if self.closed is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        message = self._queue.popleft()
        if self._paused and not self._queue and self.closed is None:
            self._paused = False
            self._transport.underlying_transport.resume_reading()
        return message

    async def send(self, message: bytes) -> None:
        """Waits while the provider does not read. What is sent to a closed connection is dropped."""
        if not self._writable.is_set():
            await self._writable.wait()
        if self.closed is None:
            self._transport.send(picows.WSMsgType.TEXT, message)

    def close(self) -> None:
        if self._transport is not None and self.closed is None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()


async def dial(handshake: Handshake, proxy: str) -> Upstream:
    """Raises HandshakeRefused, UpstreamBroken, UpstreamSilent."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, upstream = await picows.ws_connect(
                Upstream,
                handshake.url,
                extra_headers=list(handshake.headers),
                proxy=proxy or None,
                max_redirects=0,
                max_frame_size=MESSAGE_BYTES_MAX,
                read_buffer_init_size=READ_BYTES,
                enable_auto_ping=True,
                auto_ping_idle_timeout=PING_S,
                auto_ping_reply_timeout=PING_S,
            )
    except TimeoutError:
        raise UpstreamSilent("connect", CONNECT_TIMEOUT_S) from None
    except picows.WSHandshakeError as error:
        if error.response is None:
            raise UpstreamBroken(type(error).__name__, connected=True) from None
        headers = {str(name).lower(): str(value) for name, value in error.response.headers.items()}
        raise HandshakeRefused(int(error.response.status), error.raw_body or b"", headers) from None
    except (OSError, picows.WSError) as error:
        raise UpstreamBroken(type(error).__name__, connected=False) from None
    if not isinstance(upstream, Upstream):  # closed in the handshake
        raise UpstreamBroken("closed", connected=True)
    return upstream
