"""The front door: relay routes go straight to the relay, probes are answered here, all else is the console's."""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import structlog

from edge.console.app import create_console
from edge.console.playground import PlaygroundDoor
from edge.door.listener import Door
from edge.door.splice import restore_peer
from edge.exposition import Exposition
from edge.health.recent import read_recent
from edge.health.watch import Health
from edge.probes import PROBES, Probes
from edge.realtime.door import RealtimeDoor
from edge.relay.call import Relay
from edge.relay.callers import Callers
from edge.relay.doorstep import answer_preflight, refuse_address
from edge.relay.express import Express
from edge.relay.routes import find_place, find_unserved
from edge.services import Services
from edge.snapshot import Snapshots
from edge.spool import REFUSES, Settling, open_own
from edge.tasks.door import Tasks
from edge.tasks.routes import find_task_place
from schema.cluster_pipe import open_line, open_pipe
from schema.config import Config
from schema.database import Engine, make_engine
from schema.ledger.hot import HotLedger
from schema.ledger.truth import make_truth_reader
from schema.migrate import read_meta
from schema.realtime.handshake import PATH as REALTIME_PATH
from schema.redis_client import close_client, open_client
from schema.secrets import Vault

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

CONSOLE_PREFIXES = ("/v1/models", "/v1/dashboard", "/v1beta/models")  # lists and billing, answered by the console
RELAY_PREFIXES = ("/v1/", "/v1beta/", "/v1alpha/", "/v2/", "/mj/", "/suno/", "/pg/")
REDIS_S_MAX = 5.0  # of the console; a half-open connection is given up after it
COLD_TIMEOUT_S = 10.0  # of requests that no client waits for in a stream
ENDING_S = 2.0  # beyond SHUTDOWN_TIMEOUT: what was ended then is settled
GC_THRESHOLDS = (20_000, 20, 50)  # a call makes some hundred objects and hardly a cycle


def open_redis(config: Config) -> Any:
    """For the console and the health board; calls have a pipe of their own."""
    return open_client(
        config.redis_url,
        config.jobs_redis_url,
        max_connections=config.redis_pool_size * 5,
        socket_connect_timeout=REDIS_S_MAX,
        socket_timeout=REDIS_S_MAX,
    )


async def open_vault(config: Config, engine: Engine) -> Vault:
    """Seals where the database does so, unless SECRETS_AT_REST is off."""
    return Vault(
        config.crypto_secret or config.session_secret,
        config.crypto_secret_old,
        seals=config.secrets_at_rest != "off" and await read_meta(engine, "secrets_at_rest") == "aesgcm",
    )


