"""A fresh gateway in a temporary folder, set up over its own management API: root account, price, channel, token."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
READY_S = 60.0
PASSWORD = "correct horse battery"


class GatewayFailed(Exception):
    """It did not start, or a call of the management API was refused; the text holds the end of its log."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gateway:
    """A running `medusa up` and a client of its management API."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """One management call; returns its `data`. Raises GatewayFailed when `success` is not true."""
        answer = self.http.request(method, path, json=body, params=query or None)
        try:
            reply = answer.json()
        except ValueError:
            raise GatewayFailed(f"{method} {path}: {answer.status_code} {answer.text[:300]}") from None
        if not reply.get("success"):
            raise GatewayFailed(f"{method} {path}: {answer.status_code} {reply.get('message')}")
        return reply.get("data")

    def set_up(self) -> None:
        """Create the root account and log in as it."""
        names = {"username": "root", "password": PASSWORD}
        modes = {"SelfUseModeEnabled": False, "DemoSiteEnabled": False}
        self.api("POST", "/api/setup", {**names, "confirmPassword": PASSWORD, **modes})
        user = self.api("POST", "/api/user/login", names)
        self.http.headers["New-Api-User"] = str(user["id"])

    def add_price(self, prices: Mapping[str, float]) -> None:
        """Model ratios beside those that are set; 1 = 2 USD per million prompt tokens."""
        options = {row["key"]: row["value"] for row in self.api("GET", "/api/option/")}
        table = json.loads(options.get("ModelRatio") or "{}") | dict(prices)
        self.api("PUT", "/api/option/", {"key": "ModelRatio", "value": json.dumps(table)})

    def add_channel(self, base_url: str, models: str, *, kind: int = 1, **fields: Any) -> None:
        body = {"type": kind, "key": "sk-upstream", "base_url": base_url, "models": models, "group": "default"}
        self.api("POST", "/api/channel/", {"name": "mock", "groups": ["default"], **body, **fields})

    def add_token(self, *, name: str = "bench", **fields: Any) -> str:
        """A limited token, so that its own balance is held and settled as well; returns `sk-…`."""
        limits = {"remain_quota": 10**12, "unlimited_quota": False, "expired_time": -1}
        made = self.api("POST", "/api/token/", {"name": name, **limits, **fields})
        if not made or not made.get("key"):
            made = self.api("GET", "/api/token/search", keyword=name)[0]
        return "sk-" + str(made["key"]).removeprefix("sk-")

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
