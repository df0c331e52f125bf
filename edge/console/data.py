"""The series behind the dashboard: hourly sums that settlement keeps, never a scan of the log."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select

from edge.console.calls import query, reply_rows
from edge.console.envelope import Refusal
from edge.console.paging import read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import QuotaData

OWN_RANGE_S_MAX = 2_592_000  # thirty days
USERS_MAX = 100


class DataRow(Struct):
    """One hour of one model. `created_at` in Unix s, a multiple of 3600; `quota` in units."""

    id: int
    user_id: int
    username: str
    model_name: str
    created_at: int
    token_used: int
    count: int
    quota: int


class UserSums(Struct):
    """What one user used in a range."""

    name: str
    quota: int  # units
    count: int
    token_used: int


def _range(request: Request) -> tuple[int, int]:
    return read_int(query(request, "start_timestamp")), read_int(query(request, "end_timestamp"))


async def list_data(services: Services, request: Request, actor: Actor) -> Response:
    """Hours of all users by model, or of one user."""
    username = query(request, "username")
    start, end = _range(request)
    within = (QuotaData.created_at >= start, QuotaData.created_at <= (end or 2**62))
    if username:
        return await _rows(services, request, (*within, QuotaData.username == username))
    sums = [func.sum(column) for column in (QuotaData.token_used, QuotaData.count, QuotaData.quota)]
    statement = (
        select(QuotaData.model_name, QuotaData.created_at, *sums)
        .where(*within)
        .group_by(QuotaData.model_name, QuotaData.created_at)
        .order_by(QuotaData.created_at)
    )
    async with services.engine.connect() as db:
        rows = (await db.execute(statement)).all()
    return reply_rows(
        request, [DataRow(0, 0, "", row[0] or "", row[1] or 0, int(row[2]), int(row[3]), int(row[4])) for row in rows]
    )


async def list_users(services: Services, request: Request, actor: Actor) -> Response:
    """Sums of each user in a range, the dearest first."""
    start, end = _range(request)
    sums = [func.sum(column) for column in (QuotaData.quota, QuotaData.count, QuotaData.token_used)]
    statement = (
        select(QuotaData.username, *sums)
        .where(QuotaData.created_at >= start, QuotaData.created_at <= (end or 2**62))
        .group_by(QuotaData.username)
        .order_by(sums[0].desc())
        .limit(USERS_MAX)
    )
    async with services.engine.connect() as db:
        rows = (await db.execute(statement)).all()
    return reply_rows(request, [UserSums(row[0] or "", int(row[1]), int(row[2]), int(row[3])) for row in rows])


async def list_own_data(services: Services, request: Request, actor: Actor) -> Response:
    """The own hours, thirty days at most."""
    start, end = _range(request)
    if end - start > OWN_RANGE_S_MAX:
        raise Refusal("range_too_long", "The range may be thirty days at most.", highest_s=OWN_RANGE_S_MAX)
    within = (QuotaData.created_at >= start, QuotaData.created_at <= (end or 2**62))
    return await _rows(services, request, (*within, QuotaData.user_id == actor.id))


async def _rows(services: Services, request: Request, where: tuple[Any, ...]) -> Response:
    async with services.engine.connect() as db:
        found = select(*QuotaData.__table__.columns).where(*where).order_by(QuotaData.created_at)
        rows = (await db.execute(found)).mappings().all()
    return reply_rows(
        request,
        [
            DataRow(
                row["id"], row["user_id"] or 0, row["username"] or "", row["model_name"] or "", row["created_at"] or 0,
                row["token_used"] or 0, row["count"] or 0, row["quota"] or 0,
            )
            for row in rows
        ],
    )  # fmt: skip


ROUTES = (
    Route("GET", "/api/data/", Role.ADMIN, list[DataRow], list_data,
          query=("start_timestamp", "end_timestamp", "username", "envelope")),
    Route("GET", "/api/data/users", Role.ADMIN, list[UserSums], list_users,
          query=("start_timestamp", "end_timestamp", "envelope")),
    Route("GET", "/api/data/self", Role.USER, list[DataRow], list_own_data,
          query=("start_timestamp", "end_timestamp", "envelope")),
)  # fmt: skip
