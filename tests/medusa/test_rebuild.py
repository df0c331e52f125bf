"""What is derived can be made anew: totals from the hours, abilities from the channels."""

import asyncio
import time

from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from schema.database import make_engine
from schema.migrate import migrate
from schema.tables import Ability, Channel, UsageHourly, UsageTotal
from schema.usage_totals import DAYS, HOURS, WEEKS
from tests.docs.test_commands import APP


def test_the_commands(tmp_path):
    path = tmp_path / "one.db"
    day = int(time.time()) // 86_400 * 86_400 - 3 * 86_400

    def with_database(work):
        async def run():
            engine = make_engine("", sqlite_path=str(path))
            try:
                await migrate(engine)
                async with engine.begin() as db:
                    return await work(db)
            finally:
                await engine.dispose()

        return asyncio.run(run())

    async def fill(db):
        for hour in (day - 86_400, day, day + 7200):
            await db.execute(
                insert(UsageHourly).values(hour=hour, channel_id=1, model="m", user_id=1, calls=1, quota=5)
            )
        more = {"key": "k", "priority": 3, "weight": 4, "tag": "t"}
        await db.execute(insert(Channel).values(id=1, status=1, group="default, vip", models="a,b,a", **more))
        await db.execute(insert(Channel).values(id=2, status=3, group="default", models="a", **more))
        await db.execute(insert(Ability).values(group="gone", model="x", channel_id=9, enabled=True))

    async def look(db):
        sums = dict(
            (await db.execute(select(UsageTotal.kind, func.sum(UsageTotal.quota)).group_by(UsageTotal.kind)))
            .tuples()
            .all()
        )
        found = await db.execute(
            select(Ability.group, Ability.model, Ability.channel_id, Ability.enabled, Ability.priority)
        )
        return sums, sorted(tuple(row) for row in found)

    def medusa(*words):
        environ = {
            "DATA_DIR": str(tmp_path),
            "SQLITE_PATH": str(path),
            "SQL_DSN": "",
            "REDIS_CONN_STRING": "",
            "SESSION_SECRET": "s" * 32,
        }
        return CliRunner().invoke(APP, list(words), env=environ)

    with_database(fill)
    since = time.strftime("%Y-%m-%d", time.gmtime(day))
    assert medusa("rebuild-totals", "--since", since).output == "1 days made anew\n"
    assert with_database(look)[0] == dict.fromkeys((*HOURS, *DAYS, *WEEKS), 10)
    assert medusa("rebuild-totals").output == "2 days made anew\n"
    assert medusa("rebuild-totals", "--since", "soon").exit_code == 2
    assert medusa("rebuild-abilities").output == "5 abilities\n"
    sums, abilities = with_database(look)
    assert sums == dict.fromkeys((*HOURS, *DAYS, *WEEKS), 15)
    assert abilities == [
        ("default", "a", 1, True, 3), ("default", "a", 2, False, 3), ("default", "b", 1, True, 3),
        ("vip", "a", 1, True, 3), ("vip", "b", 1, True, 3),
    ]  # fmt: skip