class Edge:
    """One process: its connections, and the ASGI callable that the door drives, granian for WebSockets."""

    def __init__(self, config: Config, back: str) -> None:
        """`back`: the Unix socket on which granian drives this very application, for WebSockets alone."""
        self.config = config
        self._back = back
        self.draining = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens what a request needs. Raises when the database or Redis cannot be reached."""
        config = self.config
        self.engine = self._open(config.sql_dsn)
        self.pipe = open_pipe(config.redis_url)
        await self.pipe.connect()
        self.snapshots = Snapshots(config, self.engine, self.pipe)
        await self.snapshots.read()
        read_truth = make_truth_reader(self.engine, config.partitions)
        line = open_line(self.pipe)
        self.hot = hot = HotLedger(
            self.pipe.execute, partitions=config.partitions, read_truth=read_truth, line=line, sets_aside=True
        )
        await hot.sync_clock()
        data_dir = Path(config.data_dir)
        spool = open_own(data_dir / "spool", config.spool_max_mb << 20)
        self.exposition = Exposition(data_dir / "metrics", spool.path.stem, self.pipe, self._gauges)
        meters = self.exposition.meters
        self.settling = Settling(hot, self.pipe, read_truth, spool, meters, admitted_max=config.admit_without_redis)
        self.redis = open_redis(config)
        self.health = Health(self.engine, self.redis, self.pipe, host=config.node_name, recent=read_recent(config))
        meters.on_settled = self.health.settled
        self.probes = Probes(config, self.pipe, self.engine, self.settling, self.exposition, self.snapshots)
        self.log_engine = self._open(config.log_sql_dsn) if config.log_sql_dsn else self.engine
        self.http = httpx.AsyncClient(timeout=COLD_TIMEOUT_S, follow_redirects=False)
        self.services = Services(
            config=config,
            snapshots=self.snapshots,
            engine=self.engine,
            log_engine=self.log_engine,
            redis=self.redis,
            http=self.http,
            vault=await open_vault(config, self.engine),
            started_s=int(time.time()),
            meters=meters,
        )
        door = PlaygroundDoor(self.services)
        callers = Callers(self.engine)
        self.snapshots.on_callers_changed = callers.look_again
        self.relay = Relay(config, self.snapshots, callers, hot, self.settling, meters, self.health, door.find)
        self.express = Express(self.relay)
        self.tasks = Tasks(self.relay, self.engine, self.log_engine, self.redis)
        self.realtime = RealtimeDoor(self.relay)
        console: Any = create_console(self.services)
        await console.start()
        gc.collect()
        gc.freeze()  # what start-up made stays; scanning it again and again cost 5 % of a call
        gc.set_threshold(*GC_THRESHOLDS)
        self.console = console
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.drain)  # sent by edge.main before SIGUSR2 and SIGTERM
        background = (
            self.snapshots.run,
            self.relay.open.run,
            self.relay.readers.run,
            self.realtime.keeper.run,
            self.health.sharing.run,
            self.settling.run,
            self.exposition.run,
            self.probes.lag.run,
        )
        self._tasks += [asyncio.create_task(work()) for work in background]
        self.door = Door(
            self,
            back=self._back,
            head_s_max=config.request_header_timeout_s,
            connections_max=config.max_connections,
            express=self.express.take if self.relay.tracing is None else None,
        )
        self._tasks.append(asyncio.create_task(self.door.run()))
        await self.door.listen(config.host, config.port)
        loop.add_signal_handler(signal.SIGUSR2, self.door.stop_listening)

    def drain(self) -> None:
        """The process will be asked to end soon: not ready any more, connections close after their answer."""
        if not self.draining:
            self.draining = self.relay.draining = self.probes.draining = True
            self.realtime.keeper.drain()
            self._tasks.append(asyncio.create_task(self._end_calls()))

    async def _end_calls(self) -> None:
        await asyncio.sleep(self.config.shutdown_delay_s + self.config.shutdown_grace_s)
        self.relay.end_all()
        self.realtime.keeper.end_all()

    def _gauges(self) -> dict[str, float]:
        calls = self.relay.open.calls
        return {
            "inflight": len(calls),
            "stream_bytes_buffered": sum(call.buffered_bytes for call in calls.values()),
            "spool_bytes": self.settling.spool_bytes,
            "snapshot_age_seconds": round(self.snapshots.age_s, 1),
            "snapshot_version": self.snapshots.current.options.version,
            "db_pool_in_use": getattr(self.engine.pool, "checkedout", int)(),
            "loop_lag_seconds": round(self.probes.lag.seconds, 4),
        }

    def _open(self, dsn: str) -> Engine:
        config = self.config
        return make_engine(
            dsn,
            sqlite_path=config.sqlite_file,
            pool_size=config.sql_max_idle_conns,
            pool_max=config.sql_max_open_conns,
            lifetime_s=config.sql_max_lifetime_s,
            debug=config.debug,
        )

    async def stop(self) -> None:
        self.drain()
        await self.door.close(self.config.shutdown_grace_s + ENDING_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.console.stop()
        await self.tasks.close()
        await self.health.close()
        if self.relay.tracing is not None:
            await self.relay.tracing.close()
        await self.settling.close()
        with contextlib.suppress(*REFUSES):
            await self.hot.close()
        self.exposition.publish()
        await self.pipe.close()
        await close_client(self.redis)
        await self.http.aclose()
        if self.log_engine is not self.engine:
            await self.log_engine.dispose()
        await self.engine.dispose()

    def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        """Finds who answers. A plain function: a call would wake through one layer more each time it waited."""
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        if scope["type"] == "websocket":
            restore_peer(scope)
            return self.realtime(scope, receive, send)
        path: str = scope["path"]
        method: str = scope["method"]
        if path in PROBES:
            return self.probes(scope, send)
        if path == REALTIME_PATH:
            return refuse_address(send, 426, method, path)
        if (place := find_place(path, _query(scope))) is not None:
            if method == "POST":
                return self.relay(scope, receive, send, place)
            return answer_preflight(send) if method == "OPTIONS" else refuse_address(send, 405, method, path)
        if (task := find_task_place(method, path)) is not None:
            if task.operation:
                return self.tasks(scope, receive, send, task)
            return answer_preflight(send) if method == "OPTIONS" else refuse_address(send, 405, method, path)
        if not path.startswith(RELAY_PREFIXES) or path.startswith(CONSOLE_PREFIXES):
            found: Awaitable[None] = self.console(scope, receive, send)
            return found
        if method == "OPTIONS":
            return answer_preflight(send)
        if (place := find_unserved(path)) is not None:
            return self.relay(scope, receive, send, place)
        return refuse_address(send, 404, method, path)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:  # a process without a door is of no use: granian starts another one
            log.exception("edge_not_started", error=type(error).__name__)
            await send({"type": "lifespan.startup.failed", "message": f"The edge cannot start: {error}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _query(scope: dict[str, Any]) -> str:
    query: bytes = scope.get("query_string") or b""
    return query.decode("latin-1")
