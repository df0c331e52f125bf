"""Pages of a long log come from indexes: every statement that a page runs is explained, on every database."""

import json
import time

import pytest
from sqlalchemy import event, insert, select, text, update

from schema.tables import Log, User
from tests.edge.console.payments.conftest import open_shop
from tests.services import new_mariadb, new_postgres

__all__ = ["open_shop"]
ROWS, USERS, FIRST_S = 300_000, 1_000, 1_744_000_000  # a row a second; root has one, all others many
TOUCHED_MAX = 11_000  # of which 10 001 to count up to the number that is shown
OLD = f"start_timestamp={FIRST_S + 50_000}&end_timestamp={FIRST_S + 60_000}"
# one of a thousand rows is a top-up
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n",
    "postgresql": "SELECT i FROM generate_series(1, {rows}) AS g(i)",
    "mysql": "SELECT seq AS i FROM seq_1_to_{rows}",
}
SEED = """INSERT INTO logs (user_id, created_at, type, content, username, token_name, model_name, quota, prompt_tokens,
    completion_tokens, use_time, is_stream, channel_id, token_id, request_id)
    SELECT 2 + i % {users}, {first} + i, CASE WHEN i % 1000 = 0 THEN 1 ELSE 2 END, '', 'u', 't', 'gpt-4o', 225, 1000, 500, 1,
    {no}, i % 50, i % 2000, '' FROM ({numbers}) AS n"""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def shop(request, open_shop):
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "pages")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "pages")
    opened = await open_shop(dsn)
    await seed(opened, ROWS)
    return opened


async def seed(opened, rows):
    name = opened.services.engine.dialect.name
    no = "false" if name == "postgresql" else "0"
    statement = SEED.format(users=USERS, first=FIRST_S, no=no, numbers=NUMBERS[name].format(rows=rows))
    async with opened.services.engine.begin() as db:
        await db.execute(text(statement))
    async with opened.services.engine.begin() as db:
        await db.execute(text("ANALYZE TABLE logs" if name == "mysql" else "ANALYZE"))


def _touched(node):
    """Rows that each node of a plan of PostgreSQL looked at."""
    yield (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    for below in node.get("Plans", ()):
        yield from _touched(below)


async def explain(engine, statement, parameters):
    """Whether the statement reads the log by an index (PostgreSQL: looks at few rows), and the plan."""
    name = engine.dialect.name
    how = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (ANALYZE, FORMAT JSON) ", "mysql": "EXPLAIN "}[name]
    async with engine.connect() as db:
        rows = (await db.exec_driver_sql(how + statement, parameters)).all()
    if name == "postgresql":
        plan = rows[0][0] if isinstance(rows[0][0], list) else json.loads(rows[0][0])
        touched = max(_touched(plan[0]["Plan"]))
        return touched <= TOUCHED_MAX, (touched, plan)
    if name == "mysql":
        found = [dict(row._mapping) for row in rows]
        of_logs = [row for row in found if row["table"] == "logs"]
        return bool(of_logs) and all(row["key"] for row in of_logs), found
    plan = " / ".join(row[-1] for row in rows)
    return "INDEX" in plan or "PRIMARY KEY" in plan, plan


class Watch:
    """Statements about the log that ran since."""

    def __init__(self, engine):
        self.engine, self.seen = engine, []
        event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, parameters, _context, _many):
        if "FROM logs" in statement and not statement.startswith("EXPLAIN"):
            self.seen.append((statement, parameters))

    async def assert_indexed(self):
        assert self.seen
        for statement, parameters in list(self.seen):
            good, plan = await explain(self.engine, statement, parameters)
            assert good, f"{statement}\n{parameters}\n{plan}"
        self.seen.clear()


async def test_pages_come_from_indexes(shop):
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        async with shop.services.engine.begin() as db:
            await db.execute(insert(User).values(id=7, username="heavy", aff_code="heavy", role=1))
            newest = (await db.execute(select(Log.id).order_by(Log.id.desc()).limit(1))).scalar_one()
            await db.execute(update(Log).where(Log.id == newest).values(user_id=1))
        watch = Watch(shop.services.engine)
        pages = [
            ("/api/log/", ROWS), (f"/api/log/?{OLD}", 10_001), ("/api/log/?type=1", ROWS // 1000),
            ("/api/log/?username=heavy", ROWS // USERS), ("/api/log/?channel=7", ROWS // 50),
            (f"/api/log/?channel=7&{OLD}", 200), ("/api/log/self", 1), ("/api/log/?p=500&page_size=20", ROWS),
            (f"/api/log/?before_id={newest // 2}", ROWS // 2),
        ]  # fmt: skip
        for path, rows in pages:
            began = time.monotonic()
            data = (await root.get(path)).json()["data"]
            took_s = time.monotonic() - began
            assert data["total"] == min(rows, 10_000), path
            assert len(data["items"]) in (10, 20, 1), path
            assert took_s < 2, path  # some 20 ms here
            await watch.assert_indexed()


async def test_pages_by_a_row_go_on_where_the_last_one_ended(open_shop):
    shop, rows = await open_shop(), 300
    await seed(shop, rows)
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        async with shop.services.engine.begin() as db:
            for number in (rows, rows - 5, rows - 6):  # settled late: a higher id than its time
                await db.execute(update(Log).where(Log.id == number).values(created_at=FIRST_S + rows - 8))
        whole = (await root.get("/api/log/?page_size=30")).json()["data"]["items"]
        ids, before = [], 0
        for _ in range(6):
            page = (await root.get(f"/api/log/?page_size=5&before_id={before}")).json()["data"]["items"]
            ids += [row["id"] for row in page]
            before = ids[-1]
        assert ids == [row["id"] for row in whole]
        assert len(set(ids)) == 30


async def test_a_long_export_is_every_row_once_in_both_forms(open_shop):
    shop, rows = await open_shop(), 4_500
    await seed(shop, rows)
    async with shop.visitor() as root:
        shop.services.snapshots.current.is_set_up = False
        await shop.set_up(root)
        async with shop.services.engine.begin() as db:
            await db.execute(update(Log).where(Log.id == 7).values(content="=1+1", created_at=FIRST_S))
            await db.execute(update(Log).where(Log.id > 4_000).values(created_at=FIRST_S + 9_999))  # many of one second
            await db.execute(Log.__table__.delete().where(Log.user_id == 1))  # root's own set-up
        answer = await root.get("/api/log/export")
        head, *lines = answer.text.splitlines()
        ids = [int(line.split(",")[0]) for line in lines]
        assert head.startswith("id,user_id,created_at") and sorted(ids) == list(range(1, rows + 1))
        assert ids[:500] == list(range(4_500, 4_000, -1)) and "'=1+1" in answer.text
        told = (await root.get("/api/log/export?format=jsonl&channel=7")).text.splitlines()
        assert {json.loads(line)["channel"] for line in told} == {7} and len(told) == rows // 50
