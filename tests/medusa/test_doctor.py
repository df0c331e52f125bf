"""What the doctor finds: each ailment is made, and its sentence appears."""

import os
import subprocess
import sys
import time
from pathlib import Path

import bcrypt
import pytest
from redis.asyncio import Redis
from sqlalchemy import insert

from medusa import doctor
from medusa.doctor import Verdict
from schema.config import ensure_secrets, read_config
from schema.database import make_engine
from schema.ledger.keys import METRICS, PARTITIONS, WORKERS
from schema.migrate import migrate
from schema.secrets import Vault
from schema.tables import Channel, OptionRow, User

ROOT = Path(__file__).parents[2]
SECRETS = {"SESSION_SECRET": "s" * 40, "CRYPTO_SECRET": "c" * 40}


class Patient:
    def __init__(self, config, redis):
        self.config, self.redis = config, redis
        self.engine = make_engine("", sqlite_path=config.sqlite_file)

    async def insert(self, table, **values):
        async with self.engine.begin() as db:
            await db.execute(insert(table).values(**values))

    async def findings(self, *, redis=True):
        found = await doctor.examine(self.config, self.redis if redis else None)
        return {(one.check, one.verdict) for one in found}

    async def failures(self):
        return {check for check, verdict in await self.findings() if verdict is Verdict.FAIL}


@pytest.fixture
async def patient(tmp_path, valkey_server):
    environ = {"DATA_DIR": str(tmp_path), "REDIS_CONN_STRING": valkey_server, "NODE_NAME": "here", **SECRETS}
    redis = Redis.from_url(valkey_server)
    await redis.flushall()
    found = Patient(ensure_secrets(read_config(environ)), redis)
    await migrate(found.engine)
    yield found
    await found.engine.dispose()
    await redis.aclose()


async def test_a_healthy_installation(patient):
    password = bcrypt.hashpw(b"long and unknown", bcrypt.gensalt(4)).decode()
    await patient.insert(User, username="root", password=password, role=100)
    await patient.insert(Channel, name="one", key=Vault("c" * 40).seal("sk-1"), status=1)
    await patient.redis.zadd(WORKERS, {"here:worker:1": int(time.time() * 1000) + 60_000})
    findings = await patient.findings()
    assert await patient.failures() == set()
    assert {
        ("root account", Verdict.OK),
        ("channels", Verdict.OK),
        ("workers", Verdict.OK),
        ("books", Verdict.OK),
    } <= findings
    assert await doctor.worker_is_alive(patient.redis, patient.config)


async def test_ailments_of_the_database(patient):
    known = bcrypt.hashpw(b"123456", bcrypt.gensalt(4)).decode()
    await patient.insert(User, username="root", password=known, role=100)
    await patient.insert(Channel, name="one", key=Vault("another secret" * 3).seal("sk-1"), status=2)
    assert await patient.failures() == {"root account", "sealed secrets"}
    assert ("channels", Verdict.WARN) in await patient.findings()


@pytest.mark.parametrize(
    "rows",
    [
        {"StripeApiSecret": "sk_1", "ServerAddress": "https://gw.example.com"},
        {"EpayKey": "k", "ServerAddress": "https://gw.example.com"},
        {"EpayKey": "k", "EpayId": "1", "PayAddress": "https://pay.example.com"},
    ],
)
async def test_payments_that_cannot_work(patient, rows):
    for key, value in rows.items():
        await patient.insert(OptionRow, key=key, value=value)
    assert await patient.failures() == {"payments"}


async def test_ailments_of_redis(patient):
    assert ("workers", Verdict.WARN) in await patient.findings()
    assert not await doctor.worker_is_alive(patient.redis, patient.config)
    await patient.redis.set(PARTITIONS, 3)
    await patient.redis.zadd(WORKERS, {"there:worker:1": int(time.time() * 1000) + 60_000, "here:worker:9": 5})
    await patient.redis.hset(METRICS + "there:worker:1", "settle_lag_seconds", 900)
    await patient.redis.hset(METRICS + "ledger", "drift_units", 7)
    await patient.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert await patient.failures() == {"partitions", "settlement", "books", "redis"}
    finally:
        await patient.redis.config_set("maxmemory-policy", "noeviction")
    assert not await doctor.worker_is_alive(patient.redis, patient.config), "that lease is over"
    assert ("redis", Verdict.WARN) in await patient.findings(redis=False)


def test_easy_secrets(tmp_path):
    config = read_config({"DATA_DIR": str(tmp_path), "SESSION_SECRET": "changeme", "CRYPTO_SECRET": "c" * 40})
    verdicts = {one.check: one.verdict for one in doctor.check_secrets(config)}
    assert verdicts == {"SESSION_SECRET": Verdict.FAIL, "CRYPTO_SECRET": Verdict.OK}
    (tmp_path / "session_secret").write_text("x")
    (tmp_path / "session_secret").chmod(0o644)
    assert "session_secret" in {one.check for one in doctor.check_secrets(config)}


def test_the_command(tmp_path):
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path / "d")}

    def run(*words):
        command = [sys.executable, "-m", "medusa.cli", "doctor", *words]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    done = run("--json")
    assert done.returncode == 1, done.stderr
    assert "run `medusa migrate`" in done.stdout
    assert run("--worker").returncode == 1
    secret = (tmp_path / "d" / "session_secret").read_text().strip()
    assert secret not in done.stdout + done.stderr
