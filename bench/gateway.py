"""A fresh gateway in a temporary folder: `medusa up` as an operator starts it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
READY_S = 60.0


class GatewayFailed(Exception):
    """It did not start, or it does not serve what it should; the text holds the end of its log."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gateway:
    """A running `medusa up` and a client of it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def log_tail(self, characters: int = 3000) -> str:
        return (self.folder / "gateway.log").read_text(errors="replace")[-characters:]


@contextmanager
def run_gateway(folder: Path | None = None, **environ: str) -> Iterator[Gateway]:
    """Start `medusa up`, wait until it is ready, end it in order. Give `folder` to start again on old data."""
    with tempfile.TemporaryDirectory(prefix="medusa-", ignore_cleanup_errors=True) as own:
        place, port = folder or Path(own), int(environ.pop("PORT", 0)) or free_port()
        settings = {
            "DATA_DIR": str(place / "data"), "PORT": str(port), "HOST": "127.0.0.1", "PYTHONPATH": str(ROOT),
            "SHUTDOWN_TIMEOUT": "10", "GLOBAL_API_RATE_LIMIT_ENABLE": "false", "LOG_LEVEL": "warning", **environ,
        }  # fmt: skip
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with (place / "gateway.log").open("ab") as log:
            command = [sys.executable, "-m", "medusa.cli", "up"]
            process = subprocess.Popen(command, env={**kept, **settings}, cwd=place, stdout=log, stderr=log)
        gateway = Gateway(process, port, place)
        try:
            wait_until_ready(gateway)
            yield gateway
        finally:
            gateway.http.close()
            end(process)


def wait_until_ready(gateway: Gateway, patience_s: float = READY_S) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if gateway.process.poll() is not None:
            raise GatewayFailed(f"the gateway ended with status {gateway.process.returncode}:\n{gateway.log_tail()}")
        try:
            if gateway.http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass  # nobody listens yet
        time.sleep(0.05)
    raise GatewayFailed(f"the gateway was not ready within {patience_s:.0f} s:\n{gateway.log_tail()}")


def end(process: subprocess.Popen[bytes], patience_s: float = 60) -> None:
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
