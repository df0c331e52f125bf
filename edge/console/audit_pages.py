"""Who changed what, for root."""

from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select

from edge.console.calls import query, reply
from edge.console.paging import Family, read_int, read_page
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import AuditEntry


class AuditView(Struct):
    """`at` in Unix s; `before` and `after` where one value was changed, else both null and the facts in `detail`."""

    id: int
    at: int
    actor_id: int
    actor: str
    action: str
    target: str
    before: Any
    after: Any
    detail: dict[str, Any]
    ip: str


class AuditPage(Struct):
    items: list[AuditView]
    total: int
    page: int
    page_size: int


async def list_audit(services: Services, request: Request, actor: Actor) -> Response:
    """One page of changes, the newest first; by actor (id or name), `action` (`channel.update`, or `channel.` for all of
    them), `target` (`channel:7`), and the time in Unix s."""
    page = read_page(Family.USERS, p=query(request, "p"), size=query(request, "page_size"))
    where: list[Any] = []
    if actor_id := read_int(query(request, "actor_id")):
        where.append(AuditEntry.actor_id == actor_id)
    if name := query(request, "actor"):
        where.append(AuditEntry.actor == name)
    if action := query(request, "action"):
        whole = AuditEntry.action.startswith(action, autoescape=True)
        where.append(whole if action.endswith(".") else AuditEntry.action == action)
    if start_s := read_int(query(request, "start_timestamp")):
        where.append(AuditEntry.at_ms >= start_s * 1000)
    if end_s := read_int(query(request, "end_timestamp")):
        where.append(AuditEntry.at_ms < (end_s + 1) * 1000)
    subject, _, subject_id = query(request, "target").partition(":")
    if subject:
        where.append(AuditEntry.subject == subject)
    if subject_id:
        where.append(AuditEntry.subject_id == subject_id)
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(AuditEntry).where(*where))).scalar_one()
        found = select(*AuditEntry.__table__.columns).where(*where).order_by(AuditEntry.id.desc())
        rows = (await db.execute(found.limit(page.size).offset(page.offset))).all()
    return reply(page.wrap([_view(row) for row in rows], total))


def _view(row: Any) -> AuditView:
    try:
        detail = msgspec.json.decode(row.detail or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        detail = {}
    before, after = detail.pop("before", None), detail.pop("after", None)
    target = f"{row.subject}:{row.subject_id}" if row.subject_id else row.subject
    return AuditView(
        row.id, row.at_ms // 1000, row.actor_id, row.actor, row.action, target, before, after, detail, row.ip
    )


ROUTES = (
    Route(
        "GET",
        "/api/audit",
        Role.ROOT,
        AuditPage,
        list_audit,
        query=("p", "page_size", "actor_id:integer", "actor", "action", "target", "start_timestamp", "end_timestamp"),
    ),
)
