"""One Chromium, one seeded gateway and one mock provider for all browser tests of a session."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import running_browser
from tests.browser.gateway import ROOT, UI, Gateway, running_gateway
from tests.browser.seed import seed, seed_live_health
from tests.browser.upstream import running_upstream

SOURCES = ("src", "public", "index.html", "vite.config.ts", "package-lock.json")


def _newest(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return max(file.stat().st_mtime for file in files)


@pytest.fixture(scope="session")
def built_ui() -> Path:
    """The folder of the built UI; built here where it is missing or older than its sources."""
    page = UI / "dist" / "index.html"
    stale = not page.exists() or page.stat().st_mtime < max(_newest(UI / name) for name in SOURCES)
    if stale or not (UI / "node_modules" / "axe-core").exists():
        done = subprocess.run(["sh", str(ROOT / "deploy" / "ui.sh"), "build"], capture_output=True, text=True)
        if done.returncode and not os.environ.get("CI") and shutil.which("npm") is None:
            pytest.skip("the UI cannot be built here: " + done.stderr[-300:])
        assert done.returncode == 0, done.stderr[-3000:]
    return UI / "dist"


@pytest.fixture(scope="session")
def browser(built_ui: Path) -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    with running_upstream() as address:
        yield address


@pytest.fixture(scope="session")
def site(built_ui: Path, upstream: str) -> Iterator[Gateway]:
    """A gateway with a month of history."""
    with running_gateway(lambda gateway: seed(gateway, upstream)) as gateway:
        seed_live_health(gateway)
        yield gateway


@pytest.fixture(scope="session")
def fresh_site(built_ui: Path) -> Iterator[Gateway]:
    """A gateway that nobody has set up yet."""
    with running_gateway() as gateway:
        yield gateway
