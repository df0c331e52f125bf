"""One client connection: bytes in, requests to the application one after the other, answers out; WebSockets are handed on.

The parser is httptools (llhttp, strict); a head that it has read before on the connection is not given to it again. Time
limits are looked after by the door's one ticker, not by a timer each.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools

from edge.door.exchange import Exchange, Headers
from edge.door.known_head import KnownHead, learn_head
from edge.door.splice import Splice, write_upgrade

if TYPE_CHECKING:
    from edge.door.listener import Door

HEAD_BYTES_MAX = 64 * 1024  # request line and headers
HEADERS_MAX = 256
PIPELINE_MAX = 16  # requests waiting behind the one that is being answered
LESSONS_MAX = 4  # heads in a row that were not like the one before; then we stop looking at them
DEFERRED_BYTES_MAX = 128 * 1024  # of a body that is waited for without telling the application
LINGER_BYTES_MAX = 16 * 1024 * 1024  # of a body that comes after its answer
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_REFUSALS = {
    400: b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    408: b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
}


class Connection(asyncio.Protocol):
    """Created by the door for each accepted socket."""

    __slots__ = (
        "_body_left", "_client", "_deferred", "_deferred_parts", "_door", "_expects", "_head_bytes", "_headers", "_headers_bytes", "_in_head",
        "_known", "_lesson", "_lessons_left", "_linger_bytes", "_parser", "_paused", "_queue", "_receiving",
        "_splice", "_transport", "_upgrade", "_url", "_writable", "closing", "current", "lingering", "loop",
        "since_s", "write_paused",
    )  # fmt: skip

    def __init__(self, door: "Door") -> None:
        self._door, self.loop = door, door.loop
        self._transport: Any = None
        self._client: tuple[str, int] = ("", 0)
        self._parser: Any = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._receiving: Exchange | None = None  # whose body is coming in
        self._splice: Splice | None = None
        self._upgrade: tuple[bytes, bytes, Headers] | None = None  # method, target and headers of a WebSocket handshake
        self._url = b""
        self._headers: Headers = []
        self._headers_bytes = self._head_bytes = self._linger_bytes = 0
        self._in_head = False
        self._known: KnownHead | None = None  # the last head, where the next one may be like it
        self._lesson = b""  # what the parser reads now, where it begins with a head
        self._lessons_left = LESSONS_MAX
        self._body_left = 0  # bytes of the body that followed a known head, still to come: not the parser's business
        self._deferred: tuple[KnownHead, bytes] | None = (
            None  # a request with its body's length, until the body is whole
        )
        self._deferred_parts: list[bytes] = []
        self._expects = False  # the client waits for 100 Continue
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        self.current: Exchange | None = None  # being answered
        self.closing = False  # no further request will be taken
        self.lingering = False  # answered, while its body was still coming: that is read and forgotten, then we close
        self.since_s = 0.0  # door's clock: when the head began, or since when nothing happens
        self.write_paused = False

    @property
    def idle(self) -> bool:
        """Between two requests."""
        return (
            self.current is None
            and not self._in_head
            and self._splice is None
            and not self.lingering
            and self._deferred is None
        )

    @property
    def waits(self) -> bool:
        """For the rest of a body that the application was not told of."""
        return self._deferred is not None

    @property
    def in_head(self) -> bool:
        return self._in_head

    @property
    def date_line(self) -> bytes:
        return self._door.date_line

    # -- socket --------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        self.since_s = self._door.now_s
        if not self._door.admit(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._splice is not None:
            self._splice.write(data)
            return
        if self.lingering:
            self._linger_bytes += len(data)
            if self._linger_bytes > LINGER_BYTES_MAX:
                self._transport.abort()
                return
        if self._body_left:
            data = self._read_body(data)
        if self._receiving is None and not self._in_head and not self.closing:
            data = self._read_known(data)
        if data:
            self._parse(data)
            self._lesson = b""  # a head that was not whole teaches nothing

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._on_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            too_large = self._headers_bytes > HEAD_BYTES_MAX or len(self._headers) > HEADERS_MAX
            self._refuse(431 if too_large else 400)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431)

    def _read_known(self, data: bytes) -> bytes:
        """Take a request that begins like the one before. Returns what is left for the parser: all, or nothing."""
        known = self._known
        if known is None:
            self._lesson = data
            return data
        end, length = known.find_end(data)
        if end < 0:
            self._lesson = data
            return data
        left = int(length) - (len(data) - end)
        if left < 0:  # the next request has come along
            return data
        self.since_s = self._door.now_s
        self._lessons_left = LESSONS_MAX
        express = self._door.express
        if express is not None and self.current is None:
            if not left:
                if express(known, data[end:], self._begin_known):
                    return b""
            elif int(length) <= DEFERRED_BYTES_MAX:  # many clients write head and body apart
                self._deferred, self._deferred_parts, self._body_left = (known, length), [data[end:]], left
                return b""
        self._take(Exchange(self, known.scope_with(length), expects=False, keep_alive=True))
        if end < len(data):
            self.on_body(data[end:])
        self._body_left = left
        if not left:
            self.on_message_complete()
        return b""

    def stop_waiting(self) -> None:
        """The rest of a body lets one wait: the application is told of the request, as with any other."""
        if self._deferred is None:
            return
        (known, length), parts = self._deferred, self._deferred_parts
        self._deferred, self._deferred_parts = None, []
        body = b"".join(parts)
        express = self._door.express
        if not self._body_left and express is not None and express(known, body, self._begin_known):
            return
        self._take(Exchange(self, known.scope_with(length), expects=False, keep_alive=True))
        if body:
            self.on_body(body)
        if not self._body_left:
            self.on_message_complete()

    def _begin_known(self, known: KnownHead) -> Exchange:
        """The express application takes it: see `Door`."""
        exchange = self.current = Exchange(self, known.scope, expects=False, keep_alive=True)
        exchange.complete = exchange.taken = True
        return exchange

    def hand_over(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        """A task answers, where the express application has begun."""
        self._door.carry_on(self, exchange, work)

    def _read_body(self, data: bytes) -> bytes:
        """Of a request whose head was known. Returns what comes after it."""
        part = data[: self._body_left]
        self._body_left -= len(part)
        if self._deferred is not None:
            self._deferred_parts.append(part)
            if not self._body_left:
                self.stop_waiting()
            return data[len(part) :]
        self.on_body(part)
        if not self._body_left:
            self.on_message_complete()
        return data[len(part) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._door.forget(self)
        if self._splice is not None:
            self._splice.close()
        for exchange in (self.current, self._receiving, *self._queue):
            if exchange is not None:
                exchange.gone = True
                exchange.wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._splice is not None:
            self._splice.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._splice is not None:
            self._splice.resume_reading()
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def writable(self) -> None:
        """Until the client has read some of what it was sent, or has left."""
        if self._writable is None:
            self._writable = self.loop.create_future()
        await asyncio.shield(self._writable)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_reading(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # -- parser (httptools calls these) --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._headers_bytes = self._head_bytes = 0
        self._in_head = True
        self._expects = False
        self.since_s = self._door.now_s

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers, name = self._headers, name.lower()
        headers.append((name, value))
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        self._headers_bytes += len(name) + len(value)
        if self._headers_bytes > HEAD_BYTES_MAX or len(headers) > HEADERS_MAX:
            raise ValueError("head too large")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self.closing:
            return
        parser, headers = self._parser, self._headers
        method: bytes = parser.get_method()
        if parser.should_upgrade() and (b"upgrade", b"websocket") in ((n, v.lower()) for n, v in headers):
            self._upgrade = (method, self._url, headers)
            return
        target, _, query = self._url.partition(b"?")
        if not target.startswith(b"/"):  # absolute form, as proxies send it; `*` and CONNECT have no path
            url = httptools.parse_url(self._url)
            target, query = url.path or b"/", url.query or b""
        path = target.decode("latin-1")
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": parser.get_http_version(),
            "method": method.decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self._client,
            "server": self._door.address,
        }
        keep_alive = parser.should_keep_alive()
        if self._lesson and keep_alive:
            self._learn(scope)
        self._take(Exchange(self, scope, expects=self._expects, keep_alive=keep_alive))

    def on_body(self, data: bytes) -> None:
        if self._receiving is not None:
            self._receiving.add(data)

    def on_message_complete(self) -> None:
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        exchange.complete = True
        if exchange.waiter is not None:
            exchange.wake()
        if self.lingering:
            self._transport.close()

    # -- requests ------------------------------------------------------------------------------------------------------

    def _learn(self, scope: dict[str, Any]) -> None:
        """Keep the head of the first request in what was read last, unless this client never says the same twice."""
        lesson, self._lesson = self._lesson, b""
        if self._lessons_left:
            self._lessons_left -= 1
            self._known = learn_head(lesson, scope)

    def _take(self, exchange: Exchange) -> None:
        """A request whose head is here."""
        self._receiving = exchange
        if self.current is None:
            self.current = exchange
            self._door.carry_out(self, exchange)
        else:
            self._queue.append(exchange)
            if len(self._queue) >= PIPELINE_MAX:
                self.pause_reading()

    def answered(self, exchange: Exchange) -> None:
        """The last byte of its answer was written: the next request, or the end."""
        self.current = None
        self.since_s = self._door.now_s
        if not exchange.complete:
            self.closing = self.lingering = True
            self.resume_reading()
        elif not exchange.keep_alive or self.closing:
            self.closing = True
            self._transport.close()
        elif self._queue:
            exchange = self.current = self._queue.popleft()
            self._door.carry_out(self, exchange)
            self.resume_reading()

    def _refuse(self, status: int) -> None:
        """Not HTTP/1.1 as we take it. A request that is being answered loses its client: what follows cannot be trusted."""
        if self._transport.is_closing():
            return
        self.closing = True
        if self.current is None:
            self._transport.write(_REFUSALS[status])
            self._transport.close()
        else:
            self._transport.abort()

    def time_out(self) -> None:
        """The door's ticker: too slow."""
        if self._in_head and self.current is None:
            self._refuse(408)
        elif self.idle:
            self._transport.close()
        else:
            self._transport.abort()

    def close_soon(self) -> None:
        """No further request; at once where none is being answered."""
        self.stop_waiting()
        self.closing = True
        if self.current is None and self._splice is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # -- WebSocket -----------------------------------------------------------------------------------------------------

    def _on_upgrade(self, rest: bytes) -> None:
        upgrade, self._upgrade = self._upgrade, None
        if upgrade is None:  # an upgrade that we do not know is answered as an ordinary request
            self._parser = httptools.HttpRequestParser(self)
            if rest:
                self.data_received(rest)
            return
        if self.current is not None:
            self._refuse(400)
            return
        method, target, headers = upgrade
        self._splice = Splice(self._transport, write_upgrade(method, target, headers, self._client) + rest)
        self._door.keep(self.loop.create_task(self._splice.run(self._door.back)))
