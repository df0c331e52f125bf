"""Channels looked at from time to time: tests of all, probes of switched-off ones at growing intervals, balances."""

import asyncio
import secrets
import time
from typing import Any

import structlog
from sqlalchemy import delete, func, select

from schema.dialects.providers.settings import read_settings
from schema.migrate import read_meta
from schema.own_tables import ChannelEvent
from schema.redis_client import queue_of
from schema.secrets import SealError, Vault
from schema.tables import Channel, OptionRow
from schema.upstreams.account import Account, read_account
from schema.upstreams.balances import NotOffered
from schema.upstreams.exchange import Failed
from schema.upstreams.refreshed import judge_balance, refresh_balance
from schema.upstreams.runs import BALANCE_LOCK, LEASE_S, RUN_LOCK, Progress, in_scope, run_all
from schema.upstreams.status import BY_RULE, ENABLED, notify
from schema.upstreams.tested import Bench, judge, run_test
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)

PROBE_AFTER_MIN = (1, 2, 5, 10, 30, 60)  # minutes after a channel was switched off; from then on hourly
TESTS_KEPT_DAYS = 30  # events of kind test
PRUNED_MAX = 5_000  # of them at once
NEXT = "mx:channels:next:"  # + job: exists while its interval has not passed


async def read_accounts(worker: Worker) -> list[tuple[Account, str | None]]:
    """Every channel and its tag, highest priority first."""
    config = worker.config
    vault = Vault(config.crypto_secret or config.session_secret, config.crypto_secret_old)
    one_api = await read_meta(worker.engine, "origin") == "one-api"
    async with worker.engine.connect() as db:
        wanted = select(*Channel.__table__.columns).order_by(Channel.priority.desc(), Channel.id)
        rows = (await db.execute(wanted)).all()
    found = []
    for row in rows:
        try:
            found.append((read_account(row, vault, one_api=one_api), row.tag))
        except SealError:
            log.error("channel_key_cannot_be_opened", channel=row.id)
    return found


async def bench_of(worker: Worker) -> Bench:
    options = await worker.options.refresh()
    return Bench(
        engine=worker.engine,
        log_engine=worker.log_engine,
        redis=worker.redis,
        options=options,
        settings=read_settings(options, worker.config),
    )


async def test_channels(ctx: dict[str, Any], run_id: str, scope: str, by_hand: bool) -> None:
    """The lock was taken by who started the run; it is given back here."""
    worker: Worker = ctx["worker"]
    bench = await bench_of(worker)

    async def step(account: Account) -> tuple[bool, str]:
        try:
            result = await run_test(bench, account, actor="test")
            return result.ok, await judge(bench, account, result) or result.message
        except Exception as error:
            log.error("channel_not_tested", channel=account.id, error=type(error).__name__)
            return False, "the test could not be carried out"

    progress = Progress(run_id=run_id, scope=scope, started_s=int(time.time()))
    try:
        found = await read_accounts(worker)
        wanted = [account for account, tag in found if in_scope(account, tag, scope, by_hand_too=by_hand)]
        await run_all(worker.redis, progress, wanted, step, pause_s=worker.config.polling_interval_s)
    finally:
        await _give_back(worker.redis, RUN_LOCK, run_id)
    if by_hand:
        await notify(
            worker.engine, worker.redis, "channel_test", total=progress.total, passed=progress.passed,
            disabled=progress.disabled, enabled=progress.enabled,
        )  # fmt: skip


async def refresh_balances(ctx: dict[str, Any], by_hand: bool) -> int:
    """Enabled channels only; failures are left out. Returns how many balances were read."""
    worker: Worker = ctx["worker"]
    bench = await bench_of(worker)

    async def step(account: Account) -> tuple[bool, str]:
        try:
            held = await refresh_balance(bench, account)
            return True, await judge_balance(bench, account, held)
        except NotOffered:
            return False, ""
        except Failed as failed:
            log.info("balance_not_read", channel=account.id, reason=str(failed)[:200])
            return False, str(failed)

    progress = Progress(run_id="balances", started_s=int(time.time()))
    try:
        wanted = [account for account, _ in await read_accounts(worker) if account.status == ENABLED]
        await run_all(worker.redis, progress, wanted, step, pause_s=worker.config.polling_interval_s)
    finally:
        await worker.redis.delete(BALANCE_LOCK)
    return progress.passed


async def _give_back(redis: Any, name: str, owner: str) -> None:
    held = await redis.get(name)
    if held is not None and held.decode() == owner:
        await redis.delete(name)


