"""The day after: people sign in, keys and codes work, the predecessor finds its columns; and databases unlike the fixtures."""

import asyncio
import json

import bcrypt
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import inspect, select, text

from edge.channels import read_channel
from edge.console import passwords
from edge.relay.callers import read_caller
from schema.config import read_config
from schema.database import make_engine
from schema.ledger.connection import over_redis_py
from schema.migrate import migrate, read_meta
from schema.options import read_options
from schema.secrets import Vault
from schema.tables import Base, Channel, OptionRow, Redemption, Token, User
from tests.edge.console.routes_walk import open_console
from tests.schema.old_databases import ALL, load_old
from workers.reconcile import reconcile

ROOT_PASSWORDS = {"new-api": "Passw0rd-aa11", "one-api": "123456"}
WIDENED = {
    ("users", "group"), ("channels", "group"), ("abilities", "group"), ("abilities", "model"), ("channels", "model_mapping"),
    ("tokens", "model_limits"), ("tokens", "allow_ips"),
}  # fmt: skip
BY_US = {("users", "deleted_at")}  # filled for accounts that One API calls deleted


async def _facts(engine, tables=None):
    """(columns, indexes, rows) of all tables, or of those named."""

    def read(connection):
        inspector = inspect(connection)
        names = tables or inspector.get_table_names()
        columns = {
            (table, column["name"]): (str(column["type"]), column["nullable"], str(column["default"]))
            for table in names
            for column in inspector.get_columns(table)
        }
        indexes = {
            (table, index["name"], tuple(index["column_names"]), bool(index["unique"]))
            for table in names
            for index in inspector.get_indexes(table)
        }
        quote = connection.dialect.identifier_preparer.quote
        rows = {}
        for table in names:
            named = [column for held, column in columns if held == table]
            listed = ", ".join(quote(column) for column in named)
            found = connection.execute(text(f"SELECT {listed} FROM {quote(table)}")).all()
            rows[table] = sorted([dict(zip(named, map(str, row), strict=True)) for row in found], key=str)
        return columns, indexes, rows

    async with engine.connect() as db:
        return await db.run_sync(read)


@pytest.fixture
async def redis(valkey_server, monkeypatch):
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "_DUMMY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4, prefix=b"2a")))
    client = Redis.from_url(valkey_server)
    await client.flushall()
    yield client
    await client.aclose()


async def _console(engine, redis):
    config = read_config({"GLOBAL_API_RATE_LIMIT_ENABLE": "false", "CRITICAL_RATE_LIMIT": "100000"})
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    seals = await read_meta(engine, "secrets_at_rest") == "aesgcm"
    app = await open_console(engine, redis, http, config, Vault("v" * 32, seals=seals))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console")
    return app, http, client


async def _sign_in(client, name, password):
    reply = (await client.post("/api/user/login", json={"username": name, "password": password})).json()
    assert reply["success"], (name, reply)
    client.headers["New-Api-User"] = str(reply["data"]["id"])


@pytest.mark.parametrize(("engine_name", "writer"), ALL)
async def test_people_go_on_working_and_the_predecessor_could(request, tmp_path, redis, engine_name, writer):
    engine = make_engine(load_old(request, tmp_path, engine_name, writer))
    columns, indexes, rows = await _facts(engine)
    told = await migrate(engine, check=True)
    assert (await _facts(engine)) == (columns, indexes, rows), "a check changes nothing"
    done = await migrate(engine)
    added = {step for step in told if step.startswith(("create ", "add "))}
    assert added == {step for step in done if step.startswith(("create ", "add "))}, "the check tells what will be done"
    new_columns, new_indexes, new_rows = await _facts(engine, tables=sorted(rows))
    for name, kind in columns.items():
        assert name in new_columns
        assert new_columns[name][1:] == kind[1:] or name in WIDENED, name
        assert new_columns[name][0] == kind[0] or name in WIDENED, name
    assert indexes <= new_indexes
    for (table, column), (_, nullable, default) in new_columns.items():
        if (table, column) not in columns:
            assert nullable or default != "None", f"the predecessor can still insert into {table} without {column}"
    for table, held in rows.items():
        kept = [
            {name: row[name] for name in before}
            for before, row in zip(held, _matching(held, new_rows[table]), strict=True)
        ]
        differing = {(table, name) for a, b in zip(held, kept, strict=True) for name in a if a[name] != b[name]}
        assert differing <= BY_US, differing
    await _work(engine, redis, writer)
    await engine.dispose()


