"""Log lines are JSON without secrets, and their files are rotated by whichever process finds them full."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schema.log_lines import FILES_KEPT, RotatedFile

ROOT = Path(__file__).parents[2]


def test_a_process_writes_json_lines_to_both_places_and_no_secret(tmp_path):
    code = f"""
folder = {str(tmp_path)!r}
import structlog
from schema.config import read_config
from schema.log_lines import configure_logging
log = structlog.get_logger("x")
configure_logging(read_config(dict(LOG_DIR=folder, LOG_LEVEL="info")), "edge")
log.debug("unseen")
log.info("call_failed", request_id="r1", reason="no such key sk-abcdef123456")
try:
    raise ValueError("Bearer abcdefghijkl")
except ValueError:
    log.exception("crashed", request_id="r2")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["request_id"], line["level"]) for line in lines] == [
        ("call_failed", "r1", "info"), ("crashed", "r2", "error"),
    ]  # fmt: skip
    assert "ValueError" in lines[1]["exception"] and "abcdef" not in done.stdout
    assert (tmp_path / "edge.log").read_text() == done.stdout


@pytest.mark.parametrize(("zone", "ends"), [("", "Z"), ("Asia/Shanghai", "+0800"), ("EST5", "-0500")])
def test_a_time_zone_is_that_of_log_lines(zone, ends):
    code = f"""
import structlog
from schema.config import read_config
from schema.log_lines import configure_logging
configure_logging(read_config(dict(TZ={zone!r})), "edge")
structlog.get_logger("x").info("said")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    at = json.loads(done.stdout)["time"]
    assert at.endswith(ends)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(at)) < timedelta(minutes=2)


def test_files_are_rotated_once_though_many_processes_write(tmp_path):
    path = tmp_path / "edge.log"
    one, other = (RotatedFile(path, io.StringIO(), bytes_max=1000) for _ in range(2))
    for number in range(400):
        (one if number % 2 else other).write(f"line {number:03} {'x' * 90}\n")
    files = sorted(tmp_path.glob("edge.log*"))
    assert len(files) <= FILES_KEPT + 2 and (tmp_path / f"edge.log.{FILES_KEPT}").exists()
    sizes = [file.stat().st_size for file in files if file.suffix != ".lock"]
    assert max(sizes) < 2500
    text = "".join(file.read_text() for file in files)
    assert "line 399" in text and len([line for line in text.splitlines() if line.startswith("line")]) == len(
        text.splitlines()
    )


def test_a_full_disk_costs_lines_and_not_calls(tmp_path, monkeypatch):
    beside = io.StringIO()
    file = RotatedFile(tmp_path / "a.log", beside)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "_file", type("Full", (), {"write": staticmethod(full)}))
    assert file.write("line\n") == 5 and beside.getvalue() == "line\n"
