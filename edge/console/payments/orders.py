"""Orders and their one crediting: a paid order turns `success` and the balance moves in the same transaction, once."""

import secrets
import string
import time
from decimal import Decimal
from enum import Enum
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.envelope import Refusal
from edge.console.journal import TOP_UP, audit, write_log
from edge.console.limits import admit
from edge.console.routes import Actor
from edge.services import Services
from schema.ledger import signals
from schema.ledger.entries import AlreadyPosted, post
from schema.payments.prices import AmountTooHigh, AmountTooLow, Offer, group_ratio, make_offer, write_money
from schema.payments.prices import minor_per_unit as minor_of
from schema.tables import TopUp, TopUpOrder, User

log = structlog.get_logger(__name__)

PENDING, SUCCESS, FAILED = "pending", "success", "failed"
REUSE_MS = 60_000  # a second click within this time gets the first order again
CALLS_MAX, CALLS_WINDOW_S = 20, 600  # of one user, over pricing and ordering
_LETTERS = string.ascii_letters + string.digits


class Result(Enum):
    """What became of a claim that an order was paid."""

    CREDITED = "credited"
    ALREADY = "already"  # a repetition of a call-back
    REFUSED = "refused"


class Claim(Struct, frozen=True):
    """What a provider's signed call-back says. Every member must agree with the order."""

    provider: str
    merchant: str
    trade_no: str  # ours
    money_minor: int | None
    currency: str
    provider_trade_no: str = ""
    session: str = ""  # where the provider named one at ordering: it must be the same


async def admit_order(services: Services, actor: Actor) -> None:
    """Raises Refusal 429 beyond twenty pricings and orders in ten minutes."""
    await admit(services.redis, f"topup:{actor.id}", most=CALLS_MAX, window_s=CALLS_WINDOW_S)


def price(services: Services, actor: Actor, amount: int, *, each: Decimal, lowest: int, currency: str) -> Offer:
    """The offer for an amount, at the caller's group. Raises Refusal."""
    options = services.snapshots.current.options
    try:
        return make_offer(
            amount,
            in_currency=options.display_in_currency_enabled,
            quota_per_unit=options.quota_per_unit,
            lowest_usd=lowest,
            price=each,
            ratio=group_ratio(options.topup_group_ratio, actor.group),
            minor=minor_of(currency),
        )
    except AmountTooLow as error:
        raise Refusal("amount_too_low", f"充值数量不能小于 {error.lowest}", lowest=error.lowest) from error
    except AmountTooHigh as error:
        raise Refusal("amount_too_high", "The amount is too high.") from error


async def find_repeated(services: Services, order: dict[str, Any]) -> Any:
    """A pending order of the last minute that is the same in everything; None when there is none."""
    same = [getattr(TopUpOrder, name) == value for name, value in order.items()]
    recent = TopUpOrder.created_ms > _now_ms() - REUSE_MS
    columns = (TopUpOrder.trade_no, TopUpOrder.detail)
    statement = select(*columns).where(*same, recent, TopUpOrder.status == PENDING).order_by(TopUpOrder.id.desc())
    async with services.engine.connect() as db:
        return (await db.execute(statement.limit(1))).first()