def _matching(old, new):
    """Rows of `new` in the order of `old`, by what names them."""
    keys = [name for name in ("id", "key", "group", "model", "channel_id") if old and name in old[0]]
    keys = ["id"] if "id" in keys else keys
    found = {tuple(row[name] for name in keys): row for row in new}
    return [found[tuple(row[name] for name in keys)] for row in old]


async def _work(engine, redis, writer):
    app, http, client = await _console(engine, redis)
    await _sign_in(client, "root", ROOT_PASSWORDS[writer])
    assert (await client.get("/api/user/?page_size=100")).json()["data"]["total"] >= 3
    listed = (await client.get("/api/channel/?page_size=100")).json()["data"]
    assert listed and all(channel["key"] == "" for channel in listed)
    options = {one["key"]: one["value"] for one in (await client.get("/api/option/")).json()["data"]}
    async with engine.connect() as db:
        stored = dict((await db.execute(select(OptionRow.key, OptionRow.value))).tuples().all())
        keys = (await db.execute(select(Token.key, Token.id, Token.deleted_at))).all()
        code = (await db.execute(select(Redemption.key, Redemption.quota).where(Redemption.status == 1))).first()
        names = (
            (await db.execute(select(User.username).where(User.username.like("%aa"), User.status == 1))).scalars().all()
        )
    assert {key: options[key] for key in stored if key in options} == {
        key: stored[key] for key in stored if key in options
    }
    assert read_options(stored).system_name == stored.get("SystemName", read_options({}).system_name)
    for key, token_id, deleted in keys:
        caller = await read_caller(engine, key)
        assert deleted is not None or (caller is not None and caller.token_id == token_id)
    client.cookies.clear()
    await _sign_in(client, names[0], f"secret-{names[0].removesuffix('aa')}")
    before = (await client.get("/api/user/self")).json()["data"]["quota"]
    assert (await client.get("/api/token/")).json()["success"]
    redeemed = await asyncio.gather(*(client.post("/api/user/topup", json={"key": code.key}) for _ in range(5)))
    assert sorted(reply.json()["success"] for reply in redeemed) == [False] * 4 + [True], "one winner"
    assert (await client.get("/api/user/self")).json()["data"]["quota"] == before + code.quota
    assert not (await reconcile(engine, over_redis_py(redis), 8)).drifts
    await app.stop()
    await http.aclose()
    await client.aclose()


