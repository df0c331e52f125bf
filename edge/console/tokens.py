"""The tokens of the caller, and of nobody else: every statement names the owner."""

import re
import time
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from blacksheep import Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, insert, select, update

from edge.console.calls import path_id, query, read_body, reply, reply_rows
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.new_user import random_text
from edge.console.objects import TOKEN_COLUMNS, TokenView, view_token
from edge.console.paging import Family, Page, read_page
from edge.console.routes import Actor, Role, Route
from edge.relay.auto_group import AUTO, groups_to_try
from edge.services import Services
from schema.ledger import signals
from schema.ledger.entries import BalanceMoved, Expect, post
from schema.tables import Token

ENABLED, DISABLED, EXPIRED, EXHAUSTED = 1, 2, 3, 4
TOKENS_MAX = 1000  # of one user
MODELS_MAX = 200  # names in the list of one token
QUOTA_MAX = 10**15  # units
SEARCH_ROWS_MAX = 1000
BATCH_MAX = 1000  # ids


class TokenBody(Struct):
    """Absent members of a PUT stay unchanged. `expired_time` in Unix s, -1 or 0 never; `remain_quota` in units."""

    id: int = 0
    name: str | UnsetType = UNSET
    status: int | UnsetType = UNSET
    expired_time: int | UnsetType = UNSET
    remain_quota: int | UnsetType = UNSET
    unlimited_quota: bool | UnsetType = UNSET
    model_limits_enabled: bool | UnsetType = UNSET
    model_limits: str | UnsetType = UNSET
    allow_ips: str | UnsetType | None = UNSET
    subnet: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    models: str | UnsetType | None = UNSET  # One API's name of `model_limits`; switches them on


class KeyView(Struct):
    key: str


class TokenBatchBody(Struct):
    ids: list[int]
    action: str
    expired_time: int = -1  # of `extend`
    group: str = ""  # of `group`


class BatchFailure(Struct):
    id: int
    code: str
    message: str


class BatchReport(Struct):
    succeeded: list[int]
    failed: list[BatchFailure]


def _own(actor: Actor) -> tuple[Any, Any]:
    return Token.user_id == actor.id, Token.deleted_at.is_(None)


def _view(services: Services, row: Any) -> TokenView:
    return view_token(row, full_key=services.snapshots.current.options.legacy_token_keys_in_lists)


async def _get(services: Services, actor: Actor, token_id: int) -> Any:
    async with services.engine.connect() as db:
        row = (await db.execute(select(*TOKEN_COLUMNS).where(Token.id == token_id, *_own(actor)))).first()
    if row is None:
        raise Refusal("token_not_found", "There is no such token.")
    return row


def _check_addresses(text: str) -> None:
    for entry in re.split(r"[\s,;]+", text.strip()):
        try:
            if entry:
                ip_network(entry, strict=False)
        except ValueError as error:
            raise Refusal("ip_invalid", "An entry is not an address or a block of addresses.", entry=entry) from error


def read_values(services: Services, actor: Actor, body: TokenBody) -> dict[str, Any]:
    """The columns that a body sets, `remain_quota` included. Raises Refusal."""
    values: dict[str, Any] = {}
    if not isinstance(body.models, UnsetType) and isinstance(body.model_limits, UnsetType):
        body.model_limits, body.model_limits_enabled = body.models or "", bool(body.models)
    if isinstance(body.name, str):
        if not 1 <= len(body.name) <= 50:
            raise Refusal("name_length", "A name has 1 to 50 characters.")
        values["name"] = body.name
    if isinstance(body.expired_time, int):
        expires = body.expired_time or -1
        if expires != -1 and expires <= time.time():
            raise Refusal("expiry_past", "The time of expiry must be in the future, or -1 for never.")
        values["expired_time"] = expires
    if isinstance(body.remain_quota, int):
        if not 0 <= body.remain_quota <= QUOTA_MAX:
            raise Refusal("quota_invalid", "The quota must be 0 or more.", highest=QUOTA_MAX)
        values["remain_quota"] = body.remain_quota
    if isinstance(body.model_limits, str):
        names = [name.strip() for name in body.model_limits.split(",") if name.strip()]
        if len(names) > MODELS_MAX:
            raise Refusal("too_many_models", "The list of models is too long.", highest=MODELS_MAX)
        values["model_limits"] = ",".join(names)
    if not isinstance(body.group, UnsetType):
        options = services.snapshots.current.options
        usable = body.group in ("", actor.group) or body.group in options.user_usable_groups
        known = not body.group or body.group in options.group_ratio
        if body.group == AUTO and options.auto_groups:
            usable = known = bool(groups_to_try(options, actor.group))
        if not (usable and known):
            raise Refusal("group_not_allowed", "This group may not be used.", group=body.group)
        values["group"] = body.group
    for name in ("allow_ips", "subnet"):
        text = getattr(body, name)
        if text is not UNSET:
            _check_addresses(text or "")
            values[name] = text
    for name in ("unlimited_quota", "model_limits_enabled", "note"):
        if getattr(body, name) is not UNSET:
            values[name] = getattr(body, name)
    return values


