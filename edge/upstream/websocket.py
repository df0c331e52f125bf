"""Providers that answer over a WebSocket (Xunfei): one request frame, then answer frames until the server closes.

The answer has the face of `edge/upstream/http1.py`, but every read is exactly one frame.
"""

import asyncio
from typing import Any

import picows

from edge.upstream.http1 import UpstreamBroken, UpstreamSilent

FRAMES_MAX = 1024  # not yet read; more means that nobody reads
CONNECT_TIMEOUT_S = 5.0


class _Listener(picows.WSListener):
    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
            if self.frames.qsize() >= FRAMES_MAX:
                transport.disconnect()
                return
            self.frames.put_nowait(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        self.frames.put_nowait(None)


class FramesAnswer:
    """Frames as they come; b"" when the server has closed."""

    def __init__(self, transport: Any, listener: _Listener) -> None:
        self.status = 200
        self.headers = [(b"content-type", b"text/event-stream")]  # it streams, whatever the client asked for
        self._transport, self._listener = transport, listener
        self.ended = False
        self.buffered_bytes = 0  # frames wait in the queue, FRAMES_MAX of them

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")

    def take_whole(self) -> bytes | None:
        return None

    async def read_some(self, timeout_s: float = 0) -> bytes:
        try:
            async with asyncio.timeout(timeout_s or None):
                frame = await self._listener.frames.get()
        except TimeoutError:
            raise UpstreamSilent("stream", timeout_s) from None
        if frame is None:
            self.ended = True
            return b""
        return frame

    async def read_all(self, bytes_max: int, timeout_s: float = 0) -> bytes:
        raise UpstreamBroken("frames have no whole", connected=True, answered=True)

    def abort(self) -> None:
        self._transport.disconnect()

    def close(self) -> None:
        self._transport.disconnect()


async def open_frames(url: str, request: bytes) -> FramesAnswer:
    """Connect and send the one request frame. Raises UpstreamBroken, UpstreamSilent."""
    listener = _Listener()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, _ = await picows.ws_connect(lambda: listener, url)
    except TimeoutError:
        raise UpstreamSilent("connect", CONNECT_TIMEOUT_S) from None
    except (OSError, picows.WSError) as error:
        raise UpstreamBroken(type(error).__name__, connected=False) from None
    transport.send(picows.WSMsgType.TEXT, request)
    return FramesAnswer(transport, listener)
