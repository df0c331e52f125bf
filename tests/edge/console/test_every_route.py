"""Every route as each of the four roles, on three databases: who may, what comes back, and that it is what the document says."""

import bcrypt
import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from edge.console import passwords
from edge.console.app import ROUTES
from edge.console.routes import Role
from schema.config import read_config
from schema.database import make_engine
from schema.ledger.connection import over_redis_py
from schema.migrate import migrate
from schema.secrets import Vault
from schema.tables import LedgerEntry, User
from tests.edge.console.routes_walk import (
    CALLERS,
    EXAMPLES,
    Document,
    example_of,
    filled,
    headers_of,
    open_console,
    seed,
)
from tests.services import new_mariadb, new_postgres
from workers.reconcile import reconcile

LIMITS = {"GLOBAL_API_RATE_LIMIT_ENABLE": "false", "CRITICAL_RATE_LIMIT": "100000"}
DOCUMENT = Document(ROUTES)
STREAMED = "/api/health/stream"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def world(request, tmp_path, valkey_server, monkeypatch):
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "_DUMMY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4, prefix=b"2a")))
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "walk")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "walk")
    engine = make_engine(dsn, sqlite_path=str(tmp_path / "walk.db"))
    await migrate(engine)
    await seed(engine)
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))) as http:
        app = await open_console(engine, redis, http, read_config(LIMITS), Vault("v" * 32))
        yield app, engine, redis, request.param
        await app.stop()
    await redis.aclose()
    await engine.dispose()


def test_every_example_is_of_a_route():
    assert set(EXAMPLES) <= {(route.method, route.path) for route in ROUTES}


@pytest.mark.timeout(400)  # six hundred calls on each database; a busy machine has needed a minute for them
async def test_every_route_as_each_role(world):
    app, engine, redis, name = world
    wrong, renewed = [], {}
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
        for caller, user_id in CALLERS.items():
            # cookies on one database, access tokens on the others: both ways in meet every route
            for route in ROUTES:
                if route.path == STREAMED and caller >= route.role:
                    continue  # never ends; its own test reads it
                http.cookies.clear()
                himself = (
                    user_id + 8 if (route.method, route.path) == ("DELETE", "/api/user/self") and user_id else user_id
                )
                headers = await headers_of(redis, himself, by_cookie=name == "sqlite" or route.fresh, renewed=renewed)
                try:
                    answer = await _call(http, route, caller, user_id, headers)
                    if route.path == "/api/user/token" and answer.status_code == 200:
                        renewed[user_id] = answer.json()["data"]
                except (AssertionError, ValueError) as error:
                    wrong.append(f"{caller.name} {route.method} {route.path}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)
    assert not (await reconcile(engine, over_redis_py(redis), 8)).drifts
    async with engine.connect() as db:
        held = (await db.execute(select(func.sum(User.quota)))).scalar()
        booked = select(func.sum(LedgerEntry.delta)).where(LedgerEntry.balance == "user")
        assert (await db.execute(booked)).scalar() == held


async def _call(http, route, caller, user_id, headers):
    shown = example_of(route)
    names = {
        "caller": user_id, "token": user_id, "spare_token": user_id + 100, "code": user_id + 100,
        "channel": user_id + 100, "doomed": user_id + 4,
    }  # fmt: skip
    path = route.path
    for part, value in filled(shown.path or {"id": 1, "provider": "github", "session": "x"}, names).items():
        path = path.replace(f":{part}", str(value))
    body = filled(shown.body, names)
    answer = await http.request(route.method, path, params=httpx.QueryParams(shown.query), json=body, headers=headers)
    DOCUMENT.check(route, answer.status_code, answer.headers["content-type"], answer.content)
    assert len(answer.headers["x-oneapi-request-id"]) <= 36
    if route.key:
        assert answer.status_code == 401, answer.text  # a console's credential is no relay key
    elif caller < route.role:
        assert answer.status_code == (401 if caller is Role.VISITOR else 403), answer.text
        assert not answer.json()["success"]
    else:
        assert answer.status_code not in (401, 403) or shown.ok is not True, answer.text
        assert answer.status_code < 500 or answer.status_code == shown.status, answer.text
        if shown.ok is not None and answer.headers["content-type"].startswith("application/json"):
            assert answer.json()["success"] is shown.ok, answer.text
    return answer
