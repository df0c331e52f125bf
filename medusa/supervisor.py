"""What `medusa up` becomes once all is prepared: keeps Valkey, worker and edge running; ends all in order.

It lives as long as the gateway and does next to nothing, so it loads next to nothing: neither SQLAlchemy nor Redis.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

import structlog

from medusa.cannot_start import CannotStart
from medusa.child import Child
from medusa.valkey import find_socket, valkey_command, wait_for_valkey
from schema.config import Config
from schema.log_lines import configure_logging

log = structlog.get_logger(__name__)

VALKEY_PROGRAM = "MEDUSA_VALKEY"  # tells this process where the program is, which its caller has looked up
SIGNALS = (signal.SIGTERM, signal.SIGINT)
WORKER_GRACE_S = 15.0  # it finishes or rolls back a transaction within 10 s
VALKEY_GRACE_S = 60.0  # it syncs its append-only file
EDGE_EXTRA_S = 8.0  # beyond SHUTDOWN_DELAY_S and SHUTDOWN_TIMEOUT: ending what is still open and settling it
READY_S = 90.0


class Supervisor:
    """Owns the children. `run` returns the exit status."""

    def __init__(self, config: Config, environ: Mapping[str, str], valkey: str) -> None:
        """`valkey`: its program, for a gateway that brings its own."""
        self._config = config
        self._environ = dict(environ)
        self._valkey = valkey
        self._children: list[Child] = []  # in the order in which they start
        self._signals = 0
        self._wake = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked while `medusa up` became this program
        try:
            work = asyncio.create_task(self._start())
            stop = asyncio.create_task(self._wake.wait())
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
                return 0
            work.result()
            await stop
            return 0
        finally:
            await self._stop()

    def _on_signal(self) -> None:
        self._signals += 1
        self._wake.set()
        if self._signals > 1:
            for child in self._children:
                child.kill()

    async def _start(self) -> None:
        config = self._config
        await self._start_redis()
        if config.is_master:
            await self._start_child("worker", [sys.executable, "-m", "workers"], WORKER_GRACE_S)
        edge_grace_s = config.shutdown_delay_s + config.shutdown_grace_s + EDGE_EXTRA_S
        await self._start_child("edge", [sys.executable, "-m", "edge"], edge_grace_s)
        await self._announce()

    async def _start_child(self, name: str, command: list[str], grace_s: float) -> None:
        child = Child(name, command, self._environ, grace_s=grace_s)
        self._children.append(child)
        await child.start()

    async def _start_redis(self) -> None:
        if self._config.redis_url:
            return
        socket = find_socket(self._config.data_dir)
        socket.unlink(missing_ok=True)  # the lock on the folder says that nobody listens there
        self._environ["REDIS_CONN_STRING"] = f"unix://{socket}"
        await self._start_child("valkey", valkey_command(self._config.data_dir, socket, self._valkey), VALKEY_GRACE_S)
        await wait_for_valkey(socket)

    async def _announce(self) -> None:
        """Print where to go as soon as the edge says that it is ready."""
        host = self._config.host if self._config.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
        deadline = asyncio.get_running_loop().time() + READY_S
        while not await _is_ready(host, self._config.port):
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"The gateway was not ready within {READY_S:.0f} s; its log lines above say why.")
            await asyncio.sleep(0.05)
        print(f"MedusaXD API is ready: http://{host}:{self._config.port}", flush=True)

    async def _stop(self) -> None:
        """The edge drains first, then the worker ends its transaction, Valkey goes last."""
        for child in reversed(self._children):
            await child.stop()
        log.info("stopped")


async def _is_ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1)
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 2)
        return status.split(b" ")[1:2] == [b"200"]
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


def run(config: Config, valkey: str) -> int:
    """Run until a signal comes. Prints one sentence and returns 1 where it cannot start."""
    configure_logging(config, "medusa")
    try:
        return asyncio.run(Supervisor(config, os.environ, valkey).run())
    except CannotStart as error:
        print(f"medusa: {error}", file=sys.stderr, flush=True)
        return 1
