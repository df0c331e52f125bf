"""Changes of a channel's status by the system: one winner, named columns, an event with the evidence, abilities, the signal."""

import time
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import CursorResult, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema.ledger import signals
from schema.own_tables import ChannelEvent
from schema.tables import Ability, Channel, User
from schema.upstreams.account import read_object

ENABLED, BY_HAND, BY_RULE = 1, 2, 3
MESSAGE_CHARS_MAX = 500
FLOOD_MAX, FLOOD_S = 5, 60  # notices of switched-off channels; beyond it one summary
ROOT = 100


class Evidence(Struct, frozen=True, kw_only=True):
    """Why. `actor`: rule:<n>, test, probe, balance, or user:<id>."""

    actor: str
    message: str = ""
    status_code: int | None = None
    keyword: str = ""
    model: str = ""
    request_id: str = ""
    attempts: int = 0  # of the last minute
    latency_ms: int | None = None


def event_values(channel_id: int, kind: str, evidence: Evidence, **more: Any) -> dict[str, Any]:
    return {
        "channel_id": channel_id,
        "at_ms": time.time_ns() // 1_000_000,
        "kind": kind,
        "actor": evidence.actor[:64],
        "status_code": evidence.status_code,
        "keyword": evidence.keyword[:191],
        "message": evidence.message[:MESSAGE_CHARS_MAX],
        "model": evidence.model[:255],
        "request_id": evidence.request_id[:64],
        "attempts": evidence.attempts,
        "latency_ms": evidence.latency_ms,
        **more,
    }


async def write_event(engine: AsyncEngine, channel_id: int, kind: str, evidence: Evidence) -> None:
    async with engine.begin() as db:
        await db.execute(insert(ChannelEvent).values(**event_values(channel_id, kind, evidence)))


async def set_status(
    engine: AsyncEngine, redis: Any, channel_id: int, *, to: int, evidence: Evidence, keep_last: bool = False
) -> bool:
    """1 -> 3 or 3 -> 1; False when somebody else was first, or the channel is the last of a group and model.

    Args:
        keep_last: option AutoDisableKeepLast.
    """
    was = ENABLED if to == BY_RULE else BY_RULE
    async with engine.begin() as db:
        row = (await db.execute(select(Channel.name, Channel.other_info).where(Channel.id == channel_id))).first()
        if row is None or (to == BY_RULE and keep_last and await _is_last(db, channel_id)):
            return False
        info = read_object(row.other_info)
        if to == BY_RULE:
            info |= {"status_reason": evidence.message[:MESSAGE_CHARS_MAX], "status_time": int(time.time())}
        else:
            info.pop("status_reason", None)
            info["status_time"] = int(time.time())
        values = {"status": to, "other_info": msgspec.json.encode(info).decode()}
        changed: CursorResult[Any] = await db.execute(
            update(Channel).where(Channel.id == channel_id, Channel.status == was).values(**values)
        )
        if changed.rowcount != 1:
            return False
        await db.execute(update(Ability).where(Ability.channel_id == channel_id).values(enabled=to == ENABLED))
        values = event_values(channel_id, "status", evidence, from_status=was, to_status=to)
        await db.execute(insert(ChannelEvent).values(**values))
    await signals.changed(redis, "channels")
    await notify(
        engine, redis, f"channel_update_{channel_id}_{to}", name=row.name or "", id=channel_id, reason=evidence.message
    )
    return True


async def switched_by_hand(db: AsyncConnection, row: Any, to: int, actor: str) -> dict[str, Any]:
    """A person changes a status: the event, and what else the row must say. Enabled, it starts with all its keys again."""
    info = read_object(row.other_info)
    info.pop("status_reason", None)
    info["status_time"] = int(time.time())
    if to == ENABLED:
        info.pop("retired_keys", None)
    event = event_values(row.id, "status", Evidence(actor=actor), from_status=row.status, to_status=to)
    await db.execute(insert(ChannelEvent).values(**event))
    return {"other_info": msgspec.json.encode(info).decode()}


async def retire_key(engine: AsyncEngine, redis: Any, channel_id: int, name: str, evidence: Evidence) -> bool:
    """Take one key of a multi-key channel out of use; its name stays in `other_info.retired_keys`."""
    async with engine.begin() as db:
        text = (await db.execute(select(Channel.other_info).where(Channel.id == channel_id).with_for_update())).scalar()
        info = read_object(text)
        retired = info.get("retired_keys")
        retired = dict(retired) if isinstance(retired, dict) else {}
        if name in retired:
            return False
        retired[name] = {"at": int(time.time()), "reason": evidence.message[:MESSAGE_CHARS_MAX]}
        info["retired_keys"] = retired
        await db.execute(
            update(Channel).where(Channel.id == channel_id).values(other_info=msgspec.json.encode(info).decode())
        )
        await db.execute(insert(ChannelEvent).values(**event_values(channel_id, "key", evidence)))
    await signals.changed(redis, "channels")
    return True


async def set_drained(engine: AsyncEngine, redis: Any, channel_id: int, *, drained: bool, evidence: Evidence) -> bool:
    """A drained channel gets no new calls and keeps its status; False when there is no such channel."""
    async with engine.begin() as db:
        row = (await db.execute(select(Channel.other_info).where(Channel.id == channel_id).with_for_update())).first()
        if row is None:
            return False
        info = read_object(row.other_info)
        if bool(info.get("drained")) != drained:
            info["drained"] = drained
            await db.execute(
                update(Channel).where(Channel.id == channel_id).values(other_info=msgspec.json.encode(info).decode())
            )
            await db.execute(insert(ChannelEvent).values(**event_values(channel_id, "drain", evidence)))
    await signals.changed(redis, "channels")
    return True


async def notify(engine: AsyncEngine, redis: Any, kind: str, **facts: Any) -> None:
    """Queue a notice to root. Many switched-off channels in a minute become one summary."""
    from schema.redis_client import queue_of

    flood = "mx:health:notices"
    count = int(await redis.incr(flood))
    if count == 1:
        await redis.expire(flood, FLOOD_S)
    if count > FLOOD_MAX:
        if count != FLOOD_MAX + 1:
            return
        kind = "channel_update_many"
    async with engine.connect() as db:
        root = (await db.execute(select(User.id).where(User.role == ROOT).order_by(User.id).limit(1))).scalar()
    if root is not None:
        queue = queue_of(redis)
        await queue.enqueue_job("notify", root, kind, facts)


async def _is_last(db: AsyncConnection, channel_id: int) -> bool:
    """Is this the only enabled channel of some group and model?"""
    own = (await db.execute(select(Ability.group, Ability.model).where(Ability.channel_id == channel_id))).all()
    others = {
        tuple(row)
        for row in await db.execute(
            select(Ability.group, Ability.model)
            .where(Ability.enabled == true(), Ability.channel_id != channel_id, Ability.model.in_([r[1] for r in own]))
            .distinct()
        )
    }
    return any(tuple(pair) not in others for pair in own)
