"""An adopted database shows what was before: hours are filled once, from the predecessor's sums or its log, never twice."""

import pytest
from sqlalchemy import func, insert, select, text, update

from schema.database import make_engine
from schema.history import FILLED
from schema.migrate import migrate, read_meta
from schema.tables import Meta, QuotaData, UsageHourly, UsageTotal
from schema.usage_totals import advance, find_wrong_days
from tests.schema.old_databases import ALL, load_old

HOUR_S = 3600


@pytest.fixture
def hour(now):
    """When it began."""
    return now // HOUR_S * HOUR_S


async def _sums(db, table=UsageHourly, *where):
    names = ("calls", "quota", "prompt_tokens", "completion_tokens")
    row = (await db.execute(select(*(func.sum(getattr(table, name)) for name in names)).where(*where))).one()
    return tuple(int(value or 0) for value in row)


@pytest.mark.parametrize(("engine_name", "writer"), ALL)
async def test_the_log_fills_the_hours_where_the_predecessor_summed_none(request, tmp_path, engine_name, writer):
    engine = make_engine(load_old(request, tmp_path, engine_name, writer))
    async with engine.connect() as db:
        wanted = "SELECT count(*), sum(quota), sum(prompt_tokens), sum(completion_tokens), max(created_at) FROM logs WHERE type = 2"
        *expected, newest = map(int, (await db.execute(text(wanted))).one())
    async with engine.begin() as db:  # older than ninety days before the newest
        await db.execute(
            text(f"INSERT INTO logs (user_id, type, quota, created_at) VALUES (1, 2, 7, {newest - 91 * 86_400})")
        )
    told = [step for step in await migrate(engine, check=True) if "mx_usage_hourly from" in step]
    done = [step for step in await migrate(engine) if "mx_usage_hourly from" in step]
    assert await migrate(engine) == await migrate(engine, check=True) == []
    async with engine.connect() as db:
        assert await _sums(db) == tuple(expected) and expected[0] > 0
        rows = (await db.execute(select(func.count()).select_from(UsageHourly))).scalar_one()
        assert (await db.execute(select(func.min(UsageHourly.channel_id)))).scalar_one() > 0
    assert told == [f"fill {rows} rows of mx_usage_hourly from logs"]
    assert done == [f"filled {rows} rows of mx_usage_hourly from logs"]
    await engine.dispose()


@pytest.mark.parametrize("engine_name", ["sqlite", "postgres", "mariadb"])
async def test_the_sums_of_the_predecessor_come_first_and_no_hour_twice(request, tmp_path, engine_name, hour):
    engine = make_engine(load_old(request, tmp_path, engine_name, "new-api", name="sums"))
    cells = [
        {"user_id": user, "username": "u", "model_name": model, "created_at": hour - back * HOUR_S, "count": 3, "quota": 50,
         "token_used": 40}
        for user in (1, 2) for model in ("gpt-4o", "claude") for back in (0, 1, 30, 24 * 200, 24 * 200)
    ]  # fmt: skip
    async with engine.begin() as db:
        await db.execute(insert(QuotaData), cells)
    assert "fill 16 rows of mx_usage_hourly from quota_data" in await migrate(engine, check=True)
    assert "filled 16 rows of mx_usage_hourly from quota_data" in await migrate(engine)
    assert await migrate(engine) == []
    async with engine.connect() as db:
        assert await _sums(db) == (60, 1000, 800, 0)
    # adopted by a version that filled nothing, settled an hour itself, has totals; killed after the oldest day
    async with engine.begin() as db:
        recent = UsageHourly.hour > hour - 24 * 100 * HOUR_S
        await db.execute(UsageHourly.__table__.delete().where(recent))
        own = {"hour": hour - HOUR_S, "user_id": 1, "channel_id": 7, "model": "gpt-4o", "group": "default"}
        await db.execute(insert(UsageHourly), [own | {"calls": 1, "quota": 9, "prompt_tokens": 2}])
        await db.execute(update(Meta).where(Meta.key == FILLED).values(value=str(hour - 24 * 100 * HOUR_S)))
    await advance(engine, hour + HOUR_S)
    assert await migrate(engine) == ["filled 8 rows of mx_usage_hourly from quota_data"]
    assert await read_meta(engine, FILLED) == "done"
    await advance(engine, hour + 2 * 86_400)
    assert await find_wrong_days(engine) == []
    async with engine.connect() as db:
        expected = (60 - 12 + 1, 1000 - 200 + 9, 800 - 160 + 2, 0)
        assert await _sums(db) == expected
        for kind in ("hour", "user", "model"):
            assert await _sums(db, UsageTotal, UsageTotal.kind == kind) == expected
    await engine.dispose()


async def test_a_log_in_another_database_is_read_there_and_a_new_database_has_no_history(request, tmp_path, hour):
    engine = make_engine(load_old(request, tmp_path, "sqlite", "one-api", name="main"))
    logs = make_engine(load_old(request, tmp_path, "sqlite", "one-api", name="logs"))
    async with engine.begin() as db:
        await db.execute(text("DELETE FROM logs"))
    async with logs.begin() as db:
        await db.execute(text(f"UPDATE logs SET created_at = {hour - 5 * HOUR_S} WHERE type = 2"))
        wanted = "SELECT count(*), sum(quota), sum(prompt_tokens), sum(completion_tokens) FROM logs WHERE type = 2"
        expected = tuple(map(int, (await db.execute(text(wanted))).one()))
    assert any(step.endswith("from logs") for step in await migrate(engine, check=True, log_engine=logs))
    assert any(step.endswith("from logs") for step in await migrate(engine, log_engine=logs))
    async with logs.begin() as db:  # calls since then are ours
        await db.execute(text(f"INSERT INTO logs (user_id, type, quota, created_at) VALUES (1, 2, 7, {hour + HOUR_S})"))
    assert await migrate(engine, log_engine=logs) == []
    new = make_engine(f"sqlite:///{tmp_path}/new.db")
    assert not any("mx_usage_hourly from" in step for step in await migrate(new))
    async with engine.connect() as db, new.connect() as fresh:
        assert await _sums(db) == expected and expected[0] > 0
        assert await _sums(fresh) == (0, 0, 0, 0)
    for one in (engine, logs, new):
        await one.dispose()
