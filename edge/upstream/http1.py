"""The pooled HTTP/1.1 client of the hot path: one request, one answer, bytes as they arrive.

Why our own: a general client costs 2-5 ms of CPU a call, this one tens of microseconds. It does what a relay needs and
nothing else: keep-alive pools per origin, back-pressure, time-outs, no redirects, no cookies, no decompression
(`accept-encoding: identity` is sent). Whatever goes through a proxy takes `edge/upstream/proxied.py`.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
from msgspec import Struct

READ_BUFFER_BYTES_MAX = 256 * 1024  # unread answer bytes per connection before the socket is paused
HEADER_BYTES_MAX = 64 * 1024  # of an answer that has no end of its head yet; more is not an API
IDLE_CONNECTIONS_MAX = 512  # kept per origin; each costs about 10 KiB
IDLE_S_MAX = 55.0  # common servers close idle connections after 60 s or more
CONNECT_TIMEOUT_S = 10.0
LIMITS_TICK_S = 0.25  # so much later than promised may a silent upstream be given up


class UpstreamBroken(Exception):
    """The connection failed. `sent` tells whether the upstream may have begun to work on the request."""

    def __init__(self, reason: str, *, connected: bool, answered: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.connected = connected
        self.answered = answered  # a status line had arrived


class UpstreamSilent(UpstreamBroken):
    """A time limit passed without a byte: `phase` is connect, first_byte or stream."""

    def __init__(self, phase: str, limit_s: float) -> None:
        super().__init__(f"no answer within {limit_s:g} s ({phase})", connected=phase != "connect")
        self.phase = phase


class Origin(Struct, frozen=True):
    """Where a pool of connections leads."""

    host: str
    port: int
    tls: bool


class _Limits:
    """Time limits of all waiting connections, looked after by one timer: one for each wait cost 3 us of every chunk."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[Connection, tuple[float, float, str]] = {}  # deadline in the loop's time, limit, phase

    def watch(self, connection: "Connection", limit_s: float, phase: str) -> None:
        """From now on; a later call for the same connection takes the place of the earlier one."""
        self._waiting[connection] = (self._loop.time() + limit_s, limit_s, phase)
        if self._timer is None:
            self._timer = self._loop.call_later(LIMITS_TICK_S, self._look)

    def forget(self, connection: "Connection") -> None:
        """It is idle or gone."""
        self._waiting.pop(connection, None)

    def _look(self) -> None:
        now_s = self._loop.time()
        late = [(one, limit_s, phase) for one, (due_s, limit_s, phase) in self._waiting.items() if due_s <= now_s]
        for connection, limit_s, phase in late:
            del self._waiting[connection]
            connection.expire(phase, limit_s)
        self._timer = self._loop.call_later(LIMITS_TICK_S, self._look) if self._waiting else None


