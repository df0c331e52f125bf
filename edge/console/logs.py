"""The log for people: all of it for administrators, one's own for users, a token's for its holder."""

import hashlib
import time
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, delete, func, literal_column, or_, select

from edge.console.calls import TRUE, client_address, header, list_page, query, reply, reply_page, reply_rows
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.limits import admit
from edge.console.log_export import export
from edge.console.log_totals import sum_quota
from edge.console.paging import Family, read_int
from edge.console.routes import Actor, Role, Route
from edge.relay.callers import Caller, read_caller
from edge.relay.gate import check_address
from edge.relay.refusal import Refused
from edge.services import Services
from schema.addresses import Address, read_address
from schema.tables import Channel, Log, Token, User

CONSUMED = 2
FINANCIAL = (1, 3)  # top-ups and management: kept unless named
TOTAL_MAX = 10_000  # counted exactly up to here
SEARCH_ROWS_MAX = 100
DELETE_CHUNK = 5_000
NOW_S = 60  # what the rates of the last minute look at
COLUMNS = tuple(Log.__table__.columns)
NEWEST = (Log.created_at.desc(), Log.id.desc())  # the order of the indexes


class LogView(Struct):
    """A row of the log. Quota in units, `use_time` in s, `other` is JSON as text."""

    id: int
    user_id: int
    created_at: int
    type: int
    content: str
    username: str
    token_name: str
    model_name: str
    quota: int
    prompt_tokens: int
    completion_tokens: int
    use_time: int
    is_stream: bool
    channel: int
    channel_name: str
    token_id: int
    group: str
    other: str
    request_id: str
    status_code: int


class LogPage(Struct):
    items: list[LogView]
    total: int
    page: int
    page_size: int
    total_capped: bool = False


class Rates(Struct):
    """Quota over the filter; calls and model tokens of the last minute."""

    quota: int
    rpm: int
    tpm: int


def _view(row: Any, *, admin: bool, channel_name: str = "", masked_id: bool = False) -> LogView:
    use_time = row.use_time or (row.elapsed_time or 0) // 1000
    return LogView(
        row.id % 1024 if masked_id else row.id, row.user_id or 0, row.created_at or 0, row.type or 0,
        row.content or "", row.username or "", row.token_name or "", row.model_name or "", row.quota or 0,
        row.prompt_tokens or 0, row.completion_tokens or 0, use_time, bool(row.is_stream), row.channel_id or 0,
        channel_name, row.token_id or 0, row.group or "", _other(row.other, admin), row.request_id or "",
        row.status_code or 0,
    )  # fmt: skip


def _other(text: str | None, admin: bool) -> str:
    """`null` where there is nothing; what only administrators may see is taken out for others."""
    if not text:
        return "" if admin else "null"
    if admin or '"admin_info"' not in text:
        return text
    try:
        members = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return "null"
    members.pop("admin_info", None)
    return msgspec.json.encode(members).decode()


def _pattern(column: Any, text: str) -> ColumnElement[bool]:
    """A model's name; % stands for anything."""
    matches: ColumnElement[bool] = column.like(text) if "%" in text else column == text
    return matches


def _filters(request: Request, *, admin: bool, by_type: bool = True) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    numbers: dict[str, Any] = {"type": Log.type, "channel": Log.channel_id, "status": Log.status_code}
    texts: dict[str, Any] = {"token_name": Log.token_name, "group": Log.group, "request_id": Log.request_id}
    if not by_type:
        del numbers["type"]
    if not admin:
        del numbers["channel"]
    for name, column in numbers.items():
        if value := read_int(query(request, name)):
            where.append(column == value)
            if name == "type" and value != CONSUMED:
                where.append(Log.type != literal_column(str(CONSUMED)))  # says that the index of the few will do
    for name, column in texts.items():
        if text := query(request, name):
            where.append(column == text)
    if model := query(request, "model_name"):
        where.append(_pattern(Log.model_name, model))
    return where


def _span(request: Request) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if start := read_int(query(request, "start_timestamp")):
        where.append(Log.created_at >= start)
    if end := read_int(query(request, "end_timestamp")):
        where.append(Log.created_at <= end)
    return where


def _times(request: Request) -> list[ColumnElement[bool]]:
    before = read_int(query(request, "before_id"))
    return [*_span(request), *((Log.id < before,) if before else ())]


async def _before(services: Services, request: Request) -> list[ColumnElement[bool]]:
    """Behind a row in the order of pages."""
    before = read_int(query(request, "before_id"))
    if not before:
        return []
    async with services.log_engine.connect() as db:
        at = (await db.execute(select(Log.created_at).where(Log.id == before))).scalar_one_or_none()
    if at is None:
        return [Log.id < before]
    return [Log.created_at <= at, or_(Log.created_at < at, Log.id < before)]


async def _of_user(services: Services, request: Request) -> list[ColumnElement[bool]]:
    """The filter by a user's name: by his id, which is indexed, where an account has that name."""
    username = query(request, "username")
    if not username:
        return []
    user_id = await _find_user(services, request)
    return [Log.username == username] if user_id < 0 else [Log.user_id == user_id]


