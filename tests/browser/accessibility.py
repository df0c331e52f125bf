"""What axe-core says of a page."""

import json

from playwright.sync_api import Page

from tests.browser.gateway import UI

SERIOUS = ("serious", "critical")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds serious or worse, each with its first element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((UI / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)})")["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in SERIOUS
    ]
