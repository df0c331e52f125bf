"""A Chromium for the tests: found on the machine, signed in through the API, and watched: whatever goes wrong on a page is kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 45_000  # for anything to appear on a busy machine
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Skips where no Chromium is installed, fails there in CI."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A browser window of one person, and its troubles so far."""

    context: BrowserContext
    page: Page
    address: str
    troubles: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)  # statuses of replies that the test provokes

    def go(self, path: str) -> Page:
        """Open a path and wait until it shows something and nothing is loading."""
        self.page.goto(self.address + path, wait_until="domcontentloaded")
        settle(self.page)
        return self.page

    def take_troubles(self) -> list[str]:
        found, self.troubles = self.troubles, []
        return found

    def watch(self) -> None:
        page = self.page
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.troubles.append(f"exception: {error}"))
        page.on("requestfailed", self._on_failed)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if "Failed to load resource" in message.text:
            return  # told by its response
        self.troubles.append(f"console {message.type}: {message.text[:400]}")

    def _on_failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that was left stops what it was loading
            self.troubles.append(f"request failed: {request.method} {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.troubles.append(f"{response.status}: {response.request.method} {response.url}")


def settle(page: Page) -> None:
    """Until the page has its heading and no skeleton is left."""
    page.wait_for_selector("main, h1, form", timeout=PATIENCE_MS)
    page.wait_for_function(
        "() => !document.querySelector('.mantine-Skeleton-root[data-visible], .mantine-Loader-root') && document.fonts.status === 'loaded'",
        timeout=PATIENCE_MS,
    )


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    user: str = "",
    password: str = "",
    *,
    phone: bool = False,
    language: str = "en",
    dark: bool = False,
) -> Iterator[Visit]:
    """A fresh window; `user` '' is a visitor."""
    more: dict[str, Any] = {"has_touch": True, "is_mobile": True} if phone else {}
    context = browser.new_context(
        viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
        locale="zh-CN" if language == "zh-CN" else "en-US",
        timezone_id="UTC",
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        **more,
    )
    context.set_default_timeout(PATIENCE_MS)
    if user:
        sign_in(context, address, user, password)
    page = context.new_page()
    visit = Visit(context, page, address)
    visit.watch()
    try:
        yield visit
    finally:
        context.close()


def sign_in(context: BrowserContext, address: str, user: str, password: str) -> None:
    """By the API: the cookie, and the id that the UI keeps."""
    reply = context.request.post(f"{address}/api/user/login", data={"username": user, "password": password})
    data = reply.json()
    assert data["success"], data
    context.add_init_script(f"localStorage.setItem('medusa.user_id', '{data['data']['id']}')")