ODD = {
    "an older release: tables and columns are missing": [
        "DROP TABLE IF EXISTS setups", "DROP TABLE IF EXISTS quota_data", "DROP TABLE IF EXISTS tasks",
        "DROP INDEX IF EXISTS idx_users_aff_code", "DROP INDEX IF EXISTS idx_users_linux_do_id",
        "ALTER TABLE users DROP COLUMN linux_do_id", "ALTER TABLE users DROP COLUMN setting",
        "ALTER TABLE channels DROP COLUMN param_override", "ALTER TABLE logs DROP COLUMN other",
    ],
    "a newer release: columns and tables that we do not know": [
        "ALTER TABLE users ADD COLUMN stripe_customer varchar(64)", "ALTER TABLE channels ADD COLUMN channel_info json",
        "ALTER TABLE logs ADD COLUMN ip text DEFAULT ''", "ALTER TABLE tokens ADD COLUMN cross_group_retry numeric DEFAULT 0",
        "CREATE TABLE passkey_credentials (id integer PRIMARY KEY, user_id integer)",
        "CREATE TABLE two_fas (id integer PRIMARY KEY, user_id integer)",
        "INSERT INTO options (key, value) VALUES ('SomethingNew', 'x'), ('ModelRequestRateLimitGroup', '')",
    ],
    "values that nobody expects": [
        "UPDATE users SET email = 'same@example.com'", "UPDATE users SET quota = NULL WHERE id = 2",
        "UPDATE users SET aff_quota = NULL, inviter_id = NULL, setting = '{broken' WHERE id = 1",
        "UPDATE users SET display_name = NULL, \"group\" = NULL WHERE id = 3",
        "UPDATE tokens SET remain_quota = NULL WHERE id = 1", "UPDATE tokens SET \"group\" = NULL, allow_ips = NULL, name = NULL",
        "UPDATE tokens SET user_id = 99999 WHERE id = 3", "UPDATE tokens SET remain_quota = -5 WHERE id = 2",
        "UPDATE channels SET model_mapping = 'not json', setting = '[]', weight = NULL, priority = NULL, base_url = NULL",
        "UPDATE channels SET type = 9999, \"group\" = '', models = NULL WHERE id = 2", "UPDATE channels SET balance = NULL",
        "UPDATE options SET value = 'not a number' WHERE key = 'RetryTimes'",
        "UPDATE options SET value = '{broken' WHERE key = 'GroupRatio'",
        "UPDATE logs SET other = 'null', type = NULL, model_name = NULL, username = NULL WHERE id < 5",
        "UPDATE redemptions SET name = NULL, created_time = NULL WHERE id = 1",
        "UPDATE users SET deleted_at = '2025-04-11 23:31:32.123456789+08:00' WHERE id = 3",
    ],
    "names in capitals": [
        "ALTER TABLE tokens RENAME COLUMN \"key\" TO \"Key\"", "ALTER TABLE channels RENAME COLUMN \"group\" TO \"GROUP\"",
        "ALTER TABLE users RENAME COLUMN quota TO Quota",
    ],
    "the same twice where no index forbade it": [
        "DROP INDEX idx_users_aff_code", "DROP INDEX idx_users_access_token", "UPDATE users SET aff_code = '', access_token = 'x'",
    ],
}  # fmt: skip


@pytest.mark.parametrize("writer", ["new-api", "one-api"])
@pytest.mark.parametrize("statements", ODD.values(), ids=ODD.keys())
async def test_databases_unlike_the_fixtures(request, tmp_path, redis, writer, statements):
    engine = make_engine(load_old(request, tmp_path, "sqlite", writer))
    for statement in statements:
        try:
            async with engine.begin() as db:
                await db.execute(text(statement.replace(":", "\\:")))
        except Exception as error:  # a column that the other writer does not have
            assert "no such" in str(error) or "duplicate column" in str(error), error
    async with engine.connect() as db:
        count = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM tokens), (SELECT sum(quota) FROM users)"
        before = (await db.execute(text(count))).one()
    await migrate(engine, check=True)
    await migrate(engine)
    assert await migrate(engine) == []
    assert await read_meta(engine, "origin") == writer
    async with engine.connect() as db:
        assert (await db.execute(text(count))).one() == before
        for table in Base.metadata.sorted_tables:
            (await db.execute(select(table))).all()
        channels = (await db.execute(select(*Channel.__table__.columns))).mappings().all()
        options = dict((await db.execute(select(OptionRow.key, OptionRow.value))).tuples().all())
    for row in channels:
        read_channel(Channel(**row), Vault("v" * 32), one_api=writer == "one-api")
    assert read_options(options).group_ratio, "a broken table of groups leaves the built-in one"
    assert not (await reconcile(engine, over_redis_py(redis), 8)).drifts
    app, http, client = await _console(engine, redis)
    await _sign_in(client, "root", ROOT_PASSWORDS[writer])
    for path in (
        "/api/user/?page_size=100", "/api/token/?size=100", "/api/channel/?page_size=100", "/api/log/?page_size=100", "/api/log/stat",
        "/api/redemption/", "/api/option/", "/api/data/", "/api/mj/", "/api/task/", "/api/topups", "/api/pricing", "/api/user/self",
        "/api/channel/health", "/api/user/models", "/api/group/",
    ):  # fmt: skip
        reply = await client.get(path)
        assert reply.status_code == 200 and json.loads(reply.content)["success"], (path, reply.text[:300])
    await app.stop()
    await http.aclose()
    await client.aclose()
    await engine.dispose()
