"""What settings do to channels that fail and to the jobs of workers: each observer of a stage (test_settings_table) tells it."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import delete, func, insert, select, update

from edge.health.breaker import Breaker, read_rules
from edge.health.recent import read_recent
from edge.health.verdicts import Verdicts, find_verdict
from schema.dialects.neutral import UpstreamError
from schema.own_tables import AsyncTask, ChannelEvent
from schema.tables import Ability, AuditEntry, Channel, OptionRow, QuotaData, User
from schema.upstreams import runs
from schema.upstreams.account import read_account
from schema.upstreams.balances import Balance
from schema.upstreams.refreshed import judge_balance
from schema.upstreams.tested import Bench
from workers.jobs import channels as channel_jobs
from workers.jobs import notify
from workers.jobs.retention import delete_old

Observe = Callable[[Any], Awaitable[Any]]
DAY_S = 86_400
_ids = itertools.count(5_000)


# --- channels that fail ---


async def verdict_by_keyword(stage: Any) -> Any:
    error = UpstreamError("Sorry: MY OWN WORDS.", status=400)
    return find_verdict(SimpleNamespace(type=1), 400, 400, error, stage.options) is not None


async def errors_until_off(stage: Any) -> Any:
    """How many errors, a hundred seconds apart and with six calls, switch a channel off; 0 for never."""
    board = SimpleNamespace(cells={(1, "m"): SimpleNamespace(calls=6)})
    verdicts = Verdicts(stage.services.engine, stage.services.redis, board)
    verdicts.switch_off = lambda *_: True
    channel = SimpleNamespace(id=1, auto_ban=True, key_name="")
    for number in range(1, 8):
        if verdicts.consider(channel, None, stage.options, now=number * 100.0, evidence=None):
            return number
    return 0


async def failures_until_open(stage: Any) -> Any:
    breaker, rules = Breaker(0.0), read_rules(stage.options)
    return next((number for number in range(1, 9) if breaker.failure(0.0, "server", rules)), 0)


def open_for(trials: int) -> Observe:
    """Seconds that a breaker stays open after so many failed trials."""

    async def observe(stage: Any) -> Any:
        breaker, rules, now = Breaker(0.0), read_rules(stage.options), 0.0
        while not breaker.failure(now, "server", rules):
            pass
        for _ in range(trials):
            now = breaker.until
            breaker.advance(now)
            breaker.failure(now, "server", rules)
        return breaker.until - now

    return observe


async def share_found_low(stage: Any) -> Any:
    """After how many calls, two of three good, the rule of recent results speaks; 0 for never."""
    recent = read_recent(stage.config)
    if recent is None:
        return 0
    return next((number for number in range(1, 13) if recent.note(1, good=number % 3 > 0) is not None), 0)


# --- the jobs of workers ---


def _worker(stage: Any) -> Any:
    async def refresh() -> Any:
        return stage.options

    redis = Redis.from_url(f"redis://{_address(stage)}")
    queued: list[Any] = []

    async def enqueue(*arguments: Any) -> None:
        queued.append(arguments)

    redis.enqueue_job = enqueue
    options = SimpleNamespace(current=stage.options, refresh=refresh)
    services = stage.services
    config = type(stage.config)(crypto_secret="v" * 32, polling_interval_s=stage.config.polling_interval_s,
        channel_test_frequency_min=stage.config.channel_test_frequency_min,
        channel_update_frequency_min=stage.config.channel_update_frequency_min)  # fmt: skip
    return SimpleNamespace(
        config=config,
        engine=services.engine,
        log_engine=services.log_engine,
        redis=redis,
        options=options,
        queued=queued,
    )


def _address(stage: Any) -> str:
    told = stage.services.redis.connection_pool.connection_kwargs
    return f"{told['host']}:{told['port']}"


async def _own_channel(stage: Any, *, status: int = 1, info: str = "") -> int:
    """A channel alone in its group."""
    number = next(_ids)
    async with stage.services.engine.begin() as db:
        await db.execute(
            insert(Channel).values(id=number, type=1, provider="openai", name=f"c{number}", key="k", status=status, models="m",
                group=f"g{number}", base_url="http://127.0.0.1:1", auto_ban=1, priority=0, weight=0, other_info=info)
        )  # fmt: skip
        await db.execute(insert(Ability).values(group=f"g{number}", model="m", channel_id=number, enabled=status == 1))
    return number


async def _remove_channel(stage: Any, number: int) -> None:
    async with stage.services.engine.begin() as db:
        await db.execute(delete(Ability).where(Ability.channel_id == number))
        await db.execute(delete(Channel).where(Channel.id == number))


def balance_read(dollars: float) -> Observe:
    """(what a run does with the balance, notices queued)."""

    async def observe(stage: Any) -> Any:
        services, number = stage.services, await _own_channel(stage)
        await services.redis.flushall()
        async with services.engine.connect() as db:
            row = (await db.execute(select(*Channel.__table__.columns).where(Channel.id == number))).one()
        bench = Bench(
            engine=services.engine,
            log_engine=services.engine,
            redis=services.redis,
            options=stage.options,
            settings=None,
        )
        account = read_account(row, services.vault, one_api=False)
        done = await judge_balance(bench, account, Balance(dollars, "USD"))
        await _remove_channel(stage, number)
        return done, await services.redis.zcard("arq:queue")

    return observe


def scheduled(name: str, *rows: str) -> Observe:
    """Minutes until a run, as workers keep them in Redis."""

    async def observe(stage: Any) -> Any:
        worker, redis = _worker(stage), stage.services.redis
        await redis.flushall()
        async with worker.engine.begin() as db:
            await db.execute(delete(OptionRow).where(OptionRow.key.in_(rows)))
            for key in rows:
                await db.execute(insert(OptionRow).values(key=key, value="-"))  # it is set; its value is the stage's
        await channel_jobs.start_due({"worker": worker})
        held = await redis.get(channel_jobs.NEXT + name)
        async with worker.engine.begin() as db:
            await db.execute(delete(OptionRow).where(OptionRow.key.in_(rows)))
        await worker.redis.aclose()
        return int(held.split()[1]) if held else 0

    return observe


async def probes(stage: Any) -> Any:
    """Whether a channel that a rule switched off ten minutes ago is tested."""
    number = await _own_channel(stage, status=3, info=json.dumps({"status_time": int(time.time()) - 610}))
    worker = _worker(stage)
    await channel_jobs.start_due({"worker": worker})
    tests = await stage.one(select(func.count()).where(ChannelEvent.channel_id == number, ChannelEvent.kind == "test"))
    await _remove_channel(stage, number)
    await worker.redis.aclose()
    return tests


async def pause_between_channels(stage: Any) -> Any:
    """Seconds that a run over two channels sleeps."""
    slept: list[float] = []
    worker = _worker(stage)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with worker.engine.begin() as db:
        await db.execute(update(Channel).values(status=Channel.status + 10))
    one, other = await _own_channel(stage), await _own_channel(stage)
    kept = runs.asyncio
    runs.asyncio = SimpleNamespace(sleep=sleep, Semaphore=asyncio.Semaphore, gather=asyncio.gather)
    try:
        await channel_jobs.refresh_balances({"worker": worker}, False)
    finally:
        runs.asyncio = kept
        for number in (one, other):
            await _remove_channel(stage, number)
        async with worker.engine.begin() as db:
            await db.execute(update(Channel).values(status=Channel.status - 10))
        await worker.redis.aclose()
    return int(sum(slept))


def deleted(what: str) -> Observe:
    """How many of the old rows the nightly job takes."""

    async def observe(stage: Any) -> Any:
        now_s, number = int(time.time()), next(_ids)
        old_s = now_s - 40 * DAY_S
        async with stage.services.engine.begin() as db:
            if what == "async_tasks":
                await db.execute(
                    insert(AsyncTask).values(
                        task_key=f"old{number}", platform="mj", user_id=1, status="SUCCESS", submit_at=old_s * 1000
                    )
                )
            elif what == "audit":
                await db.execute(insert(AuditEntry).values(at_ms=old_s * 1000, actor_id=1, action="x"))
            elif what == "hours_merged":
                hours = [old_s - old_s % DAY_S + hour * 3600 for hour in (1, 2)]
                await db.execute(insert(QuotaData), [
                    {"user_id": number, "username": "o", "model_name": "m", "created_at": hour, "count": 1, "token_used": 1, "quota": 1}
                    for hour in hours
                ])  # fmt: skip
            else:
                gone = datetime.now(UTC) - timedelta(days=40)
                await db.execute(
                    insert(User).values(id=number, username=f"gone{number}", email="o@example.com", role=1, status=1, aff_code=f"g{number}",
                        deleted_at=gone)
                )  # fmt: skip
        worker = _worker(stage)
        done = await delete_old({"worker": worker})
        await worker.redis.aclose()
        return done.get(what, 0) > 0

    return observe


async def notice_window(stage: Any) -> Any:
    """Minutes for which a notice counts."""
    worker = _worker(stage)
    worker.config = stage.config
    await stage.services.redis.flushall()
    async with stage.services.engine.begin() as db:
        webhook = json.dumps({"notify_type": "webhook", "webhook_url": "http://127.0.0.1/"})
        await db.execute(update(User).where(User.id == 10).values(setting=webhook))
    ctx = {"worker": worker, "job_id": "j", "job_try": 1, "redis": worker.redis}
    assert await notify.notify(ctx, 10, "quota_exceed", {"quota": 1, "threshold": 2}) == "address refused"
    left_ms = await stage.services.redis.pttl("mx:notice:limit:10:quota_exceed")
    await worker.redis.aclose()
    return -(-left_ms // 60_000)
