"""Orders as payers and administrators see them, and credit given by an administrator."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import String, cast, func, or_, select

from edge.console.calls import query, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import TOP_UP, audit, write_log
from edge.console.new_user import random_text
from edge.console.paging import Family, read_int, read_page
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.ledger.entries import post
from schema.tables import TopUp, TopUpOrder, User

QUOTA_MAX = 10**15  # units
REMARK_MAX = 200  # characters
ROOT = 100


class OrderView(Struct):
    """`amount` whole USD, `money` in `currency`, times in Unix s; `quota` 0 for orders of a predecessor."""

    id: int
    user_id: int
    username: str
    amount: int
    money: float
    trade_no: str
    create_time: int
    status: str
    provider: str
    method: str
    currency: str
    quota: int
    paid_time: int
    provider_trade_no: str


class OrderPage(Struct):
    items: list[OrderView]
    total: int
    page: int
    page_size: int


class CreditBody(Struct):
    """`quota` in units; negative takes it away, which only root may."""

    user_id: int
    quota: int
    remark: str = ""


async def list_own(services: Services, request: Request, actor: Actor) -> Response:
    """One page of the own orders, the newest first."""
    return await _rows(services, request, [TopUp.user_id == actor.id], admin=False)


async def list_all(services: Services, request: Request, actor: Actor) -> Response:
    """One page of all orders, the newest first."""
    where: list[Any] = []
    if user_id := read_int(query(request, "user_id")):
        where.append(TopUp.user_id == user_id)
    return await _rows(services, request, where, admin=True)


async def _rows(services: Services, request: Request, where: list[Any], *, admin: bool) -> Response:
    page = read_page(Family.USERS, p=query(request, "p"), size=query(request, "page_size"))
    if status := query(request, "status"):
        where.append(cast(TopUp.status, String(16)) == status)
    if keyword := query(request, "keyword"):
        theirs = TopUpOrder.provider_trade_no == keyword
        where.append(
            or_(TopUp.trade_no.contains(keyword, autoescape=True), theirs) if admin else TopUp.trade_no == keyword
        )
    joined = TopUp.__table__.outerjoin(TopUpOrder.__table__, TopUpOrder.trade_no == TopUp.trade_no)
    found = (
        select(
            TopUp.id, TopUp.user_id, User.username, TopUp.amount, TopUp.money, TopUp.trade_no, TopUp.create_time,
            TopUp.status, TopUpOrder.provider, TopUpOrder.method, TopUpOrder.currency, TopUpOrder.quota,
            TopUpOrder.paid_ms, TopUpOrder.provider_trade_no,
        )
        .select_from(joined.outerjoin(User.__table__, User.id == TopUp.user_id))
        .where(*where)
        .order_by(TopUp.id.desc())
    )  # fmt: skip
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(joined).where(*where))).scalar_one()
        rows = (await db.execute(found.limit(page.size).offset(page.offset))).all()
    return reply(page.wrap([_view(row) for row in rows], total))


def _view(row: Any) -> OrderView:
    return OrderView(
        row.id, row.user_id or 0, row.username or "", row.amount or 0, float(row.money or 0), row.trade_no or "",
        row.create_time or 0, row.status or "", row.provider or "epay", row.method or "", row.currency or "CNY",
        row.quota or 0, (row.paid_ms or 0) // 1000, row.provider_trade_no or "",
    )  # fmt: skip


async def grant(services: Services, request: Request, actor: Actor) -> Response:
    """Credit an account of a lower rank; a ledger entry says who and why."""
    body = await read_body(request, CreditBody)
    if body.quota == 0 or abs(body.quota) > QUOTA_MAX:
        raise Refusal("quota_invalid", "The quota must not be 0.", highest=QUOTA_MAX)
    if body.quota < 0 and actor.role != ROOT:
        raise Refusal("forbidden", "Only root may take quota away.", status=403)
    remark = body.remark.strip()[:REMARK_MAX]
    async with services.engine.begin() as db:
        alive = (User.id == body.user_id, User.deleted_at.is_(None))
        row = (await db.execute(select(User.username, User.role).where(*alive))).first()
        if row is None:
            raise Refusal("user_not_found", "There is no such user.")
        if actor.role != ROOT and (row.role or 0) >= actor.role:
            raise Refusal("user_out_of_reach", "This account is of your own rank or above.", status=403)
        reference, who = f"grant:{body.user_id}:{random_text(16)}", f"user:{actor.id}"
        await post(
            db, kind="adjust", reference=reference, user_id=body.user_id, delta=body.quota, actor=who, reason=remark
        )
        await audit(db, actor, "user.topup", "user", body.user_id, quota=body.quota, remark=remark)
    await signals.balance_changed(services.redis, body.user_id, partitions=services.config.partitions)
    text = f"{remark or 'credited by an administrator'}: {body.quota} quota"
    await write_log(services, TOP_UP, body.user_id, row.username or "", text, body.quota)
    return reply()


_LIST = ("p", "page_size", "status:string", "keyword")
ROUTES = (
    Route("GET", "/api/user/topups", Role.USER, OrderPage, list_own, query=_LIST),
    Route("GET", "/api/topups", Role.ADMIN, OrderPage, list_all, query=(*_LIST, "user_id")),
    Route("POST", "/api/topup", Role.ADMIN, None, grant, body=CreditBody),
)
