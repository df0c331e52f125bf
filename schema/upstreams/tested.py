"""A test with its consequences: stored on the channel, written as an event and a log row, and in runs over all channels
the status that the rules ask for."""

import time
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.dialects.providers.base import Settings
from schema.options import Options
from schema.own_tables import ChannelEvent
from schema.tables import Channel, Log
from schema.upstreams.account import Account
from schema.upstreams.rules import find_rule
from schema.upstreams.status import BY_RULE, ENABLED, Evidence, event_values, set_status
from schema.upstreams.trial import TIMEOUT_S, Result, try_channel

LABEL = "模型测试"  # token name and content of the log row, as operators of the predecessors know it
CONSUMED = 2  # type of the log row
SLOW_EVER_S = 10_000.0  # a threshold of 0 means never


class Bench(Struct, frozen=True, kw_only=True):
    """What a test needs of its process."""

    engine: AsyncEngine
    log_engine: AsyncEngine
    redis: Any  # redis.asyncio
    options: Options
    settings: Settings


async def run_test(
    bench: Bench,
    account: Account,
    *,
    model: str = "",
    stream: bool = False,
    actor: str = "test",
    timeout_s: float = TIMEOUT_S,
) -> Result:
    """Test and store: time and duration also for failures. The test costs nobody anything."""
    private = bench.options.channel_allow_private
    result = await try_channel(
        account, model=model, stream=stream, settings=bench.settings, private=private, timeout_s=timeout_s
    )
    if result.code == "not_testable":
        return result
    now_s = int(time.time())
    evidence = Evidence(
        actor=actor,
        message=result.message,
        status_code=result.status,
        keyword="ok" if result.ok else result.error_class,
        model=result.model,
        latency_ms=result.ms,
    )
    async with bench.engine.begin() as db:
        await db.execute(
            update(Channel).where(Channel.id == account.id).values(test_time=now_s, response_time=result.ms)
        )
        await db.execute(insert(ChannelEvent).values(**event_values(account.id, "test", evidence)))
    if result.ok:
        async with bench.log_engine.begin() as db:
            await db.execute(insert(Log).values(**_log_row(account, result, now_s, stream=stream)))
    return result


def _log_row(account: Account, result: Result, now_s: int, *, stream: bool) -> dict[str, Any]:
    """As the original's, but of nobody's account and without money: totals and dashboards stay clean."""
    return {
        "user_id": 0,
        "username": "system",
        "created_at": now_s,
        "type": CONSUMED,
        "content": LABEL,
        "token_name": LABEL,
        "token_id": 0,
        "model_name": result.model,
        "quota": 0,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "channel_id": account.id,
        "use_time": result.ms // 1000,
        "elapsed_time": result.ms,
        "is_stream": stream,
        "group": "",
        "other": msgspec.json.encode({"test": True, "frt": result.first_byte_ms}).decode(),
    }


async def judge(bench: Bench, account: Account, result: Result) -> str:
    """What a run over all channels does with a result: 'disabled', 'enabled' or ''."""
    options = bench.options
    if result.local:
        return ""
    if account.status == ENABLED:
        evidence = _reason_to_disable(account, result, options)
        if evidence is None or not options.automatic_disable_channel_enabled or not account.auto_ban:
            return ""
        if evidence.actor == "rule:slow" and not await _slow_twice(bench, account.id, options):
            return ""
        keep = options.auto_disable_keep_last
        done = await set_status(bench.engine, bench.redis, account.id, to=BY_RULE, evidence=evidence, keep_last=keep)
        return "disabled" if done else ""
    threshold_s = options.channel_disable_threshold or SLOW_EVER_S
    if account.status == BY_RULE and options.automatic_enable_channel_enabled:
        if not result.ok or result.ms > threshold_s * 1000:
            return ""
        if await _needs_second_pass(bench, account.id):
            return ""
        evidence = Evidence(actor="test", model=result.model, latency_ms=result.ms)
        done = await set_status(bench.engine, bench.redis, account.id, to=ENABLED, evidence=evidence)
        return "enabled" if done else ""
    return ""


def _reason_to_disable(account: Account, result: Result, options: Options) -> Evidence | None:
    if not result.ok:
        verdict = find_rule(
            status=result.status,
            channel_type=account.type,
            code=result.code,
            type=result.type,
            message=result.message,
            keywords=options.automatic_disable_keywords,
        )
        if verdict is None:
            return None
        text = f"type {result.type}, httpCode {result.status}, code {result.code}, message {result.message}"
        return Evidence(
            actor=f"rule:{verdict.rule}", message=text, status_code=result.status, keyword=verdict.keyword,
            model=result.model, latency_ms=result.ms,
        )  # fmt: skip
    threshold_s = options.channel_disable_threshold or SLOW_EVER_S
    if result.ms <= threshold_s * 1000:
        return None
    text = f"the test took {result.ms / 1000:.2f} s, more than the threshold of {threshold_s:.2f} s"
    return Evidence(actor="rule:slow", message=text, model=result.model, latency_ms=result.ms)


async def _slow_twice(bench: Bench, channel_id: int, options: Options) -> bool:
    """Was the test before this one slow as well? The newest event is the present test."""
    tests = await _newest_tests(bench, channel_id)
    threshold_ms = (options.channel_disable_threshold or SLOW_EVER_S) * 1000
    return len(tests) == 2 and all(took is not None and took > threshold_ms for _, took in tests)


async def _needs_second_pass(bench: Bench, channel_id: int) -> bool:
    """Dead keys and empty accounts must pass twice in a row: the first answer may be a last one."""
    newest = (
        select(ChannelEvent.actor)
        .where(ChannelEvent.channel_id == channel_id, ChannelEvent.kind == "status", ChannelEvent.to_status == BY_RULE)
        .order_by(ChannelEvent.id.desc())
        .limit(1)
    )
    async with bench.engine.connect() as db:
        actor = (await db.execute(newest)).scalar()
    if actor is None or not actor.startswith("rule:") or actor == "rule:slow":
        return False
    tests = await _newest_tests(bench, channel_id)
    return not (len(tests) == 2 and all(ok == "ok" for ok, _ in tests))


async def _newest_tests(bench: Bench, channel_id: int) -> list[tuple[str, int | None]]:
    """(ok or error class, ms) of the last two tests."""
    wanted = (
        select(ChannelEvent.keyword, ChannelEvent.latency_ms)
        .where(ChannelEvent.channel_id == channel_id, ChannelEvent.kind == "test")
        .order_by(ChannelEvent.id.desc())
        .limit(2)
    )
    async with bench.engine.connect() as db:
        return [(str(row[0]), row[1]) for row in await db.execute(wanted)]
