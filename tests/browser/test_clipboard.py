"""Copying in a console that is opened by plain HTTP and an IP address: browsers have no `navigator.clipboard` there."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browser import visiting
from tests.browser.gateway import Gateway
from tests.browser.seed import PASSWORD, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]


def pasted(page: Page) -> str:
    box = page.get_by_role("searchbox")
    box.fill("")
    box.press("ControlOrMeta+v")
    return box.input_value()


def test_keys_are_copied_without_a_clipboard(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        visit.context.add_init_script("delete Navigator.prototype.clipboard")  # 127.0.0.1 counts as secure, and has it
        page = visit.go("/console/tokens")
        page.get_by_role("button", name="Copy key of laptop").click()
        expect(page.get_by_text("Copied", exact=True)).to_be_visible()
        key = pasted(page)
        assert key.startswith("sk-") and "*" not in key

        page = visit.go("/console/tokens")
        page.get_by_role("button", name="Connect with laptop").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Copy").first.click()
        expect(
            dialog.get_by_role("button", name="Copied")
        ).to_be_visible()  # from within a dialog, which keeps the focus
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert pasted(page) == site.address
        assert visit.take_troubles() == []