class Connection(asyncio.Protocol):
    """One socket and the answer that is being read from it."""

    __slots__ = (
        "_buffered", "_chunks", "_expecting", "_limits", "_loop", "_parser", "_paused", "_waiter",
        "closed", "complete", "error", "headers", "idle_since", "keep_alive", "listener", "on_body", "origin", "sink", "sink_error",
        "status", "transport", "used",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: _Limits, origin: Origin) -> None:
        self._loop, self._limits = loop, limits
        self.origin = origin
        self.transport: Any = None
        self.closed = False
        self.used = False  # has carried a request before: its next failure may only mean that it had gone stale
        self.idle_since = 0.0
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append  # the parser calls it for every chunk: no Python in between
        self._parser: Any = httptools.HttpResponseParser(self)  # one for all answers that come one after the other
        self._expecting = False  # an answer
        self._waiter: asyncio.Future[None] | None = None
        self.listener: Callable[[], None] | None = None  # called in place of a task that waits; it must not raise
        self._paused = False
        self._buffered = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.keep_alive = False
        self.error: UpstreamBroken | None = None
        self.sink: Callable[[bytes], bool] | None = None  # takes what comes in place of the task that waits
        self.sink_error: Exception | None = None

    # --- socket side
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._expecting:  # bytes that nobody asked for
            self.transport.close()
            return
        self._buffered += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the upstream switched protocols")
        except httptools.HttpParserError as exc:
            if not self.complete:
                self._fail(f"not HTTP/1.1: {type(exc).__name__}")
            self.keep_alive = False
        if not self.status and self._buffered > HEADER_BYTES_MAX:
            self._fail("answer headers too large")
        if self.sink is not None and self._chunks and not self.complete and self.error is None:
            try:
                if self.sink(self.take_chunks()):
                    return
            except Exception as error:
                self.sink_error = error
            self.sink = None
        if self._buffered > READ_BUFFER_BYTES_MAX and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        if self._expecting and self.status and not self.complete and self._until_close():
            self.complete = True
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._limits.forget(self)
        if self._expecting and not self.complete:
            if self.status and self._until_close() and exc is None:
                self.complete = True
            elif self.error is None:
                self.error = UpstreamBroken(
                    "the upstream closed the connection", connected=True, answered=bool(self.status)
                )
        self._parser = None  # each has the other
        self._wake()

    def _until_close(self) -> bool:
        return not any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _fail(self, reason: str) -> None:
        self.error = UpstreamBroken(reason, connected=True, answered=bool(self.status))
        self.transport.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif self.listener is not None:
            self.listener()

    # --- parser side (httptools calls these)
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self.headers = []
            return
        self.status = status

    def on_message_complete(self) -> None:
        if not self.status:  # 100 Continue and its kin
            return
        self.complete = True
        self.keep_alive = self._parser.should_keep_alive()

    # --- caller side
    def send(self, head: bytes, body: bytes, listener: Callable[[], None] | None = None) -> None:
        self.status = self._buffered = 0
        self.headers = []
        self._chunks.clear()
        self.complete = self.keep_alive = False
        self._expecting = True
        self.error = self.sink = self.sink_error = None
        self.listener = listener
        if len(body) < 65536:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    def _next(self, timeout_s: float, phase: str) -> "asyncio.Future[None]":
        """Done when something has happened."""
        waiter = self._waiter = self._loop.create_future()
        if timeout_s > 0:
            self._limits.watch(self, timeout_s, phase)
        return waiter

    def expire(self, phase: str, limit_s: float) -> None:
        """Nothing came in time: whoever waits learns it."""
        if self.listener is not None or (self._waiter is not None and not self._waiter.done()):
            self.error = UpstreamSilent(phase, limit_s)
            self._wake()

    def next_of_head(self, timeout_s: float) -> "asyncio.Future[None]":
        """Done when something has happened while there is no status yet. Raises UpstreamBroken."""
        if self.error is not None:
            raise self.error
        if self.closed:
            raise UpstreamBroken("the upstream closed the connection", connected=True)
        return self._next(timeout_s, "first_byte")

    def whole_body(self) -> bytes:
        """What has arrived, without taking it."""
        chunks = self._chunks
        if len(chunks) != 1:
            chunks[:] = [b"".join(chunks)]
        return chunks[0]

    @property
    def full(self) -> bool:
        """So much has arrived that nothing more is read from the socket until some of it is taken."""
        return self._paused

    async def read_some(self, timeout_s: float) -> bytes:
        """All body bytes that have arrived, at least one; b"" at the end. Raises UpstreamBroken."""
        while not self._chunks:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            await self._next(timeout_s, "stream")
        return self.take_chunks()

    def take_chunks(self) -> bytes:
        """What has arrived; reading goes on."""
        if self._paused:
            self._paused = False
            if not self.closed:
                self.transport.resume_reading()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        return data

    async def pour(self, sink: Callable[[bytes], bool], timeout_s: float) -> None:
        """See `Answer.pour`."""

        def take(data: bytes) -> bool:
            if timeout_s > 0:
                self._limits.watch(self, timeout_s, "stream")
            return sink(data)

        self.sink = take
        try:
            while self.sink is not None and not (self._chunks or self.complete or self.error or self.closed):
                await self._next(timeout_s, "stream")
        finally:
            self.sink = None
        if self.sink_error is not None:
            raise self.sink_error


class Answer:
    """An upstream's answer: status and headers at once, the body as it comes. Close it, whatever happened."""

    __slots__ = ("_client", "_connection", "headers", "status")

    def __init__(self, client: "Http1Client", connection: Connection) -> None:
        self._client = client
        self._connection = connection
        self.status = connection.status
        self.headers = connection.headers

    def header(self, name: bytes) -> bytes:
        """The first value of a header (lower-case name), b"" when absent."""
        return find_header(self.headers, name)

    def take_whole(self) -> bytes | None:
        """The body, when all of it has arrived and none was read, as with nearly every plain answer; None: read it."""
        connection = self._connection
        return connection.take_chunks() if connection.complete else None

    async def read_some(self, timeout_s: float = 0) -> bytes:
        """Body bytes as they arrive; b"" at the end."""
        return await self._connection.read_some(timeout_s)

    async def pour(self, sink: Callable[[bytes], bool], timeout_s: float = 0) -> None:
        """Hand over what arrives at once, from the socket's own callback: waking a task for each event of a stream costs as
        much as all the rest that happens to it.

        Ends when `sink` says no (it has taken what it was given) or raises, or when there is something that only `read_some`
        can tell: the end of the body, an error, a limit that has passed.
        """
        await self._connection.pour(sink, timeout_s)

    async def read_all(self, bytes_max: int, timeout_s: float = 0) -> bytes:
        """The whole body. Raises UpstreamBroken, also when it is larger than `bytes_max`."""
        parts: list[bytes] = []
        size = 0
        while data := await self._connection.read_some(timeout_s):
            size += len(data)
            if size > bytes_max:
                raise UpstreamBroken(f"answer larger than {bytes_max} bytes", connected=True, answered=True)
            parts.append(data)
        return b"".join(parts)

    @property
    def ended(self) -> bool:
        """The body has arrived whole (what has not been read yet included)."""
        return self._connection.complete

    @property
    def buffered_bytes(self) -> int:
        """Received and not yet read."""
        return self._connection._buffered

    def abort(self) -> None:
        """Cut the connection now: whoever reads learns that it broke."""
        self._connection.transport.abort()

    def close(self) -> None:
        """Back to the pool when the answer was read to its end, else the socket is cut (the upstream stops working)."""
        self._client.give_back(self._connection)


