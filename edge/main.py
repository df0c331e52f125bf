"""`python -m edge`: granian with the edge application, one event loop per process."""

import os
import sys

from dotenv import load_dotenv
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from edge.app import Edge
from schema.config import ConfigError, read_config

CONNECTIONS_MAX = 16_384  # waiting or open, per process; more are refused by the kernel
HEADERS_BYTES_MAX = 64 * 1024  # of one request


def create() -> Edge:
    """What each worker process of granian runs."""
    load_dotenv(".env", override=False)
    return Edge(read_config(os.environ))


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
    Granian(
        "edge.main:create",
        factory=True,
        address=config.host,
        port=config.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        workers=config.edge_workers or min(8, os.cpu_count() or 1),
        backlog=4096,
        backpressure=CONNECTIONS_MAX,
        http1_settings=HTTP1Settings(
            header_read_timeout=config.request_header_timeout_s * 1000, max_buffer_size=HEADERS_BYTES_MAX * 8
        ),
        workers_kill_timeout=max(1, config.shutdown_grace_s),
        log_access=False,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