async def start_due(ctx: dict[str, Any]) -> None:
    """Every minute: what the options ChannelTestIntervalMinutes and ChannelUpdateIntervalMinutes ask for now."""
    worker: Worker = ctx["worker"]
    options = await worker.options.refresh()
    redis = worker.redis
    tests, balances = await _intervals(worker)
    if await _is_due(redis, "tests", tests):
        run_id = secrets.token_hex(8)
        if await redis.set(RUN_LOCK, run_id, nx=True, ex=LEASE_S):
            await queue_of(redis).enqueue_job("test_channels", run_id, "all", False)
    if await _is_due(redis, "balances", balances) and await redis.set(BALANCE_LOCK, "1", nx=True, ex=LEASE_S):
        await queue_of(redis).enqueue_job("refresh_balances", False)
    if options.auto_enable_probe and options.automatic_enable_channel_enabled:
        await probe_switched_off(worker)
    await _prune(worker)


async def _intervals(worker: Worker) -> tuple[int, int]:
    """Minutes between tests and between refreshes: the stored options, else CHANNEL_TEST_FREQUENCY and its sister."""
    keys = ("ChannelTestIntervalMinutes", "ChannelUpdateIntervalMinutes")
    async with worker.engine.connect() as db:
        stored = set((await db.execute(select(OptionRow.key).where(OptionRow.key.in_(keys)))).scalars())
    options, config = worker.options.current, worker.config
    return (
        options.channel_test_interval_minutes if keys[0] in stored else config.channel_test_frequency_min,
        options.channel_update_interval_minutes if keys[1] in stored else config.channel_update_frequency_min,
    )


async def _is_due(redis: Any, name: str, minutes: int) -> bool:
    """The first run comes one interval after the setting; a changed interval begins anew."""
    key = NEXT + name
    if not minutes:
        await redis.delete(key)
        return False
    now_s = time.time()
    held = await redis.get(key)
    due_s, interval = (float(part) for part in held.decode().split()) if held else (0.0, 0.0)
    if interval == minutes and now_s < due_s:
        return False
    await redis.set(key, f"{now_s + minutes * 60 - 5} {minutes}", ex=minutes * 120)
    return bool(interval == minutes)


def probe_is_due(off_s: float, since_probe_s: float) -> bool:
    """Args: seconds since the channel was switched off, and since it was last tested (or switched off)."""
    passed = [minute * 60 for minute in PROBE_AFTER_MIN if minute * 60 <= off_s]
    if not passed:
        return False
    if passed[-1] == PROBE_AFTER_MIN[-1] * 60:
        return since_probe_s >= 3600 - 30
    return since_probe_s >= off_s - passed[-1]  # not tested since the last mark


async def probe_switched_off(worker: Worker) -> int:
    """Test channels that a rule switched off, when their time has come. Returns how many were tested."""
    now_s = int(time.time())
    async with worker.engine.connect() as db:
        newest = (
            select(ChannelEvent.channel_id, func.max(ChannelEvent.at_ms))
            .where(ChannelEvent.kind == "test", ChannelEvent.at_ms > (now_s - 2 * 86_400) * 1000)
            .group_by(ChannelEvent.channel_id)
        )
        tested_s = {row[0]: row[1] / 1000 for row in await db.execute(newest)}
    bench = await bench_of(worker)
    due = []
    for account, _ in await read_accounts(worker):
        if account.status != BY_RULE:
            continue
        off_at = float(account.info.get("status_time") or 0)
        if probe_is_due(now_s - off_at, now_s - max(off_at, tested_s.get(account.id, 0.0))):
            due.append(account)

    async def probe(account: Account) -> None:
        result = await run_test(bench, account, actor="probe")
        await judge(bench, account, result)

    room = asyncio.Semaphore(8)

    async def one(account: Account) -> None:
        async with room:
            await probe(account)

    await asyncio.gather(*(one(account) for account in due))
    return len(due)


async def _prune(worker: Worker) -> None:
    before_ms = (int(time.time()) - TESTS_KEPT_DAYS * 86_400) * 1000
    old = select(ChannelEvent.id).where(ChannelEvent.kind == "test", ChannelEvent.at_ms < before_ms).limit(PRUNED_MAX)
    async with worker.engine.connect() as db:
        ids = list((await db.execute(old)).scalars())
    if ids:
        async with worker.engine.begin() as db:
            await db.execute(delete(ChannelEvent).where(ChannelEvent.id.in_(ids)))


JOBS = [
    Job(name="channels_due", run=start_due, every_s=60, timeout_s=300),
    Job(name="test_channels", run=test_channels, timeout_s=LEASE_S),
    Job(name="refresh_balances", run=refresh_balances, timeout_s=LEASE_S),
]
