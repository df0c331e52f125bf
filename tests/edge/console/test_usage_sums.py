"""Totals say what the hourly table says, whatever is asked and wherever the span begins; what came late is found again."""

import json
import random
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import event, func, insert, select, update

from edge.console import usage_sums
from edge.console.usage_slots import Wanted, find_usage
from edge.console.usage_sums import Asked, Bounds, Part, split
from schema.database import make_engine
from schema.migrate import migrate
from schema.tables import Meta, QuotaData, UsageHourly, UsageTotal, User
from schema.usage_totals import DAY_S, HOUR_S, advance, find_wrong_days, read_bounds, rebuild
from tests.edge.console.payments.conftest import open_shop
from tests.services import new_mariadb, new_postgres
from workers.jobs.usage_totals import advance_totals, check_totals

__all__ = ["open_shop"]


def first_hour(now, days=5):
    return (now - days * DAY_S) // HOUR_S * HOUR_S


@pytest.mark.parametrize(
    ("asked", "begin", "end", "parts"),
    [
        pytest.param(Asked(), 3600, 90_000, [("hour", 3600, 86_400), ("", 86_400, 90_000)], id="hours, then what is not summed"),
        pytest.param(Asked(model="m", group="g"), 0, 7200, [("hour", 0, 7200)], id="hours know model and group"),
        pytest.param(Asked(user_id=1), 3600, 200_000 // 3600 * 3600,
                     [("", 3600, 86_400), ("user", 86_400, 172_800), ("", 172_800, 198_000)], id="days of a user, ragged ends"),
        pytest.param(Asked(user_id=1, model="m"), 0, 172_800, [("model", 0, 172_800)], id="days of a user by model"),
        pytest.param(Asked(channel_id=1, model="m"), 0, 172_800, [("channel", 0, 172_800)], id="days of a channel"),
        pytest.param(Asked(user_id=1), 3600, 80_000, [("", 3600, 80_000)], id="no whole day"),
        pytest.param(Asked(channel_id=1, group="g"), 0, 172_800, [("", 0, 172_800)], id="days know no group"),
        pytest.param(Asked(user_id=1, channel_id=1), 0, 172_800, [("", 0, 172_800)], id="days know one of them"),
    ],
)  # fmt: skip
def test_split(asked, begin, end, parts):
    bounds = Bounds(hours=86_400, days=172_800)
    assert split(asked, begin, end, bounds) == [Part(*part) for part in parts]
    assert split(asked, begin, end, Bounds()) == [Part("", begin, end)], "without totals the hourly table answers"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def engine(request, tmp_path):
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "sums")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "sums")
    opened = make_engine(dsn, sqlite_path=str(tmp_path / "one.db"))
    await migrate(opened)
    yield opened
    await opened.dispose()


def cells(first, count, seed=1):
    """Cells of the five days from `first`, some of which nobody's or no channel's."""
    dice, seen = random.Random(seed), {}
    for _ in range(count):
        key = (first + dice.randrange(5 * 24) * HOUR_S, dice.randrange(4), dice.randrange(3), f"m{dice.randrange(3)}",
               dice.choice(["", "vip"]))  # fmt: skip
        seen[key] = {"hour": key[0], "user_id": key[1], "channel_id": key[2], "model": key[3], "group": key[4], "token_id": 0,
                     "calls": 1 + dice.randrange(5), "errors": dice.randrange(2), "quota": dice.randrange(1000),
                     "prompt_tokens": 10, "completion_tokens": 3}  # fmt: skip
    return list(seen.values())


async def check(engine, first, rows, count=15):
    """Random questions have the same answer from the rows."""
    dice = random.Random(2)
    async with engine.connect() as db:
        for _ in range(count):
            begin = first + dice.randrange(-5, 5 * 24) * HOUR_S
            end = begin + dice.randrange(1, 5 * 24) * HOUR_S
            asked = Asked(dice.choice([None, None, 1, 2]), dice.choice([0, 0, 1, 2]), dice.choice(["", "m1", "m%"]),
                          dice.choice(["", "", "vip"]))  # fmt: skip
            inside = [row for row in rows if begin <= row["hour"] < end]
            expected = sum(
                row["quota"] for row in inside
                if asked.user_id in (None, row["user_id"]) and asked.channel_id in (0, row["channel_id"])
                and asked.model in ("", "m%", row["model"]) and asked.group in ("", row["group"])
            )  # fmt: skip
            assert await usage_sums.sum_quota(db, asked, begin, end) == expected, (asked, begin, end)
            series = await usage_sums.series(db, begin, end, HOUR_S)
            assert sum(cell[2] for cell in series.values()) == sum(row["quota"] for row in inside)
            assert sum(cell[0] for cell in series.values()) == 13 * len(inside)
            users = await usage_sums.by_user(db, begin, end)
            assert (
                users.get(1, [0, 0, 0])[1] == sum(row["calls"] for row in inside if row["user_id"] == 1)
                and 0 not in users
            )


