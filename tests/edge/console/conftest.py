"""A console over a real Valkey and a fresh SQLite database, and ways to call it as somebody."""

import asyncio
import functools
import shutil
from contextlib import asynccontextmanager
from types import SimpleNamespace

import bcrypt
import httpx
import pytest
from redis.asyncio import Redis

from edge.console import app as app_module
from edge.console import passwords
from edge.console.app import create_console
from edge.services import Services
from schema.config import read_config
from schema.database import make_engine
from schema.migrate import migrate
from schema.options import read_options
from schema.secrets import Vault

PASSWORD = "a good password"


class Console:
    """The application, its services, and clients of it."""

    def __init__(self, app, services):
        self.app, self.services = app, services

    def set_options(self, **rows):
        self.services.snapshots.current = SimpleNamespace(options=read_options(rows), is_set_up=False)

    @asynccontextmanager
    async def visitor(self, peer="127.0.0.1"):
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
            yield http

    async def sign_in(self, http, username, password=PASSWORD):
        reply = (await http.post("/api/user/login", json={"username": username, "password": password})).json()
        assert reply["success"], reply
        http.headers["New-Api-User"] = str(reply["data"]["id"])
        return reply["data"]

    async def set_up(self, http):
        body = {"username": "root", "password": PASSWORD, "confirmPassword": PASSWORD}
        reply = await http.post("/api/setup", json=body)
        assert reply.json()["success"], reply.text
        return await self.sign_in(http, "root")


@pytest.fixture(scope="session", autouse=True)
def one_ui():
    """What all consoles serve alike is read and compressed once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app_module, "UiFiles", functools.cache(app_module.UiFiles))
        yield


async def start_console(services):
    """The application; made in a thread, as BlackSheep reads the sources of the whole stack, which pytest makes a deep one."""
    app = await asyncio.to_thread(create_console, services)
    await app.start()
    return app


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A fresh database, made once; every test gets a copy."""
    path = tmp_path_factory.mktemp("fresh") / "one.db"

    async def make():
        engine = make_engine("", sqlite_path=str(path))
        await migrate(engine)
        await engine.dispose()

    asyncio.run(make())
    return path


def copy_database(migrated, folder):
    for file in migrated.parent.iterdir():  # with what the journal still holds
        shutil.copy(file, folder / file.name)


@pytest.fixture
async def console(tmp_path, migrated, valkey_server, monkeypatch):
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "_DUMMY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4, prefix=b"2a")))
    copy_database(migrated, tmp_path)
    engine = make_engine("", sqlite_path=str(tmp_path / "one.db"))
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    config = read_config({"CRITICAL_RATE_LIMIT": "1000", "GLOBAL_API_RATE_LIMIT": "100000"})
    store = SimpleNamespace(current=SimpleNamespace(options=read_options({}), is_set_up=False))
    async with httpx.AsyncClient() as http:
        services = Services(
            config=config,
            snapshots=store,
            engine=engine,
            log_engine=engine,
            redis=redis,
            http=http,
            vault=Vault("v" * 32),
        )
        app = await start_console(services)
        yield Console(app, services)
        await app.stop()
    await redis.aclose()
    await engine.dispose()