def find_header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    for key, value in headers:
        if key == name:
            return value
    return b""


class Http1Client:
    """Pools of keep-alive connections. One per process; not thread-safe."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = _Limits(self._loop)
        self._idle: dict[Origin, deque[Connection]] = {}
        self._tls = tls

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def give_back(self, connection: Connection) -> None:
        """See `Answer.close`."""
        if not connection.complete or connection._chunks or not connection.keep_alive or connection.closed:
            if connection.transport is not None:
                connection.transport.abort()
            return
        self._limits.forget(connection)
        idle = self._idle.get(connection.origin)
        if idle is None:
            idle = self._idle[connection.origin] = deque()
        if len(idle) >= IDLE_CONNECTIONS_MAX:
            connection.transport.close()
            return
        connection._expecting = False
        connection.listener = None
        connection.used = True
        connection.idle_since = self._loop.time()
        idle.append(connection)

    def take_idle(self, origin: Origin) -> Connection | None:
        """A connection that may serve at once; None: `request` opens one."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        oldest = self._loop.time() - IDLE_S_MAX
        while idle:
            connection = idle.pop()  # the warmest first, so that the surplus ages and goes
            if connection.closed or connection.transport.is_closing():
                continue
            if connection.idle_since < oldest:
                connection.transport.close()
                continue
            return connection
        return None

    async def _connect(self, origin: Origin, timeout_s: float) -> Connection:
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._limits, origin),
                    origin.host,
                    origin.port,
                    ssl=self._tls_context() if origin.tls else None,
                    server_hostname=origin.host if origin.tls else None,
                )
        except TimeoutError:
            raise UpstreamSilent("connect", timeout_s) from None
        except (OSError, ssl.SSLError) as exc:
            raise UpstreamBroken(f"cannot connect: {type(exc).__name__}", connected=False) from exc
        return connection

    async def request(
        self,
        origin: Origin,
        head: bytes,
        body: bytes,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        first_byte_timeout_s: float = 0,
        sent_on: Connection | None = None,
    ) -> Answer:
        """Send one request (`head` ends in a blank line) and wait for the status and headers.

        A pooled connection that the upstream had closed meanwhile is replaced once, silently: nothing was answered on it.
        `sent_on`: where the request has been sent already, see `send`; whatever came since is looked at.
        Raises UpstreamBroken or UpstreamSilent. Cancelling cuts the connection.
        """
        connection = sent_on or self.take_idle(origin)
        while True:
            if connection is None:
                connection = await self._connect(origin, connect_timeout_s)
            if connection is not sent_on:
                connection.send(head, body)
            try:
                while not connection.status:
                    await connection.next_of_head(first_byte_timeout_s)
            except UpstreamBroken as exc:
                connection.transport.abort()
                if connection.used and not exc.answered and not isinstance(exc, UpstreamSilent):
                    connection = sent_on = None
                    self.forget(origin)
                    continue
                raise
            except BaseException:
                connection.transport.abort()
                raise
            return Answer(self, connection)

    def send(
        self,
        connection: Connection,
        head: bytes,
        body: bytes,
        first_byte_timeout_s: float,
        listener: Callable[[], None],
    ) -> None:
        """Send one request on an idle connection; `listener` is called whenever something has happened, an error included."""
        connection.send(head, body, listener)
        if first_byte_timeout_s > 0:
            self._limits.watch(connection, first_byte_timeout_s, "first_byte")

    def take_answer(self, connection: Connection) -> None:
        """The whole body was seen: the connection may serve another call."""
        connection._chunks.clear()
        self.give_back(connection)

    def watch(self, connection: Connection, timeout_s: float) -> None:
        """Limit the time until more of the body comes; 0: no limit."""
        if timeout_s > 0:
            self._limits.watch(connection, timeout_s, "stream")
        else:
            self._limits.forget(connection)

    def forget(self, origin: Origin) -> None:
        """Close the idle connections of an origin: one was found stale, the others are likely to be as well."""
        for connection in self._idle.pop(origin, ()):
            connection.transport.close()

    def close(self) -> None:
        for origin in list(self._idle):
            self.forget(origin)


def write_head(method: str, target: str, host: str, headers: list[tuple[str, str]], body_bytes: int) -> bytes:
    """The request line and headers. Raises ValueError when a value could smuggle a second header."""
    lines = [f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n"]
    for name, value in headers:
        lines.append(f"{name}: {value}\r\n")
    lines.append(f"content-length: {body_bytes}\r\naccept-encoding: identity\r\n\r\n")
    text = "".join(lines)
    if text.count("\n") != len(headers) + 5 or text.count("\r") != len(headers) + 5:
        raise ValueError("a header holds a line break")
    return text.encode("latin-1")
