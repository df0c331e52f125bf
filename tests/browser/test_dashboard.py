"""The dashboard says what the rows of the log add up to: a week against the week before, by everything it can be told apart by."""

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import create_engine, select

from schema.tables import Channel, Log
from tests.browser.browser import visiting
from tests.browser.gateway import Gateway
from tests.browser.seed import DAY, HOUR, PASSWORD, ROOT, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
CONSUMED, FAILED = 2, 5  # types of log rows that are calls
SHOWN = 8  # of a top list
CHANGE_SHOWN = 0.0005  # a smaller one would be written as 0 %
LISTS: dict[str, Callable[[Any], str]] = {
    "model": lambda row: row.model_name,
    "user": lambda row: row.username,
    "channel": lambda row: row.shown_channel,
    "token": lambda row: row.token_name if row.token_id else "none",
}


def saved(row: Any) -> int:
    """What the cached tokens of a call would have cost more at the full price."""
    other = json.loads(row.other or "{}")
    if not other.get("cache_tokens"):
        return 0
    ratio, share, cache = (Decimal(str(other[name])) for name in ("model_ratio", "group_ratio", "cache_ratio"))
    return int(other["cache_tokens"] * (1 - cache) * ratio * share)


def money(quota: int) -> str:
    return f"${quota / 500_000:,.2f}"


def change(now: int, before: int) -> str:
    """Rounded down to a tenth of a per cent, as ratios are shown."""
    return f"{math.floor(abs(now / before - 1) * 1000) / 10:g}%"


@pytest.fixture(scope="module")
def calls(site: Gateway) -> Iterator[list[Any]]:
    engine = create_engine(site.dsn, connect_args={"timeout": 30})
    wanted = select(Log, Channel.name.label("shown_channel")).join(Channel, Channel.id == Log.channel_id)
    with engine.connect() as db:
        columns = wanted.with_only_columns(*Log.__table__.columns, Channel.name.label("shown_channel"))
        yield list(db.execute(columns.where(Log.type.in_((CONSUMED, FAILED)))))
    engine.dispose()


@pytest.mark.parametrize("name", [ROOT, USER])
def test_the_figures_are_sums_of_the_log(browser: Browser, site: Gateway, calls: list[Any], name: str) -> None:
    now_s = int(time.time()) // HOUR * HOUR + 600  # ten minutes into this hour: a week is 168 hours and ten minutes
    begin = now_s // HOUR * HOUR - 7 * DAY
    mine = [row for row in calls if name == ROOT or row.username == name]
    now = [row for row in mine if row.created_at >= begin]
    before = [row for row in mine if begin - 7 * DAY <= row.created_at < begin]
    assert len(now) > 100 and len(before) > 50, "the comparison compares something"
    with visiting(browser, site.address, name, PASSWORD) as visit:
        visit.page.clock.set_fixed_time(datetime.fromtimestamp(now_s, UTC))
        page = visit.go("/console?range=7")
        for label, of in (
            ("Spend", lambda row: row.quota),
            ("Calls", lambda _: 1),
            ("Tokens", lambda row: row.prompt_tokens + row.completion_tokens),
            ("Saved by caches", saved),
        ):
            card = page.locator("main .mantine-Card-root").filter(has=page.get_by_text(label, exact=True)).first
            here, there = sum(map(of, now)), sum(map(of, before))
            if abs(here / there - 1) >= CHANGE_SHOWN:
                expect(card).to_contain_text(change(here, there))
            else:  # no change is said to be one of nothing
                expect(card).not_to_contain_text(re.compile(r"(?<![\d.])0%"))
            if label == "Calls":
                expect(card).to_contain_text(f"{here:,}")
                expect(card).to_contain_text(f"{sum(row.type == FAILED for row in now)} error")
            elif label != "Tokens":
                expect(card).to_contain_text(money(here))
            if label == "Spend":
                expect(card).to_contain_text(f"{money(there)} before")
        assert visit.take_troubles() == []


@pytest.mark.parametrize(("by", "top"), [("model", "user"), ("channel", "token")])
@pytest.mark.parametrize("measure", ["quota", "calls"])
def test_the_top_lists_are_sums_of_the_log(
    browser: Browser, site: Gateway, calls: list[Any], by: str, top: str, measure: str
) -> None:
    now_s = int(time.time()) // HOUR * HOUR + 600
    with visiting(browser, site.address, ROOT, PASSWORD) as visit:
        visit.page.clock.set_fixed_time(datetime.fromtimestamp(now_s, UTC))
        page = visit.go(f"/console?range=7&by={by}&top={top}&measure={measure}")
        bars = page.locator("main").get_by_role("progressbar")
        expected = []
        for dimension in (by, top):
            sums: dict[tuple[Any, str], int] = defaultdict(int)
            for row in calls:
                if row.created_at >= now_s // HOUR * HOUR - 7 * DAY:
                    key = row.token_id if dimension == "token" else LISTS[dimension](row)
                    sums[key, LISTS[dimension](row)] += row.quota if measure == "quota" else 1
            largest = sorted(sums.items(), key=lambda one: -one[1])[:SHOWN]
            expected += [f"{shown}: {money(sum_) if measure == 'quota' else sum_}" for (_, shown), sum_ in largest]
        expect(bars).to_have_count(len(expected))
        found = [bar.get_attribute("aria-label") or "" for bar in bars.all()]
        assert sorted(one.replace(",", "") for one in found) == sorted(one.replace(",", "") for one in expected)
        assert visit.take_troubles() == []
