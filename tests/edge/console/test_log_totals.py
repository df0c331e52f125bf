"""The sum over a span is that of the log, whether its hours come from the totals or not; old hours are not counted row by row."""

import time

import pytest
from sqlalchemy import insert, update

from schema.tables import Log, Meta, UsageHourly
from tests.edge.console.payments.conftest import open_shop

__all__ = ["open_shop"]
HOUR_S = 3600


@pytest.fixture
async def shop(open_shop):
    """Six hours of calls, the database being ours for four of them: one call every five minutes, worth 1, 2, 3 ..."""
    opened = await open_shop()
    now = int(time.time())
    rows, cells = [], {}
    for number in range(72):
        at = now - 6 * HOUR_S + number * 300
        user_id, channel, model = 1 + number % 2, number % 3, f"m{number % 5}"
        rows.append({"created_at": at, "user_id": user_id, "channel_id": channel, "model_name": model, "quota": number,
                     "type": 2, "username": f"u{user_id}", "group": "default"})  # fmt: skip
        key = (at - at % HOUR_S, user_id, channel, model)
        if at - at % HOUR_S >= now - 4 * HOUR_S - HOUR_S:
            cells[key] = cells.get(key, 0) + number
    async with opened.services.engine.begin() as db:
        await db.execute(update(Meta).where(Meta.key == "adopted_at").values(value=str(now - 4 * HOUR_S)))
        await db.execute(insert(Log), rows)
        for (hour, user_id, channel, model), quota in cells.items():
            cell = {"hour": hour, "user_id": user_id, "channel_id": channel, "model": model, "quota": quota}
            await db.execute(insert(UsageHourly).values(**cell, group="default"))
    opened.rows, opened.now = rows, now
    return opened


SPANS = [(None, None), (-5.2, None), (-3.4, -1.7), (-3.4, -3.3), (-0.5, None), (-2.0, 2.0), (None, -4.5)]
FILTERS = [
    ("", lambda row: True),
    ("&username=ann", lambda row: row["user_id"] == 2),
    ("&username=u1", lambda row: row["user_id"] == 1),
    ("&channel=1", lambda row: row["channel_id"] == 1),
    ("&model_name=m3&group=default", lambda row: row["model_name"] == "m3"),
    ("&model_name=m%25", lambda row: True),
    ("&group=other", lambda row: False),
]


async def test_sums_are_those_of_the_log(shop):
    async with shop.visitor() as root, shop.visitor() as ann:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        await shop.register(ann)
        for start, end in SPANS:
            first = shop.now + int(start * HOUR_S) if start is not None else 0
            last = shop.now + int(end * HOUR_S) if end is not None else 0
            span = f"start_timestamp={first}&end_timestamp={last}"
            inside = [
                row for row in shop.rows if row["created_at"] >= first and (not last or row["created_at"] <= last)
            ]
            for text, keep in FILTERS:
                expected = sum(row["quota"] for row in inside if keep(row))
                assert (await root.get(f"/api/log/stat?{span}{text}")).json()["data"]["quota"] == expected, (span, text)
            own = sum(row["quota"] for row in inside if row["user_id"] == 2)
            assert (await ann.get(f"/api/log/self/stat?{span}&channel=1")).json()["data"]["quota"] == own


async def test_old_hours_come_from_the_totals(shop):
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        url = f"/api/log/stat?start_timestamp={shop.now - 3 * HOUR_S}"
        before = (await root.get(url)).json()["data"]["quota"]
        async with shop.services.engine.begin() as db:
            await db.execute(update(UsageHourly).values(quota=UsageHourly.quota * 2))
        assert (await root.get(url)).json()["data"]["quota"] > before