async def _find_user(services: Services, request: Request) -> int:
    """The id of the account that the filter names; -1 when there is none."""
    async with services.engine.connect() as db:
        found = await db.execute(select(User.id).where(User.username == query(request, "username")))
        user_id = found.scalar_one_or_none()
    return -1 if user_id is None else int(user_id)


async def _channel_names(services: Services, rows: Any) -> dict[int, str]:
    ids = {row.channel_id for row in rows if row.channel_id}
    if not ids:
        return {}
    async with services.engine.connect() as db:
        found = await db.execute(select(Channel.id, Channel.name).where(Channel.id.in_(ids)))
        return {channel_id: name or "" for channel_id, name in found}


async def list_logs(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the whole log, the newest first."""
    where = [*_filters(request, admin=True), *await _of_user(services, request)]
    return await _page(services, request, where, Family.USERS, admin=True)


async def list_own_logs(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the own log, the newest first."""
    where = [Log.user_id == actor.id, *_filters(request, admin=False)]
    return await _page(services, request, where, Family.OWN_LOGS, admin=False)


async def _page(
    services: Services, request: Request, where: list[ColumnElement[bool]], family: Family, *, admin: bool
) -> Response:
    page = list_page(services, request, family)
    conditions = [*where, *_span(request), *await _before(services, request)]
    async with services.log_engine.connect() as db:
        some = select(Log.id).where(*conditions).limit(TOTAL_MAX + 1).subquery()
        total = (await db.execute(select(func.count()).select_from(some))).scalar_one()
        ids = select(Log.id).where(*conditions).order_by(*NEWEST).limit(page.size).offset(page.offset)
        wanted = list((await db.execute(ids)).scalars())  # from the index alone, however far behind the page is
        rows = (await db.execute(select(*COLUMNS).where(Log.id.in_(wanted)).order_by(*NEWEST))).all()
    names = await _channel_names(services, rows) if admin else {}
    items = [
        _view(row, admin=admin, channel_name=names.get(row.channel_id or 0, ""), masked_id=not admin) for row in rows
    ]
    if page.bare:
        return reply_page(request, items, total, page)
    return reply(LogPage(items, min(total, TOTAL_MAX), page.number, page.size, total > TOTAL_MAX))


async def search_logs(services: Services, request: Request, actor: Actor) -> Response:
    """The newest hundred rows by type or by the beginning of their text."""
    keyword = query(request, "keyword")
    where = or_(Log.type == read_int(keyword), Log.content.startswith(keyword, autoescape=True))
    return await _newest(services, request, [where], admin=True)


async def search_own_logs(services: Services, request: Request, actor: Actor) -> Response:
    """The newest hundred own rows by type."""
    where = [Log.user_id == actor.id, Log.type == read_int(query(request, "keyword"))]
    return await _newest(services, request, where, admin=False)


async def _newest(services: Services, request: Request, where: list[ColumnElement[bool]], *, admin: bool) -> Response:
    async with services.log_engine.connect() as db:
        found = select(*COLUMNS).where(*where).order_by(*NEWEST).limit(SEARCH_ROWS_MAX)
        rows = (await db.execute(found)).all()
    return reply_rows(request, [_view(row, admin=admin, masked_id=not admin) for row in rows])


async def get_stat(services: Services, request: Request, actor: Actor) -> Response:
    """Quota over a filter, and what happened in the last minute."""
    where = [*_filters(request, admin=True, by_type=False), *await _of_user(services, request)]
    user_id = await _find_user(services, request) if query(request, "username") else None
    return await _stat(services, request, where, user_id=user_id, admin=True)


async def get_own_stat(services: Services, request: Request, actor: Actor) -> Response:
    """The own quota over a filter, and what happened in the last minute."""
    where = _filters(request, admin=False, by_type=False)
    return await _stat(services, request, [Log.user_id == actor.id, *where], user_id=actor.id, admin=False)


async def _stat(
    services: Services, request: Request, where: list[ColumnElement[bool]], *, user_id: int | None, admin: bool
) -> Response:
    calls = [Log.type == CONSUMED, *where]
    recent = and_(*calls, Log.created_at >= int(time.time()) - NOW_S)
    quota = await sum_quota(services, request, where, user_id=user_id, admin=admin)
    async with services.log_engine.connect() as db:
        tokens = func.coalesce(func.sum(Log.prompt_tokens + Log.completion_tokens), 0)
        rpm, tpm = (await db.execute(select(func.count(), tokens).where(recent))).one()
    return reply(Rates(quota, int(rpm), int(tpm)))


async def list_token_logs(services: Services, request: Request, actor: Actor) -> Response:
    """The charges of a token, the oldest first, for whoever holds its key. Key tools on other sites read this."""
    key = query(request, "key") or header(request, b"authorization").removeprefix("Bearer ").strip()
    key = key.removeprefix("sk-").partition("-")[0]
    address = client_address(request, services.config)
    await admit(services.redis, f"logkey:{address}", most=30, window_s=60)
    await admit(services.redis, f"logkey:{hashlib.sha256(key.encode()).hexdigest()}", most=10, window_s=60)
    rows: list[Any] = []
    if key.isascii() and key.isalnum() and len(key) <= 64:
        async with services.engine.connect() as db:
            found = select(Token.id, Token.key).where(Token.key == key, Token.deleted_at.is_(None))
            token = (await db.execute(found)).first()
        if token is not None and (token.key or "").rstrip() == key:
            caller = await read_caller(services.engine, key)
            if caller is not None and caller.networks is not None:
                check_token_address(caller, read_address(address) if address else None)
            most = services.snapshots.current.options.log_by_key_rows_max
            most = min(max(read_int(query(request, "limit")), 0) or most, most)
            where = [Log.token_id == token.id, Log.type.in_((CONSUMED, 5)), *_times(request)]
            async with services.log_engine.connect() as db:
                newest = select(*COLUMNS).where(*where).order_by(Log.id.desc()).limit(most)
                rows = list(reversed((await db.execute(newest)).all()))
    response = reply([_view(row, admin=False, masked_id=True) for row in rows])
    return response


async def export_logs(services: Services, request: Request, actor: Actor) -> Response:
    """The filtered log, the newest first, at most a million rows: CSV, or JSON lines with `format=jsonl`."""
    where = [*_filters(request, admin=True), *await _of_user(services, request), *_times(request)]
    return _export(services, request, where, admin=True)


async def export_own_logs(services: Services, request: Request, actor: Actor) -> Response:
    """The own filtered log in the same forms."""
    where = [Log.user_id == actor.id, *_filters(request, admin=False), *_times(request)]
    return _export(services, request, where, admin=False)


def _export(services: Services, request: Request, where: list[ColumnElement[bool]], *, admin: bool) -> Response:
    def view(row: Any) -> LogView:
        return _view(row, admin=admin, masked_id=not admin)

    lines = query(request, "format") == "jsonl"
    return export(services, where, view, LogView.__struct_fields__, json_lines=lines)


def check_token_address(caller: Caller, address: Address | None) -> None:
    """Raises Refusal where the token's list of addresses leaves this one out."""
    try:
        check_address(caller, address)
    except Refused as refused:
        raise Refusal("ip_not_allowed", refused.message, status=403) from None


async def delete_logs(services: Services, request: Request, actor: Actor) -> Response:
    """Delete what is older than a time; top-ups and management stay unless they are named."""
    before = read_int(query(request, "target_timestamp"))
    if not before:
        raise Refusal("target_required", "target timestamp is required")
    where = [Log.created_at < before]
    if query(request, "include_financial") not in TRUE:
        where.append(Log.type.not_in(FINANCIAL))
    count = 0
    while True:
        async with services.log_engine.begin() as db:
            found = await db.execute(select(Log.id).where(*where).order_by(Log.id).limit(DELETE_CHUNK))
            ids = list(found.scalars())
            if ids:
                await db.execute(delete(Log).where(Log.id.in_(ids)))
        count += len(ids)
        if len(ids) < DELETE_CHUNK:
            break
    async with services.engine.begin() as db:
        await audit(db, actor, "log.delete", "log", before, rows=count)
    return reply(count)


_OWN = ("type", "start_timestamp", "end_timestamp", "token_name", "model_name", "group", "request_id", "status")
_ALL = (*_OWN, "username", "channel")
_PAGE = ("p", "page_size", "before_id")
ROUTES = (
    Route("GET", "/api/log/", Role.ADMIN, LogPage, list_logs, query=(*_ALL, *_PAGE)),
    Route("GET", "/api/log/self", Role.USER, LogPage, list_own_logs, query=(*_OWN, *_PAGE)),
    Route("GET", "/api/log/search", Role.ADMIN, list[LogView], search_logs, query=("keyword", "envelope")),
    Route("GET", "/api/log/self/search", Role.USER, list[LogView], search_own_logs, query=("keyword", "envelope")),
    Route("GET", "/api/log/stat", Role.ADMIN, Rates, get_stat, query=_ALL),
    Route("GET", "/api/log/self/stat", Role.USER, Rates, get_own_stat, query=_OWN),
    Route(
        "GET",
        "/api/log/token",
        Role.VISITOR,
        list[LogView],
        list_token_logs,
        query=("key", "limit", "before_id", "start_timestamp", "end_timestamp"),
    ),
    Route("GET", "/api/log/export", Role.ROOT, None, export_logs, query=(*_ALL, "format"), media="text/csv"),
    Route("GET", "/api/log/self/export", Role.USER, None, export_own_logs, query=(*_OWN, "format"), media="text/csv"),
    Route("DELETE", "/api/log/", Role.ROOT, int, delete_logs, query=("target_timestamp", "include_financial")),
)
