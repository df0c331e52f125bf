"""The figures behind the dashboard: by every dimension, in true slots of the reader's clock, and only the own ones for users."""

import random

import pytest
from sqlalchemy import insert

from schema.tables import Channel, Token, UsageHourly
from schema.usage_totals import advance

DAY = 86_400
MONDAY = 1_700_438_400  # 2023-11-20 00:00 UTC


def hour(at, *, model="m", channel=1, user=1, token=1, quota=100, **more):
    return {
        "hour": at,
        "model": model,
        "channel_id": channel,
        "user_id": user,
        "token_id": token,
        "calls": 1,
        "quota": quota,
        "group": "default",
        **more,
    }


@pytest.fixture
async def filled(console):
    rows = [
        hour(MONDAY + 3600, quota=300, quota_saved=40, prompt_tokens=1000, cached_tokens=400),
        hour(MONDAY + DAY - 3600, model="n", channel=2, token=2, quota=200, errors=1),
        hour(MONDAY + 8 * DAY, user=9, quota=50),
        hour(MONDAY - 3600, quota=7),  # the Sunday before
    ]
    defaults = {"errors": 0, "quota_saved": 0, "prompt_tokens": 0, "cached_tokens": 0}
    async with console.visitor() as http:
        await console.set_up(http)
        async with console.services.engine.begin() as db:
            await db.execute(insert(UsageHourly), [{**defaults, **row} for row in rows])
            await db.execute(insert(Channel).values(id=2, type=1, key="k", name="second", group="default", status=1))
            await db.execute(insert(Token).values(id=2, user_id=1, key="t" * 48, name="laptop"))
        yield http


async def usage(http, path="/api/data/usage", **query):
    reply = await http.get(path, params={"start_timestamp": MONDAY, "end_timestamp": MONDAY + 14 * DAY, **query})
    return reply.json()


async def test_totals_and_names(filled):
    data = (await usage(filled, by="channel"))["data"]
    total = {name: data["total"][name] for name in ("calls", "errors", "quota", "quota_saved", "cached_tokens")}
    assert total == {"calls": 3, "errors": 1, "quota": 550, "quota_saved": 40, "cached_tokens": 400}
    assert [(one["key"], one["name"], one["quota"]) for one in data["entries"]] == [
        ("1", "", 350),
        ("2", "second", 200),
    ]
    data = (await usage(filled, by="token"))["data"]
    assert [(one["name"], one["quota"]) for one in data["entries"]] == [("", 350), ("laptop", 200)]
    assert (await usage(filled, by="user"))["data"]["entries"][0]["name"] == "root"


@pytest.mark.parametrize(
    ("step", "offset", "expected"),
    [
        pytest.param("day", 0, [(MONDAY, 500), (MONDAY + 8 * DAY, 50)], id="days in UTC"),
        pytest.param("day", 3600, [(MONDAY - 3600, 300), (MONDAY + DAY - 3600, 200), (MONDAY + 8 * DAY - 3600, 50)], id="days one hour east"),
        pytest.param("day", -7200, [(MONDAY - 22 * 3600, 300), (MONDAY + 2 * 3600, 200), (MONDAY + 7 * DAY + 7200, 50)], id="days two hours west"),
        pytest.param("week", 0, [(MONDAY, 500), (MONDAY + 7 * DAY, 50)], id="weeks begin on Monday"),
        pytest.param("hour", 0, [(MONDAY + 3600, 300), (MONDAY + 23 * 3600, 200), (MONDAY + 8 * DAY, 50)], id="hours"),
    ],
)  # fmt: skip
async def test_slots(filled, step, offset, expected):
    slots = (await usage(filled, step=step, offset=offset))["data"]["slots"]
    found = {}
    for one in slots:
        found[one["at"]] = found.get(one["at"], 0) + one["quota"]
    assert sorted(found.items()) == expected


async def test_beyond_the_series_all_others_are_one(filled, console):
    async with console.services.engine.begin() as db:
        await db.execute(insert(UsageHourly), [hour(MONDAY, model=f"x{n}", quota=n) for n in range(1, 12)])
    data = (await usage(filled))["data"]
    others = sum(one["quota"] for one in data["slots"] if one["key"] == "")
    assert sum(one["quota"] for one in data["slots"]) == data["total"]["quota"] == 550 + 66
    assert others == 1 + 2 + 3 + 4 + 5  # thirteen models, eight of them drawn


async def test_own_figures_only(filled):
    data = (await usage(filled, "/api/data/usage/self", by="model"))["data"]
    assert data["total"]["quota"] == 500
    refused = await usage(filled, "/api/data/usage/self", by="channel")
    assert (refused["success"], refused["code"]) == (False, "invalid_parameter")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"by": "password"}, "invalid_parameter"),
        ({"step": "year"}, "invalid_parameter"),
        ({"step": "hour", "start_timestamp": 1}, "range_too_long"),
    ],
)
async def test_what_cannot_be_shown(filled, query, code):
    assert (await usage(filled, **query))["code"] == code


def random_hours(count):
    """Fifteen days, with nobody's calls and no channel's among them, and more users than are drawn."""
    dice, seen = random.Random(5), {}
    for _ in range(count):
        key = (MONDAY + dice.randrange(15 * 24) * 3600, dice.randrange(14), dice.randrange(3), f"m{dice.randrange(3)}", dice.randrange(3),
               dice.choice(["", "vip"]))  # fmt: skip
        seen[key] = {"hour": key[0], "user_id": key[1], "channel_id": key[2], "model": key[3], "token_id": key[1] * 3 + key[4],
                     "group": key[5], "calls": 1 + dice.randrange(5), "errors": dice.randrange(2), "quota": dice.randrange(1000),
                     "quota_saved": dice.randrange(9), "prompt_tokens": 10, "cached_tokens": dice.randrange(9),
                     "completion_tokens": 3}  # fmt: skip
    return list(seen.values())


@pytest.mark.parametrize("step", ["day", "week", "hour"])
async def test_totals_say_what_the_hours_say(console, step):
    """Every dimension, filter and clock is told the same before there are totals, when half of the time has some, and after."""
    queries = [
        {"by": by, "step": step, "offset": offset, **filters}
        for by in ("model", "user", "channel", "token", "group")
        for offset in (0, 8 * 3600, -5 * 3600, 19800)
        for filters in (
            {},
            {"username": "root"},
            {"channel": 1},
            {"model_name": "m1"},
            {"token": 4, "username": "root"},
        )
    ]
    async with console.visitor() as http:
        await console.set_up(http)
        engine = console.services.engine
        async with engine.begin() as db:
            await db.execute(insert(UsageHourly), random_hours(3000))

        async def answers():
            found = [(await usage(http, start_timestamp=MONDAY + 7200, **query))["data"] for query in queries]
            return [{**one, "slots": sorted(one["slots"], key=lambda slot: (slot["at"], slot["key"]))} for one in found]

        expected = await answers()
        assert all(sum(slot["quota"] for slot in one["slots"]) == one["total"]["quota"] for one in expected)
        assert sum(one["total"]["quota"] > 0 for one in expected) > len(queries) * 0.7
        for until in (MONDAY + 9 * DAY + 3 * 3600, MONDAY + 16 * DAY):
            await advance(engine, until)
            for query, one, other in zip(queries, expected, await answers(), strict=True):
                assert other == one, query
