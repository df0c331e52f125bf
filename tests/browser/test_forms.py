"""Every form: what it refuses by itself, and how it shows what the server refuses."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.browser import visiting
from tests.browser.gateway import Gateway
from tests.browser.seed import PASSWORD, ROOT, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
WRONG = "input:is([aria-invalid=true], [data-invalid=true]), textarea[aria-invalid=true]"  # passwords have the second


def refused(scope: Page | Locator, *labels: str) -> None:
    """Exactly these fields are marked as wrong, each with its reason."""
    for label in labels:
        field = scope.get_by_label(label, exact=True)
        expect(field.and_(scope.locator(WRONG))).to_be_visible()
        described = field.get_attribute("aria-describedby") or ""
        assert "error" in described, label
    expect(scope.locator(WRONG)).to_have_count(len(labels))


def test_before_the_login(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address) as visit:
        visit.expected = {400, 401, 409}
        page = visit.go("/login")
        page.get_by_role("button", name="Log in", exact=True).click()
        refused(page, "Username", "Password")
        page.get_by_label("Username").fill(USER)
        page.get_by_label("Password", exact=True).fill("not-the-password")
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(re.compile("password", re.I))

        page = visit.go("/register")
        page.get_by_label("Username").fill("a-name-that-is-too-long")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_label("Repeat password", exact=True).fill("other")
        page.get_by_role("button", name="Sign up").click()
        refused(page, "Username", "Password", "Repeat password")
        page.get_by_label("Username").fill(USER)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Repeat password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign up").click()
        expect(page.get_by_role("alert")).to_be_visible()

        page = visit.go("/reset")
        page.get_by_label("E-mail").fill("nobody")
        page.get_by_role("button", name="Send the link").click()
        refused(page, "E-mail")
        assert visit.take_troubles() == []


def test_of_users(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        visit.expected = {400, 401, 403, 404, 409}
        page = visit.go("/console/tokens")
        page.get_by_role("button", name="Add token").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Allowed IP addresses").fill("10.0.0.0/99")
        dialog.get_by_role("switch", name="Only certain models").check(force=True)
        dialog.get_by_role("button", name="Create", exact=True).click()
        refused(dialog, "Name", "Models", "Allowed IP addresses")
        page.keyboard.press("Escape")

        page = visit.go("/console/topup")
        page.get_by_label("Redemption code").fill("not-a-code")
        page.get_by_role("button", name="Redeem", exact=True).click()
        expect(page.get_by_role("alert").first).to_be_visible()

        page = visit.go("/console/personal")
        page.get_by_label("Current password", exact=True).fill("wrong-password")
        page.get_by_label("New password", exact=True).fill("short")
        page.get_by_label("New password once more", exact=True).fill("other")
        page.get_by_role("button", name="Change password").click()
        refused(page, "New password", "New password once more")
        page.get_by_label("New password", exact=True).fill("a-good-new-password")
        page.get_by_label("New password once more", exact=True).fill("a-good-new-password")
        page.get_by_role("button", name="Change password").click()
        expect(page.locator("main").get_by_role("alert")).to_contain_text(re.compile("password", re.I))
        assert visit.take_troubles() == []


def test_of_administrators(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, ROOT, PASSWORD) as visit:
        visit.expected = {400, 403, 404, 409}
        page = visit.go("/console/users")
        page.get_by_role("button", name="Add user").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Create", exact=True).click()
        refused(dialog, "Username", "Password")
        dialog.get_by_label("Username").fill(USER)
        dialog.get_by_label("Password", exact=True).fill(PASSWORD)
        dialog.get_by_role("button", name="Create", exact=True).click()
        expect(dialog.get_by_role("alert")).to_be_visible()

        page = visit.go("/console/redemptions")
        page.get_by_role("button", name="Create codes").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Create", exact=True).click()
        refused(dialog, "Name")

        page = visit.go("/console/channels")
        page.get_by_role("button", name="Add channel").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("API address", exact=False).fill("no address")
        dialog.get_by_role("button", name="Create", exact=True).click()
        refused(dialog, "Name", "API address (empty: the provider's own)", "Key")
        dialog.get_by_role("tab", name="Advanced").click()
        dialog.get_by_label("Parameter override").fill("{not json")
        dialog.get_by_label("Parameter override").blur()
        expect(dialog.get_by_label("Parameter override")).to_have_attribute("aria-invalid", "true")

        page = visit.go("/console/settings?tab=relay")
        retries = page.get_by_label("Further attempts")
        retries.fill("1000")
        expect(retries).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        retries.fill("2")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Settings saved")).to_be_visible()
        assert visit.take_troubles() == []


def test_of_settings(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, ROOT, PASSWORD) as visit:
        visit.expected = {409}
        page = visit.go("/console/settings?tab=limits")
        window = page.get_by_label("Window", exact=True)
        window.fill("7")
        page.get_by_role("tab", name="Monitoring").click()
        expect(page.get_by_text("1 unsaved change")).to_be_visible()  # another topic keeps it
        page.get_by_role("tab", name="Limits").click()
        expect(window).to_have_value("7")
        theirs = {"key": "ModelRequestRateLimitDurationMinutes", "value": "3"}
        headers = {"New-Api-User": "1"}
        assert visit.context.request.put(f"{site.address}/api/option/", data=theirs, headers=headers).json()["success"]
        page.get_by_role("button", name="Save").click()
        conflict = page.get_by_role("alert").filter(has_text="root changed this meanwhile")
        expect(conflict).to_contain_text("It is now: 3")
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        conflict.get_by_role("button", name="Keep mine").click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Settings saved")).to_be_visible()
        page.get_by_role("button", name="Reset ModelRequestRateLimitDurationMinutes to its default").click()
        expect(window).to_have_value("1")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("button", name="Save")).to_have_count(0)

        group = page.get_by_label("Group", exact=True).first
        group.fill("vip")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Add to Limits of groups").click()
        page.get_by_label("All calls of vip").fill("30")
        page.get_by_role("button", name="Discard").click()
        expect(page.get_by_label("All calls of vip")).to_have_count(0)

        page = visit.go("/console/settings?tab=mail")
        page.get_by_label("Send a test mail to").fill("ada@example.com")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator("main").get_by_role("alert")).to_contain_text("No mail server is set up")
        page.get_by_label("Server", exact=True).fill("mail.example.com")
        expect(page.get_by_text("Save the changes first.")).to_be_visible()
        page.get_by_role("button", name="Discard").click()
        assert visit.take_troubles() == []
