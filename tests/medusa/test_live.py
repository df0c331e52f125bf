"""The commands beside a gateway that runs: backup of what it has, doctor on its workers, restore refused until it stops."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.services import free_port

ROOT = Path(__file__).parents[2]
START_S = 60


class Installation:
    """A data folder, commands on it, and the gateway on it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.environ = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data"), "EDGE_WORKERS": "1",
            "PORT": str(self.port), "SHUTDOWN_TIMEOUT": "1", "HOST": "127.0.0.1",
        }  # fmt: skip

    def run(self, *words):
        command = [sys.executable, "-m", "medusa.cli", *words]
        return subprocess.run(command, env=self.environ, cwd=self.folder, capture_output=True, text=True, timeout=60)

    def start(self):
        log = (self.folder / "log").open("wb")
        command = [sys.executable, "-m", "medusa.cli", "up"]
        process = subprocess.Popen(command, env=self.environ, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).close()
                return process
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])


@pytest.fixture
def running(tmp_path):
    """(installation, its gateway)."""
    installation = Installation(tmp_path)
    process = installation.start()
    yield installation, process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_beside_a_running_gateway(running):
    installation, process = running
    deadline = time.monotonic() + START_S
    while installation.run("doctor", "--worker").returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    found = installation.run("doctor").stdout
    assert "workers: 1 alive" in found
    assert "books: add up" in found
    assert "redis: keeps what it is given" in found
    taken = installation.run("backup", "live.backup")
    assert taken.returncode == 0, taken.stderr
    refused = installation.run("restore", "live.backup", "--yes")
    assert refused.returncode == 1
    assert "already running" in refused.stderr

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert installation.run("doctor", "--worker").returncode == 1
    back = installation.run("restore", "live.backup", "--yes")
    assert back.returncode == 0, back.stderr
    again = installation.start()
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 0
