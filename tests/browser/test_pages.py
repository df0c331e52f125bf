"""Every page for every role: complete, accessible, quiet on the console, in both languages, both themes, on a phone and wide."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.accessibility import serious_violations
from tests.browser.browser import PHONE, Visit, settle, visiting
from tests.browser.gateway import Gateway
from tests.browser.pages import ADMIN_PAGES, PUBLIC, ROOT_PAGES, USER_PAGES
from tests.browser.seed import ADMIN, PASSWORD, ROOT, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(400)]
CONSOLE = (*USER_PAGES, *ADMIN_PAGES, *ROOT_PAGES)


def missing_texts(page: Page) -> list[str]:
    """Names of texts that are shown instead of the texts."""
    shown: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main, nav, header')].flatMap((e) => e.innerText.split('\\n'))
              .filter((line) => /^(shared|app|[a-z]+)\\.[a-zA-Z]+(\\.[a-zA-Z]+)*$/.test(line.trim()))"""
    )
    return [line for line in shown if not line.startswith(("api.", "www.")) and not line.endswith((".dev", ".com"))]


def cut_headers(page: Page) -> list[str]:
    """Headers of tables that are cut off, or that lie behind the column of actions."""
    cut: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main thead th')].filter((th) => {
            const scroller = th.closest('table').parentElement;
            return th.scrollWidth > th.clientWidth + 1 || scroller.scrollWidth > scroller.clientWidth + 1;
        }).map((th) => th.innerText)"""
    )
    return cut


def problems_of(visit: Visit, path: str, *, phone: bool) -> list[str]:
    page = visit.go(path)
    found = serious_violations(page) + [f"text not found: {text}" for text in missing_texts(page)]
    if (headings := page.evaluate("document.querySelectorAll('h1').length")) != 1:
        found.append(f"{headings} headings of the first level")
    if not page.title():
        found.append("no title")
    if not phone:
        found += [f"does not fit its table: {header}" for header in cut_headers(page)]
    if phone:
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{overflow} px wider than the phone"] if overflow > 0 else []
    return [f"{path}: {one}" for one in found + visit.take_troubles()]


@pytest.mark.parametrize(
    ("language", "dark", "phone"),
    [
        pytest.param("en", False, False, id="English, light, wide"),
        pytest.param("zh-CN", True, True, id="Chinese, dark, phone"),
    ],
)
class TestEveryPage:
    def test_of_visitors(self, browser: Browser, site: Gateway, language: str, dark: bool, phone: bool) -> None:
        with visiting(browser, site.address, language=language, dark=dark, phone=phone) as visit:
            assert [one for path in PUBLIC for one in problems_of(visit, path, phone=phone)] == []

    def test_of_the_console(self, browser: Browser, site: Gateway, language: str, dark: bool, phone: bool) -> None:
        with visiting(browser, site.address, ROOT, PASSWORD, language=language, dark=dark, phone=phone) as visit:
            assert [one for path in CONSOLE for one in problems_of(visit, path, phone=phone)] == []
            html = visit.page.locator("html")
            assert html.get_attribute("lang") == language
            assert html.get_attribute("data-mantine-color-scheme") == ("dark" if dark else "light")


MENUS = {
    USER: ["Dashboard", "Logs", "Midjourney", "Tasks", "Tokens", "Playground", "Chat", "Wallet", "Personal settings"],
    ADMIN: ["Channel health", "Dashboard", "Logs", "Midjourney", "Tasks", "Tokens", "Playground", "Chat", "Channels", "Users", "Redemption codes", "Wallet", "Personal settings"],
    ROOT: ["Channel health", "Dashboard", "Logs", "Midjourney", "Tasks", "Tokens", "Playground", "Chat", "Channels", "Users", "Redemption codes", "Operations", "Settings", "Wallet", "Personal settings"],
}  # fmt: skip


@pytest.mark.parametrize("user", MENUS)
def test_each_role_sees_its_menu_and_no_more(browser: Browser, site: Gateway, user: str) -> None:
    with visiting(browser, site.address, user, PASSWORD) as visit:
        page = visit.go("/console")
        names = page.get_by_role("navigation", name="Main navigation").get_by_role("link").all_inner_texts()
        assert [name.strip() for name in names] == MENUS[user]
        for path in (*ADMIN_PAGES, *ROOT_PAGES):
            allowed = user == ROOT or (user == ADMIN and path in ADMIN_PAGES)
            if not allowed:
                visit.go(path)
                assert page.url == f"{site.address}/console", path
        page.goto(f"{site.address}/nowhere")
        page.get_by_role("heading", level=1).wait_for()
        assert visit.take_troubles() == []


def test_the_menu_names_the_chat_clients_while_chats_are_open(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        page = visit.go("/chat")
        menu = page.get_by_role("navigation", name="Main navigation")
        menu.get_by_role("link", name="OpenCat", exact=True).click()
        page.get_by_role("heading", name="OpenCat").wait_for()
        assert page.url == f"{site.address}/chat/1"
        assert menu.locator("[aria-current=page]").all_inner_texts() == ["OpenCat"]
        assert visit.take_troubles() == []


def test_visitors_are_sent_to_the_login_and_back(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.page
        visit.expected = {401}
        page.goto(f"{site.address}/console/tokens")
        page.get_by_label("Username").fill(USER)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_role("heading", name="Tokens").wait_for()
        assert page.url == f"{site.address}/console/tokens"
        assert visit.take_troubles() == []


@pytest.mark.parametrize(
    "path", ["/console", "/console/health"]
)  # those with the widest switches, in the longer language
def test_english_fits_a_phone(browser: Browser, site: Gateway, path: str) -> None:
    with visiting(browser, site.address, ROOT, PASSWORD, phone=True) as visit:
        page = visit.go(path)
        page.get_by_role("radiogroup").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        edge = page.get_by_role("banner").get_by_role("button").last.bounding_box()
        assert edge is not None and edge["x"] + edge["width"] <= PHONE["width"]


def test_theme_and_language_change_at_once_and_stay(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        page = visit.go("/console/tokens")
        page.keyboard.press("Control+k")
        page.get_by_role("dialog").get_by_role("textbox").fill("简体")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="令牌").wait_for()
        page.reload()
        settle(page)
        page.get_by_role("heading", name="令牌").wait_for()
        assert visit.take_troubles() == []


@pytest.fixture(scope="module", autouse=True)
def _quiet(site: Gateway) -> Iterator[None]:
    """The gateway itself must not have met an unexpected error while its pages were shown."""
    yield
    errors = [
        line
        for line in site.log.read_text(errors="replace").splitlines()
        if '"level": "error"' in line or "Traceback" in line
    ]
    assert errors == []
