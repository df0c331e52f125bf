"""`python -m edge`: processes kept by granian, one event loop each, whose door listens on the port."""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import load_dotenv
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from schema.config import Config, ConfigError, read_config

if TYPE_CHECKING:
    from edge.app import Edge

BACK_SOCKET = "MEDUSA_BACK_SOCKET"  # tells the processes of this edge where granian listens for WebSockets
SESSIONS_MAX = 16_384  # open, per process
END_S = 4  # beyond SHUTDOWN_TIMEOUT: settling what was cut off
HEADERS_BYTES_MAX = 64 * 1024  # of one request


class Server(Granian):  # type: ignore[misc,valid-type]  # granian chooses its base by the interpreter
    """granian that tells its processes beforehand that they will end: load balancers need a moment to see it."""

    def __init__(self, *arguments: Any, drain_s: float, **more: Any) -> None:
        """`drain_s`: between not ready and not accepting."""
        super().__init__(*arguments, **more)
        self._drain_s, self._signals = drain_s, 0

    def shutdown(self, exit_code: int = 0) -> None:
        for worker in self.wrks:
            if worker.is_alive():
                os.kill(worker.inner.pid, signal.SIGUSR1)
        self.main_loop_interrupt.clear()
        self.main_loop_interrupt.wait(self._drain_s)  # a second signal ends the wait
        for worker in self.wrks:
            if worker.is_alive():
                os.kill(worker.inner.pid, signal.SIGUSR2)
        super().shutdown(exit_code)

    def signal_handler_interrupt(self, *arguments: Any, **more: Any) -> None:
        """The second signal ends everything at once; holds that stay are reaped."""
        self._signals += 1
        if self._signals > 1:
            for worker in self.wrks:
                worker.kill()
        super().signal_handler_interrupt(*arguments, **more)


def create() -> "Edge":
    """What each worker process of granian runs; the master process has no use for the application and does not load it."""
    from edge.app import Edge
    from schema.log_lines import configure_logging

    load_dotenv(".env", override=False)
    config = read_config(os.environ)
    configure_logging(config, "edge")
    return Edge(config, os.environ[BACK_SOCKET])


def main() -> None:
    load_dotenv(".env", override=False)
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        for problem in error.problems:
            print(f"medusa: {problem}", file=sys.stderr, flush=True)
        sys.exit(2)
    if not config.redis_url:
        print("medusa: REDIS_CONN_STRING is not set; `medusa up` brings its own Valkey.", file=sys.stderr, flush=True)
        sys.exit(1)
    try:
        held = hold_port(config.host, config.port)
    except OSError as error:
        print(f"medusa: cannot listen on {config.host}:{config.port}: {error.strerror}.", file=sys.stderr, flush=True)
        sys.exit(1)
    with held, tempfile.TemporaryDirectory(prefix="medusa-edge-") as folder:
        os.environ[BACK_SOCKET] = str(Path(folder) / "back.sock")
        make_server(config, Path(os.environ[BACK_SOCKET])).serve()


def fitting_workers(cores: int) -> int:
    """Of ten parts of a call's work six are the edge's, the rest is the worker's, Valkey's and the database's: so are the cores
    shared out. A process too many costs more than it brings: with two on two cores a call took 40 % more CPU than with one."""
    return max(1, min(8, cores * 6 // 10))


def hold_port(host: str, port: int) -> socket.socket:
    """Bound but not listening, as long as this process lives: the port is ours, and our processes share it. Raises OSError."""
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    held = socket.socket(family, kind, number)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError:
        held.close()
        raise
    return held


def make_server(config: Config, back: Path) -> Server:
    """granian keeps the processes and serves WebSockets on `back`; the door of each process serves the port."""
    return Server(
        "edge.main:create",
        factory=True,
        uds=back,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        workers=config.edge_workers or fitting_workers(os.cpu_count() or 1),
        backlog=4096,
        backpressure=SESSIONS_MAX,
        http1_settings=HTTP1Settings(
            header_read_timeout=config.request_header_timeout_s * 1000, max_buffer_size=HEADERS_BYTES_MAX * 8
        ),
        workers_kill_timeout=config.shutdown_grace_s + END_S,
        respawn_failed_workers=True,
        drain_s=config.shutdown_delay_s,
        log_access=False,
        log_level=LogLevels.warning,
    )


if __name__ == "__main__":
    main()