async def list_tokens(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the own tokens, the newest first."""
    page = read_page(Family.TOKENS, p=query(request, "p"), size=query(request, "size"))
    return await _rows(services, request, actor, (), page)


async def search_tokens(services: Services, request: Request, actor: Actor) -> Response:
    """Own tokens by a part of the name, or of the key (8 characters or more); in pages of `size`, else all that may be shown."""
    conditions = []
    keyword, key = query(request, "keyword"), query(request, "token").removeprefix("sk-")
    if keyword:
        conditions.append(Token.name.contains(keyword, autoescape=True))
    if key:
        if len(key) < 8:
            raise Refusal("key_part_too_short", "Give 8 or more characters of the key.")
        conditions.append(Token.key.contains(key, autoescape=True))
    size = query(request, "size") or str(SEARCH_ROWS_MAX)  # new-api, like One API, knows no pages here
    page = read_page(Family.FOUND_TOKENS, p=query(request, "p"), size=size)
    return await _rows(services, request, actor, tuple(conditions), page)


async def _rows(
    services: Services, request: Request, actor: Actor, conditions: tuple[Any, ...], page: Page
) -> Response:
    where = (*_own(actor), *conditions)
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(Token).where(*where))).scalar_one()
        found = select(*TOKEN_COLUMNS).where(*where).order_by(Token.id.desc()).limit(page.size).offset(page.offset)
        items = [_view(services, row) for row in (await db.execute(found)).all()]
    return reply_rows(request, items, total=total, page=page)


async def get_token(services: Services, request: Request, actor: Actor) -> Response:
    """One own token."""
    return reply(_view(services, await _get(services, actor, path_id(request))))


async def create_token(services: Services, request: Request, actor: Actor) -> Response:
    """A new token; the reply carries its whole key."""
    body = await read_body(request, TokenBody)
    values = read_values(services, actor, body)
    if "name" not in values:
        raise Refusal("name_length", "A name has 1 to 50 characters.")
    remain, now = values.pop("remain_quota", 0), int(time.time())
    first = {"user_id": actor.id, "key": random_text(48), "status": ENABLED, "remain_quota": 0, "expired_time": -1}
    async with services.engine.begin() as db:
        count = (await db.execute(select(func.count()).select_from(Token).where(*_own(actor)))).scalar_one()
        if count >= TOKENS_MAX:
            raise Refusal("too_many_tokens", "There are too many tokens already.", highest=TOKENS_MAX)
        row = {**first, "created_time": now, "accessed_time": now, **values}
        result = await db.execute(insert(Token).values(row))
        assert result.inserted_primary_key is not None
        token_id = int(result.inserted_primary_key[0])
        if remain:
            await _post(db, actor, token_id, f"token:{token_id}:new", remain)
    return reply(view_token(await _get(services, actor, token_id), full_key=True))


async def _post(db: Any, actor: Actor, token_id: int, reference: str, delta: int, seen: int | None = None) -> None:
    await post(
        db, kind="adjust", reference=reference, user_id=actor.id, delta=0, token_id=token_id, token_delta=delta,
        balance="token", actor=f"user:{actor.id}", guard=None if seen is None else Expect(seen),
    )  # fmt: skip


async def update_token(services: Services, request: Request, actor: Actor) -> Response:
    """Change an own token; with `status_only` its status alone."""
    body = await read_body(request, TokenBody)
    row = await _get(services, actor, body.id)
    if query(request, "status_only"):
        await _write(services, actor, row, {"status": _new_status(row, body.status)})
    else:
        await _write(services, actor, row, read_values(services, actor, body))
    return reply(_view(services, await _get(services, actor, body.id)))


def _new_status(row: Any, status: int | UnsetType) -> int:
    if status not in (ENABLED, DISABLED):
        raise Refusal("status_invalid", "The status must be 1 or 2.")
    if status == ENABLED and row.expired_time != -1 and row.expired_time <= time.time():
        raise Refusal("token_expired", "The token has expired; change its time of expiry first.")
    if status == ENABLED and not row.unlimited_quota and (row.remain_quota or 0) <= 0 and row.status == EXHAUSTED:
        raise Refusal("token_exhausted", "The token's quota is used up; raise it first.")
    return int(status)


async def _write(services: Services, actor: Actor, row: Any, values: dict[str, Any]) -> None:
    """One transaction; the quota moves by a ledger entry against the value that was read."""
    remain = values.pop("remain_quota", None)
    seen = row.remain_quota or 0
    after = {"expired_time": row.expired_time, "unlimited_quota": row.unlimited_quota, **values}
    alive = after["expired_time"] == -1 or after["expired_time"] > time.time()
    funded = after["unlimited_quota"] or (seen if remain is None else remain) > 0
    if row.status in (EXPIRED, EXHAUSTED) and alive and funded and "status" not in values:
        values["status"] = ENABLED
    try:
        async with services.engine.begin() as db:
            if remain is not None and remain != seen:
                await _post(db, actor, row.id, f"token:{row.id}:{random_text(16)}", remain - seen, seen)
            if values:
                await db.execute(update(Token).where(Token.id == row.id, *_own(actor)).values(values))
    except BalanceMoved as error:
        message = "The token's quota moved meanwhile; please look again."
        raise Refusal("quota_moved", message, status=409, found=error.found) from error
    await signals.token_changed(services.redis, row.id)
    if remain is not None or "unlimited_quota" in values:
        await signals.balance_changed(services.redis, actor.id, partitions=services.config.partitions)


async def delete_token(services: Services, request: Request, actor: Actor) -> Response:
    """Delete an own token."""
    row = await _get(services, actor, path_id(request))
    await _write(services, actor, row, {"deleted_at": datetime.now(UTC)})
    return reply()


async def reveal_key(services: Services, request: Request, actor: Actor) -> Response:
    """The whole key of an own token."""
    row = await _get(services, actor, path_id(request))
    async with services.engine.begin() as db:
        await audit(db, actor, "token.reveal", "token", row.id)
    return reply(KeyView(row.key))


async def batch(services: Services, request: Request, actor: Actor) -> Response:
    """Delete, enable, disable, extend or regroup own tokens; each succeeds or fails alone."""
    body = await read_body(request, TokenBatchBody)
    if body.action not in ("delete", "enable", "disable", "extend", "group") or len(body.ids) > BATCH_MAX:
        raise Refusal("batch_invalid", "This cannot be done to tokens.", highest=BATCH_MAX)
    report = BatchReport([], [])
    for token_id in body.ids:
        try:
            row = await _get(services, actor, token_id)
            await _write(services, actor, row, _batch_values(services, actor, row, body))
            report.succeeded.append(token_id)
        except Refusal as refusal:
            report.failed.append(BatchFailure(token_id, refusal.code, refusal.message))
    return reply(report)


def _batch_values(services: Services, actor: Actor, row: Any, body: TokenBatchBody) -> dict[str, Any]:
    match body.action:
        case "delete":
            return {"deleted_at": datetime.now(UTC)}
        case "extend":
            return read_values(services, actor, TokenBody(expired_time=body.expired_time))
        case "group":
            return read_values(services, actor, TokenBody(group=body.group))
    return {"status": _new_status(row, ENABLED if body.action == "enable" else DISABLED)}


ROUTES = (
    Route("GET", "/api/token/", Role.USER, list[TokenView], list_tokens, query=("p", "size", "envelope")),
    Route(
        "GET",
        "/api/token/search",
        Role.USER,
        list[TokenView],
        search_tokens,
        query=("keyword", "token", "p", "size", "envelope"),
    ),
    Route("POST", "/api/token/batch", Role.USER, BatchReport, batch, body=TokenBatchBody),
    Route("GET", "/api/token/:id", Role.USER, TokenView, get_token),
    Route("POST", "/api/token/", Role.USER, TokenView, create_token, body=TokenBody),
    Route("PUT", "/api/token/", Role.USER, TokenView, update_token, body=TokenBody, query=("status_only",)),
    Route("DELETE", "/api/token/:id", Role.USER, None, delete_token),
    Route("POST", "/api/token/:id/key", Role.USER, KeyView, reveal_key, fresh=True),
)
