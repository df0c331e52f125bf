"""Secrets at rest: sealed from the first start in a new installation, in an adopted one after the command; turned, and opened."""

import asyncio
import sqlite3
from contextlib import closing

import httpx
import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from schema.config import read_config
from schema.database import make_engine
from schema.migrate import migrate, read_meta
from schema.secrets import SealError, Vault
from tests.docs.test_commands import APP
from tests.edge.console.routes_walk import ROOT, headers_of, open_console, seed
from tests.schema.old_databases import load_old

OLD, NEW = "o" * 40, "n" * 40
SECRETS = ("sk-upstream-1", "pass-of-proxy", "epay-key-1", "smtp-token-1", "webhook-1")
CHANNEL = {
    "name": "c", "type": 1, "key": SECRETS[0], "models": "m", "setting": '{"proxy":"socks5://u:pass-of-proxy@127.0.0.1:1"}',
}  # fmt: skip


async def _fill(database, redis_url: str) -> list[str]:
    """Root makes a channel and secret settings; every reply that lists them."""
    engine = make_engine("", sqlite_path=str(database))
    redis = Redis.from_url(redis_url)
    await redis.flushall()
    seals = await read_meta(engine, "secrets_at_rest") == "aesgcm"
    async with httpx.AsyncClient() as outside:
        config = read_config({"GLOBAL_API_RATE_LIMIT_ENABLE": "false"})
        app = await open_console(engine, redis, outside, config, Vault(OLD, seals=seals))
        headers = await headers_of(redis, ROOT, by_cookie=True, renewed={})
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://console", headers=headers
        ) as http:
            made = (await http.post("/api/channel/", json=CHANNEL)).json()
            assert made["success"], made
            for key, value in (("EpayKey", SECRETS[2]), ("SMTPToken", SECRETS[3])):
                assert (await http.put("/api/option/", json={"key": key, "value": value})).json()["success"]
            setting = {"notify_type": "webhook", "quota_warning_threshold": 1, "webhook_url": "https://h.example.com/a"}
            assert (await http.put("/api/user/setting", json={**setting, "webhook_secret": SECRETS[4]})).json()[
                "success"
            ]
            pages = (
                "/api/channel/?page_size=1000", "/api/channel/search?keyword=c", f"/api/channel/{made['data'][0]}", "/api/option/",
                "/api/option/?with_secrets_state=1", "/api/status", "/api/audit?page_size=1000", "/api/user/self",
                "/api/user/?page_size=100", f"/api/user/{ROOT}", "/api/option/specs",
            )  # fmt: skip
            texts = [(await http.get(page)).text for page in pages]
            texts.append((await http.put("/api/channel/", json={"id": made["data"][0], "priority": 1})).text)
        await app.stop()
    await redis.aclose()
    await engine.dispose()
    return texts


def _stored(database) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as db:
        key, setting = db.execute("SELECT key, setting FROM channels WHERE name = 'c' AND models = 'm'").fetchone()
        options = dict(db.execute("SELECT key, value FROM options WHERE key IN ('EpayKey', 'SMTPToken')").fetchall())
    return {"key": key, "setting": setting, **options}


def _run(folder, database, *words, **secrets):
    environ = {
        "DATA_DIR": str(folder),
        "SQLITE_PATH": str(database),
        "SESSION_SECRET": "s" * 40,
        "SQL_DSN": "",
        **secrets,
    }
    done = CliRunner().invoke(APP, ["secrets", *words], env=environ)
    return done.exit_code, done.output


def test_a_new_installation_seals_and_turns(tmp_path, valkey_server, monkeypatch):
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "one.db"

    async def begin():
        engine = make_engine("", sqlite_path=str(database))
        await migrate(engine)
        await seed(engine)
        await engine.dispose()

    asyncio.run(begin())
    for text in asyncio.run(_fill(database, valkey_server)):
        assert not [secret for secret in SECRETS if secret in text and secret != SECRETS[1]], text[:500]
    sealed = _stored(database)
    assert all(value.startswith("enc1:") for value in sealed.values()), sealed
    whole = database.read_bytes()
    assert not [secret for secret in SECRETS[:4] if secret.encode() in whole], "not even in a freed page"
    assert Vault(OLD).unseal(sealed["EpayKey"]) == SECRETS[2]

    code, told = _run(tmp_path, database, "rotate", CRYPTO_SECRET=NEW)
    assert code == 1 and "nothing was changed" in told and _stored(database) == sealed
    code, told = _run(tmp_path, database, "rotate", CRYPTO_SECRET=NEW, CRYPTO_SECRET_OLD=OLD)
    assert code == 0, told
    turned = _stored(database)
    assert {name: Vault(NEW).unseal(value) for name, value in turned.items()}["key"] == SECRETS[0]
    for value in turned.values():
        with pytest.raises(SealError):
            Vault(OLD).unseal(value)
    code, _ = _run(tmp_path, database, "decrypt", CRYPTO_SECRET=NEW)
    assert code == 0 and _stored(database) == {
        "key": SECRETS[0], "setting": CHANNEL["setting"], "EpayKey": SECRETS[2], "SMTPToken": SECRETS[3],
    }  # fmt: skip


@pytest.mark.parametrize("writer", ["one-api", "new-api"])
def test_an_adopted_database_stays_plain_until_it_is_told(request, tmp_path, valkey_server, monkeypatch, writer):
    monkeypatch.chdir(tmp_path)
    load_old(request, tmp_path, "sqlite", writer)
    database = tmp_path / "old.db"

    async def begin():
        engine = make_engine("", sqlite_path=str(database))
        await migrate(engine)
        await engine.dispose()
        with closing(sqlite3.connect(database)) as db:  # root is account 3 of the walk
            db.execute("UPDATE users SET role = 100, status = 1 WHERE id = 3")
            db.commit()

    asyncio.run(begin())
    asyncio.run(_fill(database, valkey_server))
    assert _stored(database)["key"] == SECRETS[0], "the predecessor reads it"
    code, told = _run(tmp_path, database, "encrypt", CRYPTO_SECRET=OLD)
    assert code == 0, told
    assert all(value.startswith("enc1:") for value in _stored(database).values())
    with closing(sqlite3.connect(database)) as db:
        db.execute("DELETE FROM channels WHERE name = 'c' AND models = 'm'")
        db.commit()
    asyncio.run(_fill(database, valkey_server))
    assert all(value.startswith("enc1:") for value in _stored(database).values()), "what is written from now on as well"
