"""Accounts as administrators see them: nobody touches an account of his own rank or above, but root."""

from datetime import UTC, datetime
from typing import Any

from blacksheep import Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import delete, func, or_, select, update

from edge.console import passwords, sessions
from edge.console.accounts import check_name_free
from edge.console.calls import list_page, path_id, query, read_body, reply, reply_page
from edge.console.envelope import Refusal
from edge.console.journal import MANAGEMENT, audit, write_log
from edge.console.logins.email import clean_address
from edge.console.logins.entry import has_second_step, with_second_step
from edge.console.new_user import NewUser, clean_username, insert_user, random_text
from edge.console.objects import USER_COLUMNS, UserView, view_user
from edge.console.paging import Family, read_int
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.ledger.entries import BalanceMoved, Expect, post
from schema.tables import Token, User

ROOT, ADMIN, COMMON = 100, 10, 1
QUOTA_MAX = 10**15  # units
ORDERS = {"quota": User.quota, "used_quota": User.used_quota, "request_count": User.request_count}


class UserBody(Struct):
    """Absent members of a PUT stay unchanged; `role` is honoured when root makes an account. Quota in units."""

    id: int = 0
    username: str = ""
    password: str = ""
    display_name: str = ""
    role: int = COMMON
    group: str | UnsetType = UNSET
    quota: int | UnsetType = UNSET
    quota_seen: int | UnsetType = UNSET  # the balance that the editor saw; another one now is a conflict
    quota_delta: int = 0  # instead of `quota`
    email: str = ""  # of a new account
    remark: str = ""  # why the balance moves


class ManageBody(Struct):
    """`username` names the account where `id` is absent, as One API's clients do."""

    action: str
    id: int = 0
    username: str = ""


class UserPage(Struct):
    items: list[UserView]
    total: int
    page: int
    page_size: int


async def list_users(services: Services, request: Request, actor: Actor) -> Response:
    """One page of accounts, deleted ones included, the newest first."""
    return await _rows(services, request, ())


async def search_users(services: Services, request: Request, actor: Actor) -> Response:
    """Accounts by a part of a name or e-mail address, by id, by group."""
    keyword, group = query(request, "keyword"), query(request, "group")
    columns = (User.username, User.email, User.display_name)
    same: list[Any] = [column.contains(keyword, autoescape=True) for column in columns]
    if keyword.isascii() and keyword.isdigit():
        same.append(User.id == read_int(keyword))
    return await _rows(services, request, (or_(*same), *((User.group == group,) if group else ())))


async def _rows(services: Services, request: Request, where: tuple[Any, ...]) -> Response:
    page = list_page(services, request, Family.USERS)
    order = ORDERS.get(query(request, "order"))
    async with services.engine.connect() as db:
        total = (await db.execute(select(func.count()).select_from(User).where(*where))).scalar_one()
        found = (
            select(*USER_COLUMNS).where(*where).order_by(*(() if order is None else (order.desc(),)), User.id.desc())
        )
        rows = (await db.execute(found.limit(page.size).offset(page.offset))).all()
    secured = await with_second_step(services, [row.id for row in rows])
    views = [view_user(row) for row in rows]
    for view in views:
        view.two_factor = view.id in secured
    return reply_page(request, views, total, page)


async def _target(services: Services, actor: Actor, user_id: int, *, deleted: bool = False) -> Any:
    conditions = [User.id == user_id] + ([] if deleted else [User.deleted_at.is_(None)])
    async with services.engine.connect() as db:
        row = (await db.execute(select(*USER_COLUMNS).where(*conditions))).first()
    if row is None:
        raise Refusal("user_not_found", "There is no such user.")
    if actor.role != ROOT and (row.role or 0) >= actor.role:
        raise Refusal("user_out_of_reach", "This account is of your own rank or above.", status=403)
    return row


async def get_user(services: Services, request: Request, actor: Actor) -> Response:
    """One account of a lower rank."""
    view = view_user(await _target(services, actor, path_id(request)))
    view.two_factor = await has_second_step(services, view.id)
    return reply(view)


