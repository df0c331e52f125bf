"""What the gateway is compared with: nginx's `proxy_pass`, which does nothing but carry bytes, and the mock upstream itself."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.gateway import ROOT, end, free_port

_NGINX = """
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 1024; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; keepalive_requests 1000000;
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


class Peer:
    """A running server: its address and the root of its process tree."""

    def __init__(self, name: str, port: int, pid: int) -> None:
        self.name, self.pid, self.url = name, pid, f"http://127.0.0.1:{port}"


@contextmanager
def run_mock() -> Iterator[Peer]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.mock", str(port)], cwd=ROOT)
    try:
        _wait(port)
        yield Peer("mock", port, process.pid)
    finally:
        end(process)


@contextmanager
def run_nginx(upstream: str) -> Iterator[Peer | None]:
    """None where nginx is not installed: the report then has no floor and says so."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="medusa-nginx-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream.rpartition(":")[2]))
        process = subprocess.Popen([binary, "-c", str(config), "-e", str(folder / "error.log")])
        try:
            _wait(port)
            yield Peer("nginx", port, process.pid)
        finally:
            end(process)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/served", trust_env=False)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
