"""The real gateway as an operator starts it, for the browser: `medusa up` in a temporary folder."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from medusa.child import follow_parent
from medusa.valkey import find_socket
from tests.services import free_port

ROOT = Path(__file__).parent.parent.parent
UI = ROOT / "admin_ui"
START_S = 60.0
STOP_S = 20.0


class Gateway:
    """A running gateway: its address, its folder, its database and its Valkey."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.address = f"http://127.0.0.1:{port}"
        self.database = folder / "books.db"
        self.redis_url = f"unix://{find_socket(str(folder))}"
        self.log = folder / "up.log"

    @property
    def dsn(self) -> str:
        return f"sqlite:///{self.database}"


def _is_ready(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/readyz", trust_env=False, timeout=2).status_code == 200
    return False


@contextmanager
def running_gateway(prepare: Callable[[Gateway], None] | None = None) -> Iterator[Gateway]:
    """Ready; not set up yet unless `prepare` filled the database before the start. Ends with the block."""
    with tempfile.TemporaryDirectory(prefix="medusa-ui-", ignore_cleanup_errors=True) as name:
        gateway = Gateway(Path(name), free_port())
        if prepare is not None:
            prepare(gateway)
        environ = {
            "PATH": os.environ["PATH"], "HOME": name, "HOST": "127.0.0.1", "PORT": str(gateway.port), "DATA_DIR": name,
            "SQLITE_PATH": str(gateway.database), "EDGE_WORKERS": "1", "TZ": "UTC",
            "GLOBAL_API_RATE_LIMIT_ENABLE": "false", "GLOBAL_WEB_RATE_LIMIT_ENABLE": "false", "CRITICAL_RATE_LIMIT_ENABLE": "false",
            "GLOBAL_API_RATE_LIMIT": "100000", "GLOBAL_WEB_RATE_LIMIT": "100000", "CRITICAL_RATE_LIMIT": "100000",
        }  # fmt: skip
        with gateway.log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "medusa.cli", "up"],
                cwd=ROOT,
                env=environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=follow_parent,
            )
        try:
            deadline = time.monotonic() + START_S
            while not _is_ready(gateway.address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the gateway did not start: " + gateway.log.read_text()[-3000:])
                time.sleep(0.05)
            yield gateway
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