def _check_quota_group(services: Services, body: UserBody) -> None:
    asked = (body.quota_delta, *((body.quota,) if isinstance(body.quota, int) else ()))
    if any(not -QUOTA_MAX <= one <= QUOTA_MAX for one in asked):
        raise Refusal("quota_invalid", "The quota is out of bounds.", highest=QUOTA_MAX)
    if not isinstance(body.group, UnsetType) and body.group not in services.snapshots.current.options.group_ratio:
        raise Refusal("group_unknown", "There is no such group.", group=body.group)


async def create_user(services: Services, request: Request, actor: Actor) -> Response:
    """A new account."""
    body = await read_body(request, UserBody)
    username = clean_username(body.username)
    passwords.check_new(body.password, username)
    _check_quota_group(services, body)
    if body.role not in (COMMON, ADMIN) or body.role >= actor.role:
        raise Refusal("role_not_allowed", "An account of this rank may not be made.", status=403)
    user = NewUser(
        username, await passwords.hash_password(body.password), body.display_name, role=body.role,
        group="default" if isinstance(body.group, UnsetType) else body.group,
        quota=None if isinstance(body.quota, UnsetType) else body.quota,
        email=clean_address(services.snapshots.current.options, body.email) if body.email else "",
    )  # fmt: skip
    async with services.engine.begin() as db:
        options = services.snapshots.current.options
        user_id = await insert_user(db, options, services.config, user, f"user:{actor.id}")
        await audit(db, actor, "user.create", "user", user_id, role=body.role)
    return reply(view_user(await _target(services, actor, user_id)))


async def update_user(services: Services, request: Request, actor: Actor) -> Response:
    """Change name, display name, group, balance or password of an account of a lower rank."""
    body = await read_body(request, UserBody)
    row = await _target(services, actor, body.id)
    _check_quota_group(services, body)
    values: dict[str, Any] = {}
    if body.username and body.username != row.username:
        values["username"] = clean_username(body.username)
    if body.display_name:
        values["display_name"] = body.display_name[:20]
    if not isinstance(body.group, UnsetType):
        values["group"] = body.group
    if body.password:
        passwords.check_new(body.password, values.get("username", row.username))
        values["password"] = await passwords.hash_password(body.password)
    seen = row.quota or 0
    if isinstance(body.quota_seen, int) and body.quota_seen != seen:
        raise Refusal("quota_moved", "The balance moved meanwhile; please look again.", status=409, found=seen)
    moved = body.quota_delta if isinstance(body.quota, UnsetType) else body.quota - seen
    await _write(services, actor, row, values, moved, body.remark.strip()[:200])
    if moved:
        await signals.balance_changed(services.redis, row.id, partitions=services.config.partitions)
        await write_log(services, MANAGEMENT, row.id, row.username, f"quota changed from {seen} to {seen + moved}")
    if body.password:
        await sessions.end_all(services.redis, row.id)
    await signals.user_changed(services.redis, row.id)
    return reply()


async def _write(services: Services, actor: Actor, row: Any, values: dict[str, Any], moved: int, reason: str) -> None:
    seen = row.quota or 0
    try:
        async with services.engine.begin() as db:
            await check_name_free(db, values.get("username"), row.id)
            if moved:
                await post(
                    db, kind="adjust", reference=f"user:{row.id}:{random_text(16)}", user_id=row.id, delta=moved,
                    actor=f"user:{actor.id}", guard=Expect(seen), reason=reason,
                )  # fmt: skip
            if values:
                await db.execute(update(User).where(User.id == row.id).values(values))
            await audit(db, actor, "user.update", "user", row.id, members=sorted(values), quota_delta=moved)
    except BalanceMoved as error:
        message = "The balance moved meanwhile; please look again."
        raise Refusal("quota_moved", message, status=409, found=error.found) from error


