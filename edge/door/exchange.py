"""One request and its answer on a connection of the door, as the two ASGI callables that the application knows."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.door.connection import Connection

Headers = list[tuple[bytes, bytes]]
EXCHANGE = "medusa.exchange"  # ASGI extension: the exchange itself, for what its two callables would make dear
BODY_WAITING_MAX = 512 * 1024  # bytes of a body that nobody has asked for yet; then the socket is paused

_STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}
_BODILESS = frozenset({204, 304})
_PLAIN, _CHUNKED, _NONE = 0, 1, 2  # how the body goes out; _NONE: it must not be sent


class Exchange:
    """`receive` and `send` of one call; both are safe after the client has gone."""

    __slots__ = (
        "_connection", "_expects", "_framing", "_head", "_loop", "_parts", "_size",
        "complete", "ended", "gone", "keep_alive", "scope", "started", "taken", "waiter",
    )  # fmt: skip

    def __init__(self, connection: "Connection", scope: dict[str, Any], *, expects: bool, keep_alive: bool) -> None:
        """`expects`: the client waits for 100 Continue before it sends its body."""
        self._connection, self.scope = connection, scope
        self._loop = connection.loop
        self._expects = expects
        self._parts: list[bytes] = []
        self._size = 0
        self.taken = False  # the application has the whole body
        self._head = b""  # leaves together with the first bytes of the body
        self._framing = _PLAIN
        self.waiter: asyncio.Future[None] | None = None  # somebody wants to be woken by what comes
        self.complete = False  # the whole request is here
        self.keep_alive = keep_alive
        self.gone = False  # the client has left
        self.started = False  # the application has given a status
        self.ended = False  # the last byte of the answer was sent

    # -- from the connection -------------------------------------------------------------------------------------------

    def add(self, data: bytes) -> None:
        """A part of the body."""
        if self.ended:
            return  # an answered request: the rest of its body is of no interest
        self._parts.append(data)
        self._size += len(data)
        if self._size > BODY_WAITING_MAX:
            self._connection.pause_reading()
        if self.waiter is not None:
            self.wake()

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- from the application ------------------------------------------------------------------------------------------

    def take_whole(self, bytes_max: int) -> bytes | None:
        """The body, when all of it is here and nobody has received any; None: `receive` it. Also when it is larger."""
        if not self.complete or self.taken or self._size > bytes_max:
            return None
        self.taken = True
        parts, self._parts, self._size = self._parts, [], 0
        self._connection.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def receive(self) -> dict[str, Any]:
        """The next part of the body; `http.disconnect` when the client has left or was answered."""
        while True:
            if self._parts or (self.complete and not self.taken):
                parts, self._parts, self._size = self._parts, [], 0
                self.taken = self.complete
                self._connection.resume_reading()
                body = parts[0] if len(parts) == 1 else b"".join(parts)
                return {"type": "http.request", "body": body, "more_body": not self.taken}
            if self.gone or self.ended:
                return {"type": "http.disconnect"}
            if self._expects and not self.started and not self.complete:
                self._expects = False
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            waiter = self.waiter = self._loop.create_future()
            await waiter

    def hand_over(self, work: Coroutine[Any, Any, None]) -> None:
        """See `Connection.hand_over`."""
        self._connection.hand_over(self, work)

    def answer(self, status: int, fields: bytes, body: bytes) -> None:
        """A whole answer in one write. `fields`: header lines, each with its line break, without the body's length."""
        self.started = True
        if self.ended or self.gone:
            return
        connection, scope = self._connection, self.scope
        length = b"content-length: %d\r\n" % len(body)
        if scope["method"] == "HEAD" or status in _BODILESS:
            length = body = b""
        plain = self.keep_alive and self.complete and not connection.closing and scope["http_version"] == "1.1"
        line = _STATUS_LINES.get(status) or _status_line(status)
        last = b"\r\n" if plain else self._last_line()
        connection.write(b"%b%b%b%b%b%b" % (line, connection.date_line, fields, length, last, body))
        self.ended = True
        if self.waiter is not None:
            self.wake()
        connection.answered(self)

    def begin(self, status: int, fields: bytes) -> None:
        """The head of an answer whose length is not known yet; it leaves with the first part. `fields`: as for `answer`."""
        self.started = True
        line = _STATUS_LINES.get(status) or _status_line(status)
        self._head = b"%b%b%b%b%b" % (line, self._connection.date_line, fields, self._frame_line(), self._last_line())

    async def send(self, message: dict[str, Any]) -> None:
        """Waits while the client does not read."""
        if message["type"] == "http.response.start":
            self._head = self._write_head(message["status"], message.get("headers", ()))
            return
        data: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            self.end(data)
        elif not self.write_part(data):
            await self._connection.writable()

    def write_part(self, data: bytes) -> bool:
        """What `send` does with a part of a body that has begun, without a task that waits. False: the client does not read."""
        if self.ended or self.gone:
            return True
        self._write(data, more=True)
        return not self._connection.write_paused

    def end(self, data: bytes) -> None:
        """The last bytes of an answer that has begun."""
        if self.ended or self.gone:
            return
        self._write(data, more=False)
        self.ended = True
        if self.waiter is not None:
            self.wake()
        self._connection.answered(self)

    def _write(self, data: bytes, *, more: bool) -> None:
        if self._framing:
            data = self._frame(data, more=more)
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._connection.write(data)

    def _frame(self, data: bytes, *, more: bool) -> bytes:
        if self._framing == _NONE:
            return b""
        framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return framed if more else framed + b"0\r\n\r\n"

    def _write_head(self, status: int, headers: Any) -> bytes:
        self.started = True
        lines = [_status_line(status), self._connection.date_line]
        measured = False
        for name, value in headers:
            if name == b"connection":  # ours to say
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            if name == b"transfer-encoding":  # likewise: BlackSheep names it, the framing is done here
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
            if name == b"content-length":
                measured = True
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._framing = _NONE
        elif not measured:
            lines.append(self._frame_line())
        lines.append(self._last_line())
        return b"".join(lines)

    def _frame_line(self) -> bytes:
        """How a body goes out whose length is not known: told to the client, if there is a way."""
        if self.scope["http_version"] == "1.0":
            self.keep_alive = False  # the end of the connection is the end of the body
            return b""
        self._framing = _CHUNKED
        return b"transfer-encoding: chunked\r\n"

    def _last_line(self) -> bytes:
        """What becomes of the connection, and the blank line."""
        if not self.keep_alive or not self.complete or self._connection.closing:
            self.keep_alive = False
            return b"connection: close\r\n\r\n"
        if self.scope["http_version"] == "1.0":
            return b"connection: keep-alive\r\n\r\n"
        return b"\r\n"


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
