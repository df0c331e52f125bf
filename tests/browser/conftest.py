"""One Chromium, one seeded gateway and one mock provider for all browser tests of a session.

Playwright's blocking calls run an event loop in their thread; that thread is one of our own, so that the tests of other
folders find none running in theirs.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import running_browser
from tests.browser.gateway import ROOT, UI, Gateway, running_gateway
from tests.browser.seed import seed, seed_live_health
from tests.browser.upstream import running_upstream

_thread = ThreadPoolExecutor(1, "playwright")
SOURCES = ("src", "public", "index.html", "vite.config.ts", "package-lock.json")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Run a test of this folder in Playwright's thread."""
    names = pyfuncitem._fixtureinfo.argnames
    _thread.submit(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names}).result()
    return True


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
    held = ExitStack()
    yield _thread.submit(held.enter_context, running_browser()).result()
    _thread.submit(held.close).result()


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