async def test_totals_answer_as_the_hours_do_before_during_and_after(engine, now):
    first = first_hour(now)
    rows = cells(first, 300)
    assert await advance(engine, now) == 0
    async with engine.begin() as db:
        await db.execute(insert(UsageHourly), rows)
    await check(engine, first, rows, 5)
    assert await advance(engine, now - 2 * DAY_S) > 0
    await check(engine, first, rows)
    ctx = {"worker": SimpleNamespace(engine=engine)}
    await advance(engine, now, days_too=False)
    await advance_totals(ctx)
    async with engine.connect() as db:
        bounds = await read_bounds(db)
        kept = (await db.execute(select(func.count()).select_from(UsageTotal))).scalar_one()
    assert bounds.hours >= now - 2 * HOUR_S and bounds.days >= now - 2 * DAY_S and kept > 0
    await check(engine, first, rows)

    late = {**rows[0], "hour": first + 30 * HOUR_S, "token_id": 99, "quota": 5000}
    newest = {**rows[0], "hour": bounds.hours - HOUR_S, "token_id": 98, "quota": 7000}
    async with engine.begin() as db:
        await db.execute(insert(UsageHourly), [late, newest])
    await advance(engine, now)
    wrong = await find_wrong_days(engine)
    assert wrong == [late["hour"] // DAY_S * DAY_S], "the newest hours were summed again, the old day was not"
    assert await check_totals(ctx) == 1 and await find_wrong_days(engine) == []
    await check(engine, first, [*rows, late, newest])
    async with engine.begin() as db:
        await db.execute(update(UsageTotal).where(UsageTotal.user_id == 1).values(quota=0))
    assert await rebuild(engine, await find_wrong_days(engine)) > 0
    await check(engine, first, [*rows, late, newest], 5)


@pytest.mark.parametrize("by", ["token", "user"])
async def test_the_dearest_of_many_are_those_of_the_whole_list(engine, now, by):
    """Only the first of them are read with all their sums; equal ones come in the order of their ids."""
    first, dice = first_hour(now, 20), random.Random(3)
    rows = [
        {"hour": first + hour * HOUR_S, "user_id": token // 3, "token_id": token, "channel_id": 1, "model": "m", "group": "",
         "calls": 1, "quota": 10 * dice.randrange(3), "prompt_tokens": dice.randrange(9), "completion_tokens": 3}
        for hour in range(20 * 24) for token in dice.sample(range(60), 4)
    ]  # fmt: skip
    begin, end = first + 7 * HOUR_S, now // HOUR_S * HOUR_S + HOUR_S
    sums = {}
    for row in rows:
        if row["hour"] >= begin:
            mine = sums.setdefault(row[f"{by}_id"], [0, 0, 0])
            for place, value in enumerate((row["calls"], row["quota"], row["prompt_tokens"])):
                mine[place] += value
    expected = sorted(sums.items(), key=lambda one: (-one[1][1], one[0]))
    assert len({quota for _, (_, quota, _) in expected[:10]}) < 10 < len(expected), "some are equal, and there are more"
    async with engine.begin() as db:
        await db.execute(insert(UsageHourly), rows)
    for until in (0, now - 9 * DAY_S, now):
        if until:
            await advance(engine, until)
        async with engine.connect() as db:
            wanted = Wanted(by, begin, end, DAY_S, 0)
            found = await find_usage(db, wanted, entries=10, series=3)
        assert [(key, [one[0], one[2], one[4]]) for key, one in found.entries] == expected[:10], until
        assert found.total[2] == sum(quota for _, (_, quota, _) in expected)
        drawn = sum(one[2] for one in found.slots.values()) + sum(one[2] for one in found.others.values())
        assert drawn == found.total[2]
        assert {key for _, key in found.slots} == {key for key, _ in expected[:3]}


async def test_the_dashboard_joins_the_predecessors_hours_with_our_totals(open_shop, now):
    shop, first = await open_shop(), first_hour(now)
    adopted = first + 40 * HOUR_S + 100
    known = adopted // HOUR_S * HOUR_S + HOUR_S
    rows = [row for row in cells(first, 800) if row["hour"] >= adopted // HOUR_S * HOUR_S and row["user_id"]]
    async with shop.services.engine.begin() as db:
        await db.execute(update(Meta).where(Meta.key == "origin").values(value="new-api"))
        await db.execute(update(Meta).where(Meta.key == "adopted_at").values(value=str(adopted)))
        await db.execute(insert(UsageHourly), rows)
        series = [
            {"user_id": 7, "username": "ann", "model_name": "old", "created_at": first + n * HOUR_S, "token_used": 3, "count": 1,
             "quota": 50} for n in range(41)
        ]  # fmt: skip
        await db.execute(insert(QuotaData), series)
        await db.execute(insert(User).values(id=7, username="ann", aff_code="ann", role=1))
    await advance(shop.services.engine, now)
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        span = f"start_timestamp={first}&end_timestamp={now}"
        data = (await root.get(f"/api/data/?{span}")).json()["data"]
        ours = sum(row["quota"] for row in rows if row["hour"] >= known)
        assert sum(row["quota"] for row in data) == ours + 41 * 50
        assert [row["created_at"] for row in data] == sorted(row["created_at"] for row in data)
        users = (await root.get(f"/api/data/users?{span}")).json()["data"]
        assert next(one["quota"] for one in users if one["name"] == "ann") == 41 * 50
        assert sum(one["quota"] for one in users) == ours + 41 * 50
        one = (await root.get(f"/api/data/?{span}&username=ann")).json()["data"]
        assert len(one) == 41 and {row["username"] for row in one} == {"ann"}
        long = (await root.get(f"/api/data/?start_timestamp={now - 90 * DAY_S}&end_timestamp={now}")).json()["data"]
        assert {row["created_at"] % DAY_S for row in long} == {0} and sum(
            row["quota"] for row in long
        ) == ours + 41 * 50


async def test_one_call_of_a_wrong_clock_does_not_make_the_first_pass_walk_through_the_years(open_shop, now):
    shop, first = await open_shop(), first_hour(now)
    row = {**cells(first, 1)[0], "user_id": 1, "channel_id": 1, "model": "m", "group": ""}
    rows = [{**row, "hour": 0}, {**row, "hour": first}, {**row, "hour": now // HOUR_S * HOUR_S - 3 * HOUR_S}]
    async with shop.services.engine.begin() as db:
        await db.execute(insert(UsageHourly), rows)
    began = time.monotonic()
    assert await advance(shop.services.engine, now) < 1_000
    assert time.monotonic() - began < 20
    assert await find_wrong_days(shop.services.engine) == []
    async with shop.services.engine.connect() as db:
        assert await usage_sums.sum_quota(db, Asked(), 0, now) == 3 * row["quota"]


SEED = """INSERT INTO mx_usage_hourly (hour, user_id, token_id, channel_id, model, "group", calls, quota, prompt_tokens)
    SELECT {first} + (i % {hours}) * 3600, 1 + i % 500, i, 1 + i % 50, 'm' || i % 20, '', 1, 5, 10
    FROM generate_series(1, {rows}) AS g(i)"""
CELLS = """INSERT INTO quota_data (user_id, username, model_name, created_at, token_used, count, quota)
    SELECT user_id, 'u' || user_id, model, hour, sum(prompt_tokens), sum(calls), sum(quota) FROM mx_usage_hourly GROUP BY 1, 2, 3, 4
    ORDER BY 4"""


def scans(node, found):
    """Tables that a plan reads whole, and the most rows that a node looked at."""
    if node["Node Type"] == "Seq Scan":
        found["whole"].append(node["Relation Name"])
    found["rows"] = max(
        found["rows"], (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    )
    for below in node.get("Plans", ()):
        scans(below, found)
    return found


async def test_what_people_open_looks_at_few_rows_of_a_long_history(open_shop, postgres_server, now):
    """120 000 calls of 90 days on PostgreSQL; figures on ten million stand in the page about scaling."""
    rows, days = 120_000, 90
    shop = await open_shop(new_postgres(postgres_server, "history"))
    engine = shop.services.engine
    first = first_hour(now, days)
    async with engine.begin() as db:
        await db.exec_driver_sql(SEED.format(first=first, hours=days * 24, rows=rows))
        await db.exec_driver_sql(CELLS)
    await advance(engine, now)
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
        await db.exec_driver_sql("VACUUM ANALYZE")
    seen = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if any(name in statement for name in ("FROM mx_usage", "FROM quota_data")) and not statement.startswith(
            "EXPLAIN"
        ):
            seen.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        month = f"start_timestamp={now - 30 * DAY_S}&end_timestamp={now}"
        everything = f"start_timestamp={first}&end_timestamp={now}"
        pages = {
            f"/api/log/stat?{month}&username=nobody": 0, f"/api/log/stat?{month}": 15_000, f"/api/log/stat?{month}&channel=7": 8_000,
            f"/api/log/stat?{month}&model_name=m3": 15_000, f"/api/data/?{month}": 15_000, f"/api/data/users?{month}": 16_000,
            f"/api/data/?start_timestamp={now - 7200}&end_timestamp={now}": 1_000, "/api/log/self/stat": 8_000,
            f"/api/data/self?start_timestamp={now - 2_592_000}&end_timestamp={now}": 1_000,
        }  # fmt: skip
        east = f"/api/data/usage?{month}&step=day&offset=28800"
        pages |= {
            f"{east}&by=model": 15_000, f"{east}&by=group": 15_000, f"{east}&by=channel": 40_000, f"{east}&by=user": 16_000,
            f"{east}&by=token": 45_000, f"{east}&by=model&username=u7": 1_000,
            f"/api/data/usage/self?{month}&step=week&offset=-18000&by=token": 1_000,
        }  # fmt: skip
        for path, most in pages.items():
            seen.clear()
            assert (await root.get(path)).json()["success"], path
            for statement, parameters in list(seen):
                async with engine.connect() as db:
                    plan = (
                        await db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                    ).scalar()
                top = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
                found = scans(top, {"whole": [], "rows": 0})
                assert "mx_usage_hourly" not in found["whole"] and "quota_data" not in found["whole"], (path, statement)
                assert found["rows"] <= most, (path, statement, found)
        data = (await root.get(f"/api/data/?{everything}")).json()["data"]
        assert sum(row["count"] for row in data) == rows
