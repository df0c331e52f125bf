"""Pictures of every screen for docs/screenshots: `make screenshots`. A seeded gateway, the same pictures each time but for the clock."""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.browser.browser import Visit, running_browser, visiting
from tests.browser.gateway import ROOT as CHECKOUT
from tests.browser.gateway import running_gateway
from tests.browser.seed import PASSWORD, ROOT, seed, seed_live_health
from tests.browser.upstream import running_upstream

FOLDER = CHECKOUT / "docs" / "screenshots"
QUALITY = 88  # of WebP: a third of a PNG's bytes, and its colours stay what they are
WIDTH = 1200  # px
PUBLIC = {"login": "/login", "register": "/register", "pricing": "/pricing", "home": "/"}
CONSOLE = {
    "dashboard": "/console", "channel-health": "/console/health", "channel-detail": "/console/health/4", "channels": "/console/channels",
    "tokens": "/console/tokens", "logs": "/console/logs", "users": "/console/users", "redemptions": "/console/redemptions",
    "wallet": "/console/topup", "midjourney": "/console/midjourney", "tasks": "/console/tasks", "playground": "/console/playground",
    "settings": "/console/settings", "settings-prices": "/console/settings?tab=prices", "personal": "/console/personal", "chat": "/chat",
    "operations": "/console/operations", "audit": "/console/operations?tab=audit",
}  # fmt: skip
DARK = {"dashboard-dark": "/console", "channel-health-dark": "/console/health"}
PHONE = {"dashboard-phone": "/console", "channels-phone": "/console/channels"}


def take(visit: Visit, name: str, path: str, folder: Path) -> None:
    page = visit.go(path)
    page.wait_for_timeout(600)  # charts draw themselves
    if name == "logs":
        page.get_by_role("button", name="Details").nth(1).click()
        page.wait_for_timeout(300)
    if name == "playground":
        page.get_by_label("Message", exact=True).fill("What is a gateway for language models good for?")
        page.keyboard.press("Enter")
        page.get_by_text("cost $").nth(1).wait_for()
    with Image.open(BytesIO(page.screenshot())) as taken:
        picture = taken.convert("RGB")
        if picture.width > WIDTH:
            picture = picture.resize((WIDTH, picture.height * WIDTH // picture.width), Image.Resampling.LANCZOS)
        picture.save(folder / f"{name}.webp", quality=QUALITY, method=6)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        running_upstream() as upstream,
        running_gateway(lambda gateway: seed(gateway, upstream)) as gateway,
        running_browser() as browser,
    ):
        seed_live_health(gateway)
        with visiting(browser, gateway.address) as visit:
            for name, path in PUBLIC.items():
                take(visit, name, path, folder)
        for pictures, more in ((CONSOLE, {}), (DARK, {"dark": True}), (PHONE, {"phone": True})):
            with visiting(browser, gateway.address, ROOT, PASSWORD, **more) as visit:
                visit.context.add_init_script(
                    "localStorage.setItem('medusa.playground.models', '[\"gpt-4o\",\"deepseek-chat\"]')"
                )
                for name, path in pictures.items():
                    take(visit, name, path, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
