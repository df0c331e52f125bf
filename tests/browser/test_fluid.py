"""Two thousand channels and a hundred thousand rows of log stay fluid: pages appear, filter, turn and scroll without a long pause."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.browser import Visit, visiting
from tests.browser.gateway import Gateway, running_gateway
from tests.browser.seed import PASSWORD, ROOT, crowd, seed, seed_live_health

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
CHANNELS, LOGS = 2_000, 100_000
SHOWN_MS_MAX = 8_000  # from the address to the first rows, on a busy machine; five times what an idle one needs
CHANGE_MS_MAX = 4_000  # from a filter or page turned to its rows
FRAME_MS_MAX = 100  # of the median frame while scrolling
PAUSE_MS_MAX = 1500  # of the slowest one: figures arrive while it scrolls, and the machine is shared
ROWS_MAX = 120  # in the document, however many there are


@pytest.fixture(scope="module")
def crowded(built_ui: Path, upstream: str) -> Iterator[Gateway]:
    def prepare(gateway: Gateway) -> None:
        seed(gateway, upstream)
        crowd(gateway, channels=CHANNELS, logs=LOGS)

    with running_gateway(prepare) as gateway:
        seed_live_health(gateway)
        yield gateway


def show(visit: Visit, path: str) -> int:
    """Opens the path; ms until the first row is there."""
    visit.go(path)
    visit.page.locator("main tbody tr").nth(2).wait_for()
    return now(visit.page)


def now(page: Page) -> int:
    return int(page.evaluate("Math.round(performance.now())"))


SCROLL = """async () => {
    const box = document.querySelector('main [data-virtual]') ?? document.scrollingElement;
    const frames = [];
    let last = await new Promise(requestAnimationFrame);
    for (let step = 0; step < 60; step++) {
        box.scrollBy(0, 400);
        const at = await new Promise(requestAnimationFrame);
        frames.push(at - last);
        last = at;
    }
    frames.sort((a, b) => a - b);
    return {p50: frames[30], max: frames[59], rows: document.querySelectorAll('main tbody tr').length, moved: box.scrollTop};
}"""


def test_crowded_pages_stay_fluid(browser: Browser, crowded: Gateway) -> None:
    figures: dict[str, Any] = {}
    with visiting(browser, crowded.address, ROOT, PASSWORD) as visit:
        page = visit.page
        figures["health: first rows ms"] = show(visit, "/console/health")
        scrolled = page.evaluate(SCROLL)
        figures["health: scrolling"] = scrolled
        assert scrolled["moved"] > 10_000, "all channels are in the list"
        assert scrolled["rows"] < ROWS_MAX, "only those in sight are in the document"
        begin = now(page)
        page.get_by_label("Name, ID or tag").fill("Account 1999")
        page.get_by_role("row", name="Account 1998").wait_for(state="detached")
        page.get_by_role("row", name="Account 1999").wait_for()
        figures["health: filter ms"] = now(page) - begin

        figures["channels: first rows ms"] = show(visit, "/console/channels?size=100")
        figures["channels: scrolling"] = page.evaluate(SCROLL)
        begin = now(page)
        page.get_by_role("button", name="Page 2", exact=True).click()
        page.get_by_text("101–200").wait_for()
        figures["channels: page ms"] = now(page) - begin

        figures["logs: first rows ms"] = show(visit, "/console/logs?size=100")
        figures["logs: scrolling"] = page.evaluate(SCROLL)
        begin = now(page)
        page.get_by_role("button", name="Page 5", exact=True).click()
        page.get_by_text("401–500").wait_for()
        figures["logs: page ms"] = now(page) - begin
        begin = now(page)
        page.get_by_label("Model", exact=True).fill("gemini-2.0-flash")
        page.get_by_text("1–100").first.wait_for()
        figures["logs: filter ms"] = now(page) - begin
        assert visit.take_troubles() == []
    print(json.dumps(figures, indent=1))  # `pytest -s` shows them
    slow = {
        name: ms
        for name, ms in figures.items()
        if name.endswith("ms") and ms > (SHOWN_MS_MAX if "first" in name else CHANGE_MS_MAX)
    }
    assert slow == {}
    frames = {name: one for name, one in figures.items() if name.endswith("scrolling")}
    assert [one for one in frames.values() if one["p50"] > FRAME_MS_MAX or one["max"] > PAUSE_MS_MAX] == []
