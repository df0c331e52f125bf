"""The listening side of the door: accepts, hands requests to the application, looks after time limits, drains.

Why our own: between granian's threads and the event loop every call crosses the interpreter's lock several times. On two
busy cores that cost 115 us of 420 us a plain call, see docs/performance.md. granian still runs and watches over the
processes, and serves WebSockets.
"""

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from edge.door.connection import Connection
from edge.door.exchange import EXCHANGE, Exchange
from edge.door.known_head import KnownHead
from schema.ticks import next_tick

log = structlog.get_logger(__name__)

BACKLOG = 4096  # connections that the kernel keeps until we accept them
CONNECTIONS_MAX = 16_384  # open, per process; more are refused
IDLE_S_MAX = 75.0  # between two requests; load balancers give up after 60 s
LINGER_S_MAX = 2.0  # for the rest of a request that was answered before it was whole
WAIT_S_MAX = 0.5  # for the rest of a body, until the application is told of the request and keeps the time
TICK_S = 1.0
EXPRESS_LOOK_S = 0.05  # while a door that closes waits for answers that no task is about

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Express = Callable[[KnownHead, bytes, Callable[[KnownHead], Exchange]], bool]


class Door:
    """One per process."""

    def __init__(
        self,
        application: Application,
        *,
        back: str,
        head_s_max: float,
        connections_max: int = 0,
        express: Express | None = None,
    ) -> None:
        """
        Args:
            express: is offered a known head with its whole body before the application is, from the socket's own callback.
                True: it has begun the exchange, as its last argument does, and will `answer` or `hand_over`. False: it has
                done nothing. It must not raise.
            back: the Unix socket on which granian serves WebSockets.
            head_s_max: for the head of a request to arrive.
            connections_max: 0 = CONNECTIONS_MAX.
        """
        self.loop = asyncio.get_running_loop()
        self.back = back
        self.address: tuple[str, int] = ("", 0)
        self.now_s = self.loop.time()
        self.date_line = b""
        self.express = express
        self._application = application
        self._head_s_max = head_s_max
        self._connections_max = connections_max or CONNECTIONS_MAX
        self._connections: set[Connection] = set()
        self._calls: dict[Exchange, asyncio.Task[None]] = {}  # the loop itself holds tasks only weakly
        self._splices: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._tell_time()

    async def listen(self, host: str, port: int) -> None:
        """Each process has a socket of its own; the kernel spreads connections over them. Raises OSError."""
        self.address = (host, port)
        self._server = await self.loop.create_server(
            lambda: Connection(self), host, port, backlog=BACKLOG, reuse_port=True
        )

    async def run(self) -> None:
        """Time limits, until cancelled."""
        while True:
            await next_tick(TICK_S)
            self._tell_time()
            for connection in list(self._connections):
                waited_s = self.now_s - connection.since_s
                if (
                    (connection.in_head and waited_s > self._head_s_max)
                    or (connection.lingering and waited_s > LINGER_S_MAX)
                    or (connection.idle and waited_s > IDLE_S_MAX)
                ):
                    connection.time_out()
                elif connection.waits and waited_s > WAIT_S_MAX:
                    connection.stop_waiting()

    def _tell_time(self) -> None:
        self.now_s = self.loop.time()
        self.date_line = f"date: {email.utils.formatdate(time.time(), usegmt=True)}\r\n".encode()

    # -- from connections ----------------------------------------------------------------------------------------------

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= self._connections_max:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def keep(self, splice: "asyncio.Task[None]") -> None:
        self._splices.add(splice)
        splice.add_done_callback(self._splices.discard)

    def carry_out(self, connection: Connection, exchange: Exchange) -> None:
        self._calls[exchange] = self.loop.create_task(self._carry_out(connection, exchange))

    def carry_on(self, connection: Connection, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        """`work` answers what the express way began."""
        self._calls[exchange] = self.loop.create_task(self._carry_out(connection, exchange, work))

    async def _carry_out(
        self, connection: Connection, exchange: Exchange, work: Coroutine[Any, Any, None] | None = None
    ) -> None:
        scope = exchange.scope
        scope["extensions"] = {EXCHANGE: exchange}
        try:
            await (work or self._application(scope, exchange.receive, exchange.send))
        except Exception as error:
            log.exception("request_crashed", path=scope["path"], error=type(error).__name__)
        finally:
            del scope["extensions"]  # a circle that only the garbage collector could open
            del self._calls[exchange]
        if exchange.ended or exchange.gone:
            return
        if exchange.started:  # the client must not take half an answer for a whole one
            connection.abort()
        else:
            exchange.answer(500, b"", b"")

    # -- the end -------------------------------------------------------------------------------------------------------

    def stop_listening(self) -> None:
        """New connections go to other processes; those that are open end after their answer."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for connection in list(self._connections):
                connection.close_soon()

    async def close(self, patience_s: float) -> None:
        """Wait for the answers that are under way, then cut what is left."""
        self.stop_listening()
        deadline = self.loop.time() + patience_s
        while self.loop.time() < deadline:
            if tasks := self._tasks():
                await asyncio.wait(tasks, timeout=min(0.5, max(0.0, deadline - self.loop.time())))
            elif any(connection.current is not None for connection in self._connections):
                await asyncio.sleep(EXPRESS_LOOK_S)
            else:
                break
        for connection in list(self._connections):
            connection.abort()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=1.0)

    def _tasks(self) -> "set[asyncio.Task[None]]":
        return {*self._calls.values(), *self._splices}
