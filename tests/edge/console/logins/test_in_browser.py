"""Signing in as people do it: Chromium, the second step with its QR code page, a passkey from a virtual authenticator."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import bcrypt
import pyotp
import pytest
from playwright.async_api import Page, async_playwright, expect
from sqlalchemy import delete, insert, update

from schema.ledger import signals
from schema.tables import OptionRow, User
from tests.system import ROOT, System, open_system, until

PASSWORD = "a very good password"
PATIENCE_MS = 30_000
UI = ROOT / "admin_ui"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def find_chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    assert found, "chromium is not installed"
    return found


def build_ui() -> None:
    """Where the built pages are missing or older than the ones of this test."""
    page = UI / "dist" / "index.html"
    sources = [file for name in ("auth", "personal") for file in (UI / "src/features" / name).rglob("*.*")]
    if page.exists() and page.stat().st_mtime > max(file.stat().st_mtime for file in sources):
        return
    done = subprocess.run(["sh", str(ROOT / "deploy" / "ui.sh"), "build"], capture_output=True, text=True)
    if done.returncode and not os.environ.get("CI") and shutil.which("npm") is None:
        pytest.skip("the UI cannot be built here: " + done.stderr[-300:])
    assert done.returncode == 0, done.stderr[-3000:]


async def prepare(system: System) -> str:
    """Ann has a password; the gateway is known by a name for which browsers keep passkeys."""
    await system.seed()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    async with system.engine.begin() as db:
        values = {"username": "ann", "password": hashed, "email": "ann@example.com"}
        await db.execute(update(User).where(User.id == 1).values(values))
        root = {"id": 2, "username": "root", "password": hashed, "role": 100, "status": 1, "quota": 0, "aff_code": "rr"}
        await db.execute(insert(User).values(root))
    system.add_edge()
    await system.ready()
    address = f"http://localhost:{system.ports[0]}"
    async with system.engine.begin() as db:
        await db.execute(delete(OptionRow).where(OptionRow.key == "ServerAddress"))
        await db.execute(insert(OptionRow).values(key="ServerAddress", value=address))
    await signals.changed(system.redis, "options")
    async with system.client() as http:

        async def known() -> bool:
            return (await http.get("/api/status")).json()["data"]["server_address"] == address

        await until(known, "the address is not known")
    return address


async def give_password(page: Page, address: str) -> None:
    await page.goto(f"{address}/login")
    await page.get_by_label("Username").fill("ann")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in", exact=True).click()


async def forget(page: Page) -> None:
    """Another device: nobody is signed in."""
    await page.context.clear_cookies()
    await page.evaluate("localStorage.clear()")


async def switch_second_step_on(page: Page) -> list[str]:
    """Returns the backup codes."""
    await page.get_by_role("button", name="Set up").click()
    await expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible(timeout=PATIENCE_MS)
    secret = await page.get_by_test_id("totp-secret").inner_text()
    await page.get_by_label("Code", exact=True).fill("000000")
    await page.get_by_role("button", name="Switch on").click()
    await expect(page.get_by_role("alert").filter(has_text="wrong").first).to_be_visible(timeout=PATIENCE_MS)
    await page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).at(int(time.time())))
    await page.get_by_role("button", name="Switch on").click()
    await expect(page.get_by_text("Keep these backup codes")).to_be_visible(timeout=PATIENCE_MS)
    codes = await page.get_by_role("dialog").locator("code").all_inner_texts()
    await page.get_by_role("button", name="I have kept them").click()
    await expect(page.get_by_text("10 backup codes left")).to_be_visible(timeout=PATIENCE_MS)
    return codes


async def test_second_step_passkey_and_devices(tmp_path: Path):
    chromium = find_chromium()
    build_ui()
    async with open_system(tmp_path) as system, async_playwright() as playwright:
        address = await prepare(system)
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = await browser.new_context(locale="en-US")
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))

        await give_password(page, address)
        await page.wait_for_url("**/console")
        await page.goto(f"{address}/console/personal")
        codes = await switch_second_step_on(page)
        assert len(codes) == 10

        devtools = await context.new_cdp_session(page)
        await devtools.send("WebAuthn.enable")
        await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        await page.get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_role("button", name="Rename Chrome, Linux")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Rename Chrome, Linux").click()
        await page.get_by_label("Name of the passkey").fill("My laptop")
        await page.get_by_role("button", name="Save").last.click()
        await expect(page.get_by_text("My laptop")).to_be_visible(timeout=PATIENCE_MS)
        if os.environ.get("SCREENSHOT"):
            await page.screenshot(path=os.environ["SCREENSHOT"], full_page=True)

        await forget(page)
        await page.goto(f"{address}/login")
        await page.get_by_role("button", name="Log in with a passkey").click()
        await page.wait_for_url("**/console")

        await forget(page)
        await give_password(page, address)
        await expect(page.get_by_text("One more step")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_label("Code").fill(codes[0])
        await page.get_by_role("button", name="Log in", exact=True).click()
        await page.wait_for_url("**/console")
        await page.goto(f"{address}/console/personal")
        await expect(page.get_by_text("9 backup codes left")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Sign out the others").click()
        await expect(page.get_by_role("button", name="Sign out the others")).to_be_hidden(timeout=PATIENCE_MS)
        assert failures == []
        await browser.close()
