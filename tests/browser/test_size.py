"""What a first visit downloads: the log-in page and the first console screens stay within their limits."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.gateway import ROOT, UI

pytestmark = pytest.mark.xdist_group("browser")


def test_first_screens_are_small(built_ui: Path) -> None:
    node = shutil.which("node") or str(ROOT / ".venv" / "node" / "bin" / "node")  # where deploy/ui.sh puts its own
    done = subprocess.run([node, "scripts/size.mjs"], cwd=UI, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith("ok") for line in lines), done.stdout
