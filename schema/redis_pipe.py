"""A Redis connection at little cost: all commands of one loop tick leave in one write, answers resolve in order.

redis-py spends more CPU on one command than the whole call may cost, so the relay speaks RESP itself (hiredis packs and
parses). Everything that is not hot uses redis-py. A lost connection fails what was in flight and is reopened in the
background; until then every command fails at once with RedisAway, so that callers can answer 503 without waiting.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
from msgspec import Struct

from schema.ledger.connection import OnAnswer

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 3.0  # a server that hangs longer counts as away
RECONNECT_S_MAX = 1.0
IN_FLIGHT_MAX = 50_000  # commands; beyond it the edge is overloaded and says so


class RedisAway(Exception):
    """No connection, or it broke before the answer came: the command may or may not have been carried out."""


class RedisAddress(Struct, frozen=True):
    """What a Redis URL says."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""  # of a unix socket; empty: TCP
    username: str = ""
    password: str = ""
    database: int = 0
    tls: bool = False


def read_redis_url(url: str) -> RedisAddress:
    """redis://[user:pass@]host:port/db, rediss://…, unix://[user:pass@]/path?db=N. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("a Redis address starts with redis://, rediss:// or unix://")
    query = parse_qs(parts.query)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        return RedisAddress(path=parts.path, username=user, password=password, database=int(query.get("db", ["0"])[0]))
    database = int(parts.path.strip("/") or query.get("db", ["0"])[0])
    return RedisAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        username=user,
        password=password,
        database=database,
        tls=parts.scheme == "rediss",
    )


class _Wire(asyncio.Protocol):
    def __init__(self, pipe: "RedisPipe") -> None:
        self.pipe = pipe
        self.transport: Any = None
        self.reader = hiredis.Reader()
        self.waiting: deque[OnAnswer] = deque()
        self.answered = 0  # commands

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        reader, waiting = self.reader, self.waiting
        reader.feed(data)
        while (answer := reader.gets()) is not False:
            self.answered += 1
            waiting.popleft()(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pipe._lost(self)
        while self.waiting:
            self.waiting.popleft()(RedisAway("the connection to Redis broke"))


def _resolve(future: "asyncio.Future[Any]", answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        if isinstance(answer, RedisAway):
            future.exception()  # whoever gave up waiting must not be warned about it
    else:
        future.set_result(answer)


class RedisPipe:
    """One auto-pipelined connection. `await pipe.execute(b"GET", key)`; never blocks on a dead server."""

    def __init__(self, url: str, *, on_connect: Callable[[], Awaitable[None]] | None = None) -> None:
        self._address = read_redis_url(url)
        self._loop = asyncio.get_running_loop()
        self._wire: _Wire | None = None
        self._out: list[bytes] = []
        self._steps: list[Callable[[], None]] = []
        self._flush_due = False
        self._closed = False
        self._reconnecting: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.on_connect = (
            on_connect  # awaited after every successful connect; its first step runs before any other command
        )
        self.on_lost: Callable[[], None] | None = None  # called when the connection broke, before its commands fail

    @property
    def connected(self) -> bool:
        return self._wire is not None

    async def connect(self) -> None:
        """Open the connection. Raises OSError, TimeoutError or hiredis.ReplyError (wrong password)."""
        address = self._address
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if address.path:
                _, wire = await self._loop.create_unix_connection(lambda: _Wire(self), address.path)
            else:
                _, wire = await self._loop.create_connection(
                    lambda: _Wire(self),
                    address.host,
                    address.port,
                    ssl=ssl.create_default_context() if address.tls else None,
                )
            if address.password:
                login = (address.username, address.password) if address.username else (address.password,)
                await self._direct(wire, "AUTH", *login)
            if address.database:
                await self._direct(wire, "SELECT", str(address.database))
            await self._direct(wire, "PING")
        self._wire = wire
        if self.on_connect is not None:
            await self.on_connect()

    def _direct(self, wire: _Wire, *command: str) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        wire.waiting.append(partial(_resolve, future))
        wire.transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows one-element tuples only
        return future

    def execute(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Queue one command; the future holds its answer, or RedisAway, or hiredis.ReplyError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self.send(partial(_resolve, future), *command)
        return future

    def send(self, on_answer: OnAnswer, *command: bytes | str | int) -> None:
        """See schema.ledger.connection.Line."""
        wire = self._wire
        if wire is None or len(wire.waiting) > IN_FLIGHT_MAX:
            on_answer(RedisAway("Redis is away" if wire is None else "too many commands in flight"))
            return
        self._out.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows one-element tuples only
        wire.waiting.append(on_answer)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def before_leaving(self, step: Callable[[], None]) -> None:
        """See schema.ledger.connection.Line."""
        self._steps.append(step)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        steps, self._steps = self._steps, []
        for step in steps:
            step()
        self._flush_due = False
        out, self._out = self._out, []
        wire = self._wire
        if wire is None or not out:
            return  # connection_lost has told everybody
        wire.transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._watch is None:
            self._watch = self._loop.call_later(ANSWER_TIMEOUT_S, self._check_alive, wire, wire.answered)

    def _check_alive(self, wire: _Wire, answered: int) -> None:
        self._watch = None
        if self._wire is not wire:
            return
        if not wire.waiting:
            return
        if wire.answered > answered:
            self._watch = self._loop.call_later(ANSWER_TIMEOUT_S, self._check_alive, wire, wire.answered)
            return
        wire.transport.abort()  # half-open or hanging: connection_lost tells everybody

    def _lost(self, wire: _Wire) -> None:
        if self._wire is not wire:
            return
        self._wire = None
        self._out.clear()
        if self.on_lost is not None:
            self.on_lost()
        self.keep_trying()

    def keep_trying(self) -> None:
        """Connect in the background until it works."""
        if not self._closed and self._reconnecting is None:
            self._reconnecting = self._loop.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        pause_s = 0.02
        try:
            while not self._closed:
                try:
                    await self.connect()
                    return
                except (OSError, TimeoutError, RedisAway, hiredis.HiredisError):
                    self._wire = None
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, RECONNECT_S_MAX)
        finally:
            self._reconnecting = None
            if self._wire is None and not self._closed and not self._loop.is_closed():
                self._reconnecting = self._loop.create_task(self._reconnect())

    async def close(self) -> None:
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._wire is not None:
            self._wire.transport.close()
