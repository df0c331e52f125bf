"""The series behind the dashboard: hourly sums that settlement keeps, never a scan of the log."""

import time
from datetime import UTC, datetime
from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select

from edge.console import usage_sums
from edge.console.calls import query, reply, reply_rows
from edge.console.envelope import Refusal
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.migrate import read_meta
from schema.tables import Log, QuotaData, User
from schema.usage_totals import DAY_S, HOUR_S

HOURS_RANGE_S_MAX = 32 * 86_400  # longer spans are told in days
OWN_RANGE_S_MAX = 2_592_000  # thirty days
USERS_MAX = 100
CONSUMED = 2  # type of log rows
_SUMS = tuple(func.sum(column) for column in (QuotaData.token_used, QuotaData.count, QuotaData.quota))
# As DataRow has them; predecessors left some empty. By place, not by name: a month of a busy account is 14 000 rows.
_COLUMNS = (
    QuotaData.id, func.coalesce(QuotaData.user_id, 0), func.coalesce(QuotaData.username, ""),
    func.coalesce(QuotaData.model_name, ""), func.coalesce(QuotaData.created_at, 0), func.coalesce(QuotaData.token_used, 0),
    func.coalesce(QuotaData.count, 0), func.coalesce(QuotaData.quota, 0),
)  # fmt: skip


class DataRow(Struct, gc=False):
    """One hour of one model. `created_at` in Unix s, a multiple of 3600; `quota` in units."""

    id: int
    user_id: int
    username: str
    model_name: str
    created_at: int
    token_used: int
    count: int
    quota: int


class DayView(Struct):
    """One day of one model, spelled as One API's clients read it. `Quota` in units."""

    Day: str
    ModelName: str
    RequestCount: int
    Quota: int
    PromptTokens: int
    CompletionTokens: int


class UserSums(Struct):
    """What one user used in a range."""

    name: str
    quota: int  # units
    count: int
    token_used: int


def _range(request: Request) -> tuple[int, int]:
    return read_int(query(request, "start_timestamp")), read_int(query(request, "end_timestamp"))


