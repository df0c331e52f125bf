"""Codes worth quota: admins make them, users redeem them; a conditional update lets one redeemer win."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from blacksheep import Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, insert, or_, select, update

from edge.console.calls import list_page, path_id, query, read_body, reply, reply_page
from edge.console.envelope import Refusal
from edge.console.journal import TOP_UP, audit, write_log
from edge.console.limits import count, rate_limited
from edge.console.objects import REDEMPTION_COLUMNS, RedemptionView, view_redemption
from edge.console.paging import Family, read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.ledger.entries import post
from schema.tables import Redemption

USABLE, DISABLED, USED = 1, 2, 3
CODES_MAX = 100  # in one call
QUOTA_MAX = 10**15  # units
FAILURES_MAX, FAILURES_WINDOW_S = 10, 600  # wrong codes of one user


class RedemptionBody(Struct):
    """`quota` in units, `expired_time` in Unix s, 0 never. Absent members of a PUT stay unchanged."""

    id: int = 0
    name: str | UnsetType = UNSET
    quota: int | UnsetType = UNSET
    count: int = 1
    status: int | UnsetType = UNSET
    expired_time: int | UnsetType = UNSET


class RedeemBody(Struct):
    key: str = ""


class CodePage(Struct):
    items: list[RedemptionView]
    total: int
    page: int
    page_size: int


def _read_values(body: RedemptionBody) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if isinstance(body.name, str):
        if not 1 <= len(body.name) <= 20:
            raise Refusal("name_length", "A name has 1 to 20 characters.")
        values["name"] = body.name
    if isinstance(body.quota, int):
        if not 0 < body.quota <= QUOTA_MAX:
            raise Refusal("quota_invalid", "The quota must be above 0.", highest=QUOTA_MAX)
        values["quota"] = body.quota
    if isinstance(body.expired_time, int):
        if body.expired_time != 0 and body.expired_time <= time.time():
            raise Refusal("expiry_past", "The time of expiry must be in the future, or 0 for never.")
        values["expired_time"] = body.expired_time
    return values


async def list_codes(services: Services, request: Request, actor: Actor) -> Response:
    """One page of codes, the newest first."""
    return await _rows(services, request, ())


async def search_codes(services: Services, request: Request, actor: Actor) -> Response:
    """Codes by the beginning of the name, or by id."""
    keyword = query(request, "keyword")
    same = [Redemption.name.startswith(keyword, autoescape=True)]
    if keyword.isascii() and keyword.isdigit():
        same.append(Redemption.id == read_int(keyword))
    return await _rows(services, request, (or_(*same),))


async def _rows(services: Services, request: Request, conditions: tuple[Any, ...]) -> Response:
    page = list_page(services, request, Family.REDEMPTIONS)
    where = (Redemption.deleted_at.is_(None), *conditions)
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(Redemption).where(*where))).scalar_one()
        found = select(*REDEMPTION_COLUMNS).where(*where).order_by(Redemption.id.desc())
        rows = (await db.execute(found.limit(page.size).offset(page.offset))).all()
    return reply_page(request, [view_redemption(row) for row in rows], total, page)


async def _get(services: Services, code_id: int) -> Any:
    found = select(*REDEMPTION_COLUMNS).where(Redemption.id == code_id, Redemption.deleted_at.is_(None))
    async with services.engine.connect() as db:
        row = (await db.execute(found)).first()
    if row is None:
        raise Refusal("redemption_not_found", "There is no such code.")
    return row


async def get_code(services: Services, request: Request, actor: Actor) -> Response:
    """One code."""
    return reply(view_redemption(await _get(services, path_id(request))))


async def create_codes(services: Services, request: Request, actor: Actor) -> Response:
    """New codes, all or none; the reply lists them."""
    body = await read_body(request, RedemptionBody)
    values = _read_values(body)
    if "name" not in values or "quota" not in values or not 1 <= body.count <= CODES_MAX:
        raise Refusal("redemption_invalid", "Name, quota and a count of 1 to 100 are needed.", count_max=CODES_MAX)
    keys = [secrets.token_hex(16) for _ in range(body.count)]
    first = {"user_id": actor.id, "status": USABLE, "created_time": int(time.time()), **values}
    async with services.engine.begin() as db:
        await db.execute(insert(Redemption), [{**first, "key": key} for key in keys])
        await audit(db, actor, "redemption.create", "redemption", "", count=body.count, quota=values["quota"])
    return reply(keys)


async def update_code(services: Services, request: Request, actor: Actor) -> Response:
    """Change a code that is not used; with `status_only` its status alone."""
    body = await read_body(request, RedemptionBody)
    await _get(services, body.id)
    values = _read_values(body)
    if query(request, "status_only"):
        if body.status not in (USABLE, DISABLED):
            raise Refusal("status_invalid", "The status must be 1 or 2.")
        values = {"status": body.status}
    if values:
        async with services.engine.begin() as db:
            unused = (Redemption.id == body.id, Redemption.status != USED)
            result: Any = await db.execute(update(Redemption).where(*unused).values(values))
            if result.rowcount != 1:
                raise Refusal("redemption_used", "A used code cannot be changed.")
            await audit(db, actor, "redemption.update", "redemption", body.id, **values)
    return reply(view_redemption(await _get(services, body.id)))


async def delete_code(services: Services, request: Request, actor: Actor) -> Response:
    """Delete a code."""
    row = await _get(services, path_id(request))
    async with services.engine.begin() as db:
        await db.execute(update(Redemption).where(Redemption.id == row.id).values(deleted_at=datetime.now(UTC)))
        await audit(db, actor, "redemption.delete", "redemption", row.id)
    return reply()


async def redeem(services: Services, request: Request, actor: Actor) -> Response:
    """Redeem a code; the reply is the quota it added."""
    body = await read_body(request, RedeemBody)
    failures = await services.redis.get(f"mx:limit:redeem:{actor.id}")
    if failures is not None and int(failures) >= FAILURES_MAX:
        raise rate_limited(FAILURES_WINDOW_S)
    quota = await _redeem(services, actor, body.key.strip()) if body.key.strip() else None
    if quota is None:
        await count(services.redis, f"redeem:{actor.id}", window_s=FAILURES_WINDOW_S)
        raise Refusal("redemption_failed", "兑换失败，the code is unknown, used, disabled or expired.")
    await signals.balance_changed(services.redis, actor.id, partitions=services.config.partitions)
    await write_log(services, TOP_UP, actor.id, actor.username, f"redeemed a code worth {quota}", quota)
    return reply(quota)


async def _redeem(services: Services, actor: Actor, key: str) -> int | None:
    """One transaction: the code turns used, if it was usable, and the balance moves. None when it was not."""
    now = int(time.time())
    unexpired = or_(func.coalesce(Redemption.expired_time, 0) == 0, Redemption.expired_time > now)
    usable = (Redemption.status == USABLE, Redemption.deleted_at.is_(None), unexpired)
    async with services.engine.begin() as db:
        found = select(Redemption.id, Redemption.key).where(Redemption.key == key, *usable)
        row = (await db.execute(found)).first()
        if row is None or row.key != key:  # some collations compare without case
            return None
        values = {"status": USED, "redeemed_time": now, "used_user_id": actor.id}
        won: Any = await db.execute(update(Redemption).where(Redemption.id == row.id, *usable).values(values))
        if won.rowcount != 1:
            return None
        quota = (await db.execute(select(Redemption.quota).where(Redemption.id == row.id))).scalar_one()
        who = f"user:{actor.id}"
        await post(db, kind="redeem", reference=str(row.id), user_id=actor.id, delta=quota, actor=who)
    return int(quota)


ROUTES = (
    Route("GET", "/api/redemption/", Role.ADMIN, CodePage, list_codes, query=("p", "page_size")),
    Route("GET", "/api/redemption/search", Role.ADMIN, CodePage, search_codes, query=("keyword", "p", "page_size")),
    Route("GET", "/api/redemption/:id", Role.ADMIN, RedemptionView, get_code),
    Route("POST", "/api/redemption/", Role.ADMIN, list[str], create_codes, body=RedemptionBody),
    Route(
        "PUT", "/api/redemption/", Role.ADMIN, RedemptionView, update_code, body=RedemptionBody, query=("status_only",)
    ),
    Route("DELETE", "/api/redemption/:id", Role.ADMIN, None, delete_code),
    Route("POST", "/api/user/topup", Role.USER, int, redeem, body=RedeemBody),
)
