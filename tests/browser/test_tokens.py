"""The page of tokens: found by name or key without the key in an address, noted, shown how to use."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.browser import visiting
from tests.browser.gateway import Gateway
from tests.browser.seed import PASSWORD, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]


def test_tokens_are_found_by_key_and_take_a_note(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        page = visit.go("/console/tokens")
        table = page.get_by_role("table", name="Tokens")
        page.get_by_role("searchbox").fill("sk-" + "m" * 48)
        expect(table.get_by_text("laptop")).to_have_count(0)
        expect(table.get_by_text("ci pipeline")).to_be_visible()
        assert page.url.endswith("keyword=sk-mmmmmmmm")  # a whole key stays in no history

        page.get_by_role("button", name="More actions for ci pipeline").click()
        page.get_by_role("menuitem", name="Edit").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Note").fill("for the nightly build")
        dialog.get_by_role("button", name="Save").click()
        expect(table.get_by_text("for the nightly build")).to_be_visible()
        assert visit.take_troubles() == []


def test_sample_calls_name_a_model_of_the_token(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        page = visit.go("/console/tokens")
        page.get_by_role("button", name="Connect with ci pipeline").click()
        sample = page.get_by_role("dialog").get_by_role("tabpanel")
        expect(sample.get_by_text(re.compile('"model": "gpt-4o"'))).to_be_visible()
        page.get_by_role("tab", name="Python").click()
        expect(sample.get_by_text(re.compile('model="gpt-4o"'))).to_be_visible()
        assert visit.take_troubles() == []


def test_a_chat_is_opened_with_the_token_of_the_row(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        page = visit.go("/console/tokens")
        page.get_by_role("button", name="More actions for laptop").click()
        page.get_by_role("menuitem", name="ChatGPT Next Web").click()
        expect(page.get_by_text("The key of your token “laptop” is handed over")).to_be_visible()
        assert page.url == f"{site.address}/chat/0?token=1"
        assert visit.take_troubles() == []