async def list_data(services: Services, request: Request, actor: Actor) -> Response:
    """Hours of all users by model (days of spans beyond a month), or hours of one user."""
    username = query(request, "username")
    start, end = _range(request)
    end = end or int(time.time())
    within = (QuotaData.created_at >= start, QuotaData.created_at <= end)
    if username:
        return await _rows(services, request, (*within, await _named(services, username)))
    grain_s = HOUR_S if end - start <= HOURS_RANGE_S_MAX else DAY_S
    begin, ours, after = await _ours(services, start, end)
    async with services.engine.connect() as db:
        found = await usage_sums.series(db, ours, after, grain_s)
        if begin < ours:
            statement = (
                select(QuotaData.model_name, QuotaData.created_at, *_SUMS)
                .where(QuotaData.created_at >= begin, QuotaData.created_at < ours)
                .group_by(QuotaData.model_name, QuotaData.created_at)
            )
            for model, at, *figures in await db.execute(statement):
                usage_sums.add(found, (model or "", (at or 0) // grain_s * grain_s), figures)
    rows = sorted(found.items(), key=lambda one: one[0][1])
    return reply_rows(
        request, [DataRow(0, 0, "", model, at, tokens, calls, quota) for (model, at), (tokens, calls, quota) in rows]
    )


async def list_users(services: Services, request: Request, actor: Actor) -> Response:
    """Sums of each user in a range, the dearest first."""
    start, end = _range(request)
    begin, ours, after = await _ours(services, start, end or int(time.time()))
    async with services.engine.connect() as db:
        found = await usage_sums.by_user(db, ours, after)
        if begin < ours:
            statement = (
                select(QuotaData.user_id, *_SUMS)
                .where(QuotaData.created_at >= begin, QuotaData.created_at < ours)
                .group_by(QuotaData.user_id)
            )
            for user_id, *figures in await db.execute(statement):
                usage_sums.add(found, int(user_id or 0), figures)
        dearest = sorted(found.items(), key=lambda one: (-one[1][2], one[0]))[:USERS_MAX]
        wanted = select(User.id, User.username).where(User.id.in_([user_id for user_id, _ in dearest]))
        names = {row.id: row.username or "" for row in await db.execute(wanted)}
    return reply_rows(
        request,
        [UserSums(names.get(user_id, f"#{user_id}"), sums[2], sums[1], sums[0]) for user_id, sums in dearest],
    )


async def _ours(services: Services, start: int, end: int) -> tuple[int, int, int]:
    """(first hour, first hour that our own totals know, hour after the last one); the predecessor's hours come before."""
    begin = -(-start // HOUR_S) * HOUR_S
    after = end // HOUR_S * HOUR_S + HOUR_S
    if await read_meta(services.engine, "origin") == "new":
        return begin, begin, after
    adopted = int(await read_meta(services.engine, "adopted_at") or 0)
    known = -(-adopted // HOUR_S) * HOUR_S
    return begin, min(max(begin, known), after), after


async def _named(services: Services, username: str) -> Any:
    """By the account's id, which is indexed; by name for one that does not exist any more."""
    async with services.engine.connect() as db:
        user_id = (await db.execute(select(User.id).where(User.username == username))).scalar_one_or_none()
    return QuotaData.username == username if user_id is None else QuotaData.user_id == user_id


async def list_own_data(services: Services, request: Request, actor: Actor) -> Response:
    """The own hours, thirty days at most."""
    start, end = _range(request)
    if end - start > OWN_RANGE_S_MAX:
        raise Refusal("range_too_long", "The range may be thirty days at most.", highest_s=OWN_RANGE_S_MAX)
    within = (QuotaData.created_at >= start, QuotaData.created_at <= (end or 2**62))
    return await _rows(services, request, (*within, QuotaData.user_id == actor.id))


async def _rows(services: Services, request: Request, where: tuple[Any, ...]) -> Response:
    async with services.engine.connect() as db:
        rows = (await db.execute(select(*_COLUMNS).where(*where).order_by(QuotaData.created_at))).all()
    return reply_rows(request, [DataRow(*row) for row in rows])


async def list_dashboard(services: Services, request: Request, actor: Actor) -> Response:
    """The own usage of seven days by day and model, in One API's words."""
    since = int(time.time()) // DAY_S * DAY_S - 6 * DAY_S
    day = (Log.created_at - Log.created_at % DAY_S).label("day")
    sums = [func.coalesce(func.sum(column), 0) for column in (Log.quota, Log.prompt_tokens, Log.completion_tokens)]
    found = (
        select(day, Log.model_name, func.count(), *sums)
        .where(Log.user_id == actor.id, Log.type == CONSUMED, Log.created_at >= since)
        .group_by(day, Log.model_name)
        .order_by(day)
    )
    async with services.log_engine.connect() as db:
        rows = (await db.execute(found)).all()
    days = [datetime.fromtimestamp(int(row[0] or 0), UTC).strftime("%Y-%m-%d") for row in rows]
    return reply([DayView(at, row[1] or "", *map(int, row[2:])) for at, row in zip(days, rows, strict=True)])


ROUTES = (
    Route("GET", "/api/user/dashboard", Role.USER, list[DayView], list_dashboard),
    Route("GET", "/api/data/", Role.ADMIN, list[DataRow], list_data,
          query=("start_timestamp", "end_timestamp", "username", "envelope")),
    Route("GET", "/api/data/users", Role.ADMIN, list[UserSums], list_users,
          query=("start_timestamp", "end_timestamp", "envelope")),
    Route("GET", "/api/data/self", Role.USER, list[DataRow], list_own_data,
          query=("start_timestamp", "end_timestamp", "envelope")),
)  # fmt: skip
