"""What is wrong with an installation: every check answers with one sentence, and changes nothing."""

import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Any

import bcrypt
from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from schema.config import Config
from schema.database import Engine, database_clock_offset_ms, make_engine
from schema.ledger.keys import METRICS, PARTITIONS, WORKERS
from schema.migrate import SchemaTooNew, migrate, read_meta
from schema.options import is_secret, read_options
from schema.redis_client import ClusterRedis, servers_of
from schema.secrets import SealError, Vault
from schema.tables import Channel, OptionRow, User

FREE_BYTES_MIN = 1 << 30  # of the disk that holds the data folder
OPEN_FILES_MIN = 4096
CLOCK_MS_MAX = 2_000
LAG_S_MAX = 60.0
ROOT = 100  # role
KNOWN_PASSWORDS = ("123456", "12345678", "password")  # what the predecessors create, and what people type
PLACEHOLDERS = frozenset({"changeme", "secret", "random_string", "your_secret"})
SECRET_CHARS_MIN = 16


class Verdict(Enum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(Struct, frozen=True):
    verdict: Verdict
    check: str
    sentence: str


Findings = list[Finding]


def _ok(check: str, sentence: str) -> Finding:
    return Finding(Verdict.OK, check, sentence)


def _warn(check: str, sentence: str) -> Finding:
    return Finding(Verdict.WARN, check, sentence)


def _fail(check: str, sentence: str) -> Finding:
    return Finding(Verdict.FAIL, check, sentence)


async def examine(config: Config, redis: Any | None) -> Findings:
    """All checks. `redis` None: it cannot be reached, or the embedded one is not running."""
    engine = make_engine(config.sql_dsn, sqlite_path=config.sqlite_file, pool_size=1, pool_max=2)
    try:
        findings = [*check_machine(config), *check_secrets(config)]
        database = await _guarded("database", lambda: check_database(engine))
        findings += database
        if all(one.verdict is not Verdict.FAIL for one in database):
            findings += await _guarded("contents", lambda: check_contents(engine, config))
    finally:
        await engine.dispose()
    if redis is None:
        return [*findings, _warn("redis", "not running; `medusa up` starts the embedded one.")]
    return findings + await _guarded("redis", lambda: check_redis(redis, config))


async def _guarded(check: str, work: Callable[[], Awaitable[Findings]]) -> Findings:
    try:
        return await work()
    except (DBAPIError, RedisError, OSError) as error:
        return [_fail(check, f"cannot be used: {type(error).__name__}; look at its address and its log.")]


def check_machine(config: Config) -> Findings:
    """Disk, open files, the built user interface."""
    import resource

    folder = Path(config.data_dir)
    findings = []
    if not os.access(folder, os.W_OK):
        findings.append(_fail("data folder", f"{folder} cannot be written; set DATA_DIR."))
    else:
        free = shutil.disk_usage(folder).free
        text = f"{free >> 20} MB are free in {folder}"
        findings.append(_ok("disk", text) if free >= FREE_BYTES_MIN else _warn("disk", f"{text}: make room."))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < OPEN_FILES_MIN:
        findings.append(_warn("open files", f"the limit is {files}; each open call needs two: raise it (ulimit -n)."))
    else:
        findings.append(_ok("open files", f"the limit is {files}"))
    return findings


def check_secrets(config: Config) -> Findings:
    """Those of the environment. None of them is printed."""
    findings = []
    for name, value in (("SESSION_SECRET", config.session_secret), ("CRYPTO_SECRET", config.crypto_secret)):
        if value.lower() in PLACEHOLDERS or len(value) < SECRET_CHARS_MIN:
            findings.append(_fail(name, f"is too easy to guess: use at least {SECRET_CHARS_MIN} random characters."))
        else:
            findings.append(_ok(name, f"has {len(value)} characters"))
    if config.crypto_secret_old:
        findings.append(_warn("CRYPTO_SECRET_OLD", "is set: run `medusa secrets rotate`, then remove it."))
    file = Path(config.data_dir) / "session_secret"
    if file.exists() and file.stat().st_mode & 0o077:
        findings.append(_fail("session_secret", f"{file} can be read by others: chmod 600 it."))
    return findings


async def check_database(engine: Engine) -> Findings:
    """It answers, has our tables, and agrees with our clock."""
    try:
        steps = await migrate(engine, check=True)
    except SchemaTooNew as error:
        return [_fail("database", str(error))]
    if steps:
        return [_fail("database", f"{len(steps)} migration steps are missing: run `medusa migrate`.")]
    findings = [_ok("database", f"{engine.dialect.name}, adopted from: {await read_meta(engine, 'origin')}")]
    offset = await database_clock_offset_ms(engine)
    if abs(offset) > CLOCK_MS_MAX:
        findings.append(_warn("clock", f"differs from the database's by {offset} ms: set up NTP on both."))
    return findings


async def check_contents(engine: Engine, config: Config) -> Findings:
    """Accounts, sealed secrets, settings that need each other."""
    async with engine.connect() as db:
        roots = (await db.execute(select(User.username, User.password).where(User.role == ROOT))).all()
        keys = (await db.execute(select(Channel.id, Channel.status, Channel.key))).all()
        rows = {row.key: row.value or "" for row in await db.execute(select(OptionRow.key, OptionRow.value))}
    vault = Vault(config.crypto_secret, config.crypto_secret_old)
    findings = [_check_root(roots)]
    closed = [f"channel {row.id}" for row in keys if row.key and not _opens(vault, row.key)]
    closed += [key for key, value in rows.items() if is_secret(key) and value and not _opens(vault, value)]
    if closed:
        named = ", ".join(closed[:5])
        findings.append(
            _fail("sealed secrets", f"{len(closed)} cannot be opened ({named}): CRYPTO_SECRET is not theirs.")
        )
    else:
        findings.append(_ok("sealed secrets", "all can be opened"))
    enabled = sum(row.status == 1 for row in keys)
    text = f"{enabled} of {len(keys)} are enabled"
    findings.append(_ok("channels", text) if enabled else _warn("channels", f"{text}: every call fails."))
    return findings if closed else [*findings, *_check_options({k: vault.unseal(v) for k, v in rows.items()})]


def _opens(vault: Vault, text: str) -> bool:
    try:
        vault.unseal(text)
    except SealError:
        return False
    return True


def _check_root(roots: Any) -> Finding:
    if not roots:
        return _warn("root account", "there is none: open the web page and set up.")
    for row in roots:
        stored = (row.password or "").encode()
        if stored.startswith(b"$2") and any(bcrypt.checkpw(word.encode(), stored) for word in KNOWN_PASSWORDS):
            return _fail("root account", f"{row.username} has a password that everybody knows: change it now.")
    return _ok("root account", f"{len(roots)}")


def _check_options(rows: dict[str, str]) -> Findings:
    options = read_options(rows)
    findings = []
    sells = bool(options.epay_key or options.stripe_api_secret)
    if sells and not options.server_address:
        findings.append(_fail("payments", "ServerAddress is not set: no call-back can arrive."))
    if bool(options.stripe_api_secret) != bool(options.stripe_webhook_secret):
        findings.append(_fail("payments", "of StripeApiSecret and StripeWebhookSecret one is missing: Stripe is off."))
    if options.epay_key and not (options.epay_id and options.pay_address):
        findings.append(_fail("payments", "EpayId or PayAddress is missing: epay is off."))
    return findings


async def check_redis(redis: Any, config: Config) -> Findings:
    """Its settings, the number of partitions, living workers, how far they are behind, the drift of the books."""
    return [*await _check_keeping(redis, config), *await _guarded("redis", lambda: _check_state(redis, config))]


async def _check_state(redis: Any, config: Config) -> Findings:
    findings: Findings = []
    stored = await redis.get(PARTITIONS)
    if stored is not None and int(stored) != config.partitions:
        findings.append(_fail("partitions", f"LEDGER_PARTITIONS is {config.partitions}, Redis has {int(stored)}."))
    alive = await redis.zrangebyscore(WORKERS, int(time.time() * 1000), "+inf")
    if not alive:
        return [*findings, _warn("workers", "none is alive: calls are not settled, jobs do not run.")]
    findings.append(_ok("workers", f"{len(alive)} alive"))
    figures = [await redis.hgetall(METRICS + node.decode()) for node in alive]
    lag_s = max((float(one.get(b"settle_lag_seconds", 0)) for one in figures), default=0.0)
    if lag_s > LAG_S_MAX:
        findings.append(_fail("settlement", f"is {lag_s:.0f} s behind: look at the workers' log and the database."))
    else:
        findings.append(_ok("settlement", f"{lag_s:.0f} s behind"))
    drift = float(await redis.hget(METRICS + "ledger", "drift_units") or 0)
    findings.append(_fail("books", f"differ by {drift:.0f} units.") if drift else _ok("books", "add up"))
    return findings


async def _check_keeping(redis: Any, config: Config) -> Findings:
    """It must neither evict nor forget, every node of a cluster; nor may one that is lost stop the others."""
    servers = await servers_of(redis)
    cluster = isinstance(redis, ClusterRedis)
    findings: Findings = []
    if cluster and (missing := redis.unserved()):
        findings.append(_fail("redis", f"{missing} slots of the cluster have no node: calls of their accounts fail."))
    for server in servers:
        place = f"{_name_of(server)} " if cluster else ""
        findings += await _check_server(server, config, place)
    text = f"{len(servers)} primaries keep what they are given" if cluster else "keeps what it is given"
    return findings or [_ok("redis", text)]


def _name_of(server: Any) -> str:
    place = server.connection_pool.connection_kwargs
    return f"{place['host']}:{place['port']}"


async def _check_server(redis: Any, config: Config, place: str) -> Findings:
    """One server. A hosted Redis may not tell. `place`: of a cluster's node, for the sentence."""
    try:
        await redis.ping()
    except RedisError:
        return [_fail("redis", f"{place}does not answer: bring it back.")]
    try:
        settings = await redis.config_get("maxmemory-policy", "appendonly", "cluster-require-full-coverage")
    except RedisError:
        text = "does not tell its settings: it must not evict keys, and should keep an append-only file."
        return [_warn("redis", place + text)]
    findings = []
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and not config.allow_eviction:
        findings.append(
            _fail("redis", f"{place}maxmemory-policy is {policy}: it may drop usage records; set noeviction.")
        )
    if settings.get("appendonly") != "yes":
        text = "keeps no append-only file: a restart loses what was not settled yet."
        findings.append(_warn("redis", place + text))
    if place and settings.get("cluster-require-full-coverage", "no") != "no":
        text = "has cluster-require-full-coverage yes: one lost node stops all of them; set no."
        findings.append(_warn("redis", place + text))
    return findings


async def worker_is_alive(redis: Any, config: Config) -> bool:
    """Whether a worker of this machine has shown itself within its lease; for the health check of its container."""
    prefix = f"{config.node_name or socket.gethostname()}:worker:"
    alive = await redis.zrangebyscore(WORKERS, int(time.time() * 1000), "+inf")
    return any(node.decode().startswith(prefix) for node in alive)
