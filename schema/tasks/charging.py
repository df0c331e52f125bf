"""What a task's charge and its refund write beside the balances: used quota, roll-ups, the row of the log. No commit here.

Locks are taken in settlement's order (ledger, user, token, roll-ups, channel), so that both never wait for each other.
"""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from schema.ledger.entries import NoSuchAccount, post
from schema.tables import Channel, Log, QuotaData, Token, UsageHourly, User
from schema.usage import PriceRecord

CONSUMED, SYSTEM = 2, 4  # logs.type
HOUR_MS = 3_600_000


class Billing(Struct, frozen=True, kw_only=True):
    """Who pays, and by which price: frozen at submit, stored as JSON in `mx_async_tasks.price`."""

    price: PriceRecord
    username: str
    token_name: str
    token_limited: bool
    ip: str = ""


class Movement(Struct, frozen=True, kw_only=True):
    """One charge or refund of a task. `quota` is what moves, never negative."""

    task_key: str
    refund: bool
    quota: int
    user_id: int
    token_id: int
    channel_id: int
    model: str
    action: str
    group: str
    upstream_id: str
    billing: Billing
    reason: str = ""
    started_ms: int
    at_ms: int


_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Billing).decode


def write_billing(billing: Billing) -> str:
    return _encode(billing).decode()


def read_billing(text: str | None) -> Billing | None:
    """None for what no program of ours has written."""
    try:
        return _decode(text or "")
    except msgspec.DecodeError:
        return None


async def book(db: AsyncConnection, move: Movement) -> None:
    """Ledger, balances, counters and roll-ups of one movement. Raises AlreadyPosted when it has happened before."""
    sign = -1 if move.refund else 1
    spent = sign * move.quota
    limited = move.token_id if move.billing.token_limited and await _exists(db, Token, move.token_id) else 0
    try:
        await post(
            db, kind="refund" if move.refund else "settle", reference=move.task_key, user_id=move.user_id,
            delta=-spent, token_id=limited or None, token_delta=-spent if limited else 0, reason=move.reason,
            at_ms=move.at_ms,
        )  # fmt: skip
    except NoSuchAccount:
        if not move.refund:
            raise
        return  # the account was erased: there is nobody to give anything back to
    calls = 0 if move.refund else 1
    await db.execute(
        update(User)
        .where(User.id == move.user_id)
        .values(used_quota=User.used_quota + spent, request_count=User.request_count + calls)
    )
    if move.token_id:
        changed: dict[str, Any] = {"used_quota": Token.used_quota + spent}
        if not move.refund:
            changed["accessed_time"] = move.at_ms // 1000
        await db.execute(update(Token).where(Token.id == move.token_id).values(**changed))
    await _add_cell(db, move, spent, calls)
    await _add_hour(db, move, spent, calls)
    if move.channel_id:
        await db.execute(
            update(Channel).where(Channel.id == move.channel_id).values(used_quota=Channel.used_quota + spent)
        )


async def _exists(db: AsyncConnection, model: Any, row_id: int) -> bool:
    return (await db.execute(select(model.id).where(model.id == row_id))).first() is not None


async def _add_cell(db: AsyncConnection, move: Movement, spent: int, calls: int) -> None:
    """One hour of the predecessors' dashboard; the table has no unique key on adopted databases."""
    hour = move.at_ms // HOUR_MS * 3600
    model = move.model[:64]
    where = (QuotaData.user_id == move.user_id, QuotaData.model_name == model, QuotaData.created_at == hour)
    row_id = (await db.execute(select(func.min(QuotaData.id)).where(*where))).scalar()
    if row_id is None:
        await db.execute(
            insert(QuotaData).values(
                user_id=move.user_id, username=move.billing.username[:64], model_name=model, created_at=hour, count=calls,
                quota=spent,
            )
        )  # fmt: skip
        return
    await db.execute(
        update(QuotaData)
        .where(QuotaData.id == row_id)
        .values(count=QuotaData.count + calls, quota=QuotaData.quota + spent)
    )


async def _add_hour(db: AsyncConnection, move: Movement, spent: int, calls: int) -> None:
    """One cell of mx_usage_hourly."""
    key = {
        "hour": move.at_ms // HOUR_MS * 3600, "user_id": move.user_id, "token_id": move.token_id,
        "channel_id": move.channel_id, "model": move.model, "group": move.group[:64],
    }  # fmt: skip
    latency_ms = max(0, move.at_ms - move.started_ms) if calls else 0
    sums = {"calls": calls, "quota": spent, "latency_ms_sum": latency_ms}
    if db.dialect.name in ("mysql", "mariadb"):
        new = mysql.insert(UsageHourly).values(**key, **sums)
        more = {name: UsageHourly.__table__.columns[name] + new.inserted[name] for name in sums}
        await db.execute(new.on_duplicate_key_update(**more))
        return
    maker: Any = sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert
    fresh = maker(UsageHourly).values(**key, **sums)
    more = {name: UsageHourly.__table__.columns[name] + fresh.excluded[name] for name in sums}
    await db.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=more))


def log_row(move: Movement) -> dict[str, Any]:
    """The row of `logs`: a charge as the predecessors write it, a refund as a system message with its sum."""
    price = move.billing.price
    other: dict[str, Any] = {
        "model_price": float(price.model_price * price.times),
        "group_ratio": float(price.group_ratio),
        "task_id": move.upstream_id,
        "request_id": move.task_key,
        "admin_info": {"use_channel": [str(move.channel_id)]},
    }
    if price.times != 1:
        other["times"] = str(price.times)
    if move.refund:
        usd = move.quota / float(price.quota_per_unit)
        content = f"异步任务 {move.upstream_id or move.task_key} 执行失败，补偿 ＄{usd:.6f} 额度"
        other |= {"refund": True, "reason": move.reason}
    else:
        content = (
            f"模型固定价格 {price.model_price * price.times:.2f}，分组倍率 {price.group_ratio:.2f}，操作 {move.action}，ID"
            f" {move.upstream_id}"
        )
    return {
        "user_id": move.user_id, "created_at": move.at_ms // 1000, "type": SYSTEM if move.refund else CONSUMED,
        "content": content[:4000], "username": move.billing.username[:191], "token_name": move.billing.token_name[:191],
        "model_name": move.model[:191], "quota": move.quota, "channel_id": move.channel_id, "token_id": move.token_id,
        "group": move.group[:191], "other": msgspec.json.encode(other).decode(), "request_id": move.task_key,
        "elapsed_time": max(0, move.at_ms - move.started_ms) if not move.refund else 0, "ip": move.billing.ip[:64],
        "status_code": 200,
    }  # fmt: skip


async def write_log(db: AsyncConnection, row: dict[str, Any]) -> None:
    """Once: a row of this task and type is not written again."""
    known = select(Log.id).where(Log.request_id == row["request_id"], Log.type == row["type"]).limit(1)
    if (await db.execute(known)).first() is None:
        await db.execute(insert(Log).values(**row))
