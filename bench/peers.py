"""What the gateway is compared with: nginx's `proxy_pass`, which does nothing but carry bytes, LiteLLM's proxy from the package
registry where that is wished, and the mock upstream itself."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
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


@contextmanager
def run_litellm(upstream: str, models: Sequence[str], key: str) -> Iterator[Peer | None]:
    """LiteLLM's proxy without a database, `key` as its master key, in a virtual environment of its own that is kept for the next time.

    None where it cannot be installed: the report then says so.
    """
    folder = ROOT / "bench" / "results" / "litellm"
    if not (folder / "bin" / "litellm").exists():
        print("installing LiteLLM into bench/results/litellm …", flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
        if subprocess.run(pip).returncode:
            yield None
            return
    entries = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": f"{upstream}/v1", "api_key": "sk-up"},
        }
        for name in models
    ]
    port = free_port()
    config = folder / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": entries, "general_settings": {"master_key": key}}))
    command = [str(folder / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(port, 120, process)
        yield Peer("LiteLLM", port, process.pid)
    except httpx.TransportError:
        yield None
    finally:
        end(process)


def _wait(port: int, patience_s: float = 15, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/served", trust_env=False, timeout=patience_s)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise
            time.sleep(0.05)