async def manage(services: Services, request: Request, actor: Actor) -> Response:
    """Disable, enable, delete, promote or demote an account."""
    body = await read_body(request, ManageBody)
    if not body.id and body.username:
        async with services.engine.connect() as db:
            named = await db.execute(select(User.id).where(User.username == body.username))
            body.id = named.scalar_one_or_none() or 0
    row = await _target(services, actor, body.id, deleted=True)
    if row.id == actor.id or (row.role == ROOT and body.action != "enable"):
        raise Refusal("action_refused", "This cannot be done to this account.", status=403)
    values = _managed(actor, row, body.action)
    await _end(services, actor, row, values, f"user.{body.action}")
    return reply(UserView(role=values.get("role", row.role), status=values.get("status", row.status)))


def _managed(actor: Actor, row: Any, action: str) -> dict[str, Any]:
    match action:
        case "disable":
            return {"status": 2}
        case "enable":
            return {"status": 1}
        case "delete":
            return {"deleted_at": datetime.now(UTC)}
        case "promote" if actor.role == ROOT and row.role < ADMIN:
            return {"role": ADMIN}
        case "demote" if row.role > COMMON:
            return {"role": COMMON}
    raise Refusal("action_refused", "This cannot be done to this account.", status=403)


async def _end(services: Services, actor: Actor, row: Any, values: dict[str, Any], action: str) -> None:
    """Write the change; a deleted account's tokens go with it; the account's sessions end."""
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == row.id).values(values))
        if "deleted_at" in values:
            alive = (Token.user_id == row.id, Token.deleted_at.is_(None))
            await db.execute(update(Token).where(*alive).values(deleted_at=values["deleted_at"]))
        await audit(db, actor, action, "user", row.id)
    await sessions.end_all(services.redis, row.id)
    await signals.user_changed(services.redis, row.id)


async def delete_user(services: Services, request: Request, actor: Actor) -> Response:
    """Delete an account of a lower rank for good; its balance leaves the books with an entry that says so."""
    row = await _target(services, actor, path_id(request), deleted=True)
    if row.id == actor.id or row.role == ROOT:
        raise Refusal("action_refused", "This cannot be done to this account.", status=403)
    who, now = f"user:{actor.id}", datetime.now(UTC)
    async with services.engine.begin() as db:
        found = select(User.quota, User.aff_quota).where(User.id == row.id).with_for_update()
        held = (await db.execute(found)).one()
        for balance, amount in (("user", held.quota or 0), ("aff", held.aff_quota or 0)):
            if amount:
                await post(
                    db, kind="adjust", reference=f"deleted:{row.id}:{balance}:{random_text(8)}", user_id=row.id,
                    delta=-amount, balance=balance, actor=who, reason="the account was deleted", guard=Expect(amount),
                )  # fmt: skip
        alive = (Token.user_id == row.id, Token.deleted_at.is_(None))
        await db.execute(update(Token).where(*alive).values(deleted_at=now, status=2))
        await db.execute(delete(User).where(User.id == row.id))
        await audit(db, actor, "user.delete_for_good", "user", row.id, username=row.username)
    await sessions.end_all(services.redis, row.id)
    await signals.user_changed(services.redis, row.id)
    return reply()


ROUTES = (
    Route("DELETE", "/api/user/:id", Role.ADMIN, None, delete_user),
    Route("GET", "/api/user/", Role.ADMIN, UserPage, list_users, query=("p", "page_size", "order")),
    Route(
        "GET",
        "/api/user/search",
        Role.ADMIN,
        UserPage,
        search_users,
        query=("keyword", "group", "p", "page_size", "order"),
    ),
    Route("GET", "/api/user/:id", Role.ADMIN, UserView, get_user),
    Route("POST", "/api/user/", Role.ADMIN, UserView, create_user, body=UserBody),
    Route("PUT", "/api/user/", Role.ADMIN, None, update_user, body=UserBody),
    Route("POST", "/api/user/manage", Role.ADMIN, UserView, manage, body=ManageBody),
)