async def insert_order(services: Services, order: dict[str, Any], *, usd: int, minutes: int) -> str:
    """A new pending order, in our table and in the one that predecessors read; returns its number."""
    now_ms = _now_ms()
    user_id = order["user_id"]
    trade_no = f"USR{user_id}NO{''.join(secrets.choice(_LETTERS) for _ in range(16))}{now_ms // 1000}"
    money = order["money_minor"] / minor_of(order["currency"])
    shown = {"user_id": user_id, "amount": usd, "money": money, "trade_no": trade_no, "status": PENDING}
    async with services.engine.begin() as db:
        result: Any = await db.execute(insert(TopUp).values(**shown, create_time=now_ms // 1000))
        own = {"created_ms": now_ms, "expires_ms": now_ms + minutes * 60_000, "status": PENDING}
        await db.execute(
            insert(TopUpOrder).values(**order, **own, trade_no=trade_no, top_up_id=result.inserted_primary_key[0])
        )
    return trade_no


async def change_order(services: Services, trade_no: str, **values: Any) -> None:
    """Change a pending order: its session, what it costs there, or that it failed or expired."""
    open_one = (TopUpOrder.trade_no == trade_no, TopUpOrder.status == PENDING)
    async with services.engine.begin() as db:
        top_up_id = (await db.execute(select(TopUpOrder.top_up_id).where(*open_one))).scalar_one_or_none()
        if top_up_id is None:
            return
        await db.execute(update(TopUpOrder).where(*open_one).values(values))
        shown = {name: values[name] for name in ("status",) if name in values}
        if "money_minor" in values:
            shown["money"] = values["money_minor"] / minor_of(values["currency"])
        if shown:
            await db.execute(update(TopUp).where(TopUp.id == top_up_id, TopUp.status == PENDING).values(shown))


async def credit(services: Services, claim: Claim) -> Result:
    """Credit the order of a claim whose signature was right: once, however often and in parallel it is called.

    A claim that differs from the order in anything credits nothing and leaves an audit row. An order that expired or
    failed and was paid all the same is credited: the money came.
    """
    async with services.engine.begin() as db:
        order = await _find(db, claim)
        if order is None and claim.provider == "epay":
            order = await _adopt(services, db, claim)
        reason = "unknown order" if order is None else _difference(order, claim)
        if order is None or reason:
            log.error("payment_refused", provider=claim.provider, trade_no=claim.trade_no[:64], reason=reason)
            told = {"reason": reason, "merchant": claim.merchant, "money_minor": claim.money_minor}
            await audit(db, Actor(), "payment.refused", "order", claim.trade_no, provider=claim.provider, **told)
            return Result.REFUSED
        if order.status == SUCCESS or not await _take(db, order, claim):
            return Result.ALREADY
        text = f"paid {write_money(order.money_minor, minor_of(order.currency))} {order.currency} by {order.provider}"
        reason = f"{text}, order {order.trade_no}, theirs {claim.provider_trade_no}"
        try:
            await post(
                db, kind="topup", reference=f"{order.provider}:{order.trade_no}", user_id=order.user_id,
                delta=order.quota, actor=f"user:{order.user_id}", reason=reason,
            )  # fmt: skip
        except AlreadyPosted:
            return Result.ALREADY
        name = (await db.execute(select(User.username).where(User.id == order.user_id))).scalar_one()
    await signals.balance_changed(services.redis, order.user_id, partitions=services.config.partitions)
    await write_log(services, TOP_UP, order.user_id, name or "", f"{text}: {order.quota} quota", order.quota)
    log.info("payment_credited", provider=order.provider, trade_no=order.trade_no, quota=order.quota)
    return Result.CREDITED


async def _find(db: AsyncConnection, claim: Claim) -> Any:
    columns = tuple(TopUpOrder.__table__.columns)
    row = (await db.execute(select(*columns).where(TopUpOrder.trade_no == claim.trade_no))).first()
    return row if row is not None and row.trade_no == claim.trade_no else None


class _Adopted(Struct, frozen=True):
    """A pending order that the predecessor wrote, seen as one of ours."""

    top_up_id: int
    trade_no: str
    user_id: int
    merchant: str
    money_minor: int
    quota: int
    status: str
    provider: str = "epay"
    currency: str = "CNY"
    provider_trade_no: str = ""
    id: int = 0


async def _adopt(services: Services, db: AsyncConnection, claim: Claim) -> _Adopted | None:
    """The predecessor's numbers are not unique: one that stands twice is nobody's."""
    columns = (TopUp.id, TopUp.user_id, TopUp.amount, TopUp.money, TopUp.trade_no, TopUp.status)
    rows = (await db.execute(select(*columns).where(TopUp.trade_no == claim.trade_no).limit(2))).all()
    if len(rows) != 1 or rows[0].trade_no != claim.trade_no or not rows[0].user_id or (rows[0].amount or 0) <= 0:
        return None
    row, options = rows[0], services.snapshots.current.options
    minor = int((Decimal(str(row.money or 0)) * 100).to_integral_value())
    quota = int(row.amount * options.quota_per_unit)
    return _Adopted(row.id, claim.trade_no, row.user_id, options.epay_id, minor, quota, row.status or "")


def _difference(order: Any, claim: Claim) -> str:
    """What does not agree; '' when all does."""
    for name in ("provider", "merchant", "money_minor", "currency"):
        if getattr(order, name) != getattr(claim, name):
            return f"{name} differs"
    if claim.session and claim.session != order.provider_trade_no:
        return "session differs"
    return ""


async def _take(db: AsyncConnection, order: Any, claim: Claim) -> bool:
    """Turn the order `success`, unless it is: one of many callers gets True."""
    now_ms = _now_ms()
    shown = update(TopUp).where(TopUp.id == order.top_up_id, TopUp.status != SUCCESS).values(status=SUCCESS)
    if not order.id:
        adopted: Any = await db.execute(shown)
        return bool(adopted.rowcount == 1)
    values = {"status": SUCCESS, "paid_ms": now_ms, "provider_trade_no": claim.provider_trade_no}
    own = update(TopUpOrder).where(TopUpOrder.id == order.id, TopUpOrder.status != SUCCESS).values(values)
    taken: Any = await db.execute(own)
    if taken.rowcount != 1:
        return False
    await db.execute(shown)
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
