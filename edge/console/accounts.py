"""A person's own account: profile, access token, invitations, settings, sessions, its end."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, select, update

from edge.console import passwords, sessions
from edge.console.access import hash_access_token
from edge.console.calls import read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins.entry import has_second_step, rotate, tell
from edge.console.new_user import clean_username, random_text
from edge.console.objects import USER_COLUMNS, UserView, read_setting, view_user
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.addresses import UrlRefused, UrlRules, read_target
from schema.ledger import signals
from schema.ledger.entries import NOT_NEGATIVE, BalanceTooLow, post
from schema.tables import Token, User


class SelfBody(Struct):
    username: str = ""
    password: str = ""
    display_name: str = ""
    original_password: str = ""


class TransferBody(Struct):
    quota: int = 0  # units


class SettingBody(Struct):
    """Absent `webhook_secret` keeps the stored one, '' clears it."""

    notify_type: str = ""
    quota_warning_threshold: float = 0
    webhook_url: str = ""
    webhook_secret: str | UnsetType = UNSET
    notification_email: str = ""
    accept_unset_model_ratio_model: bool = False


class SessionView(Struct):
    id: str
    created: int
    last_seen: int
    ip: str
    user_agent: str
    current: bool


async def read_user(services: Services, user_id: int) -> Any:
    """The living account. Raises Refusal."""
    async with services.engine.connect() as db:
        found = select(*USER_COLUMNS).where(User.id == user_id, User.deleted_at.is_(None))
        row = (await db.execute(found)).first()
    if row is None:
        raise Refusal("user_not_found", "There is no such user.")
    return row


async def get_self(services: Services, request: Request, actor: Actor) -> Response:
    """The own account."""
    view = view_user(await read_user(services, actor.id), own=True)
    view.two_factor = await has_second_step(services, actor.id)
    return reply(view)


async def put_self(services: Services, request: Request, actor: Actor) -> Response:
    """Change name, display name or password; only members that are given and not empty."""
    body = await read_body(request, SelfBody)
    row = await read_user(services, actor.id)
    values: dict[str, Any] = {}
    if body.username and body.username != row.username:
        values["username"] = clean_username(body.username)
    if body.display_name:
        if len(body.display_name) > 20:
            raise Refusal("display_name_too_long", "A display name has at most 20 characters.")
        values["display_name"] = body.display_name
    if body.password:
        if body.original_password and not await passwords.verify(body.original_password, row.password):
            raise Refusal("credentials_wrong", "The current password is wrong.")
        fresh = actor.via_session and actor.fresh_until_s >= time.time()
        if not fresh and not body.original_password:
            raise Refusal("reauth_required", "Please confirm your password.", status=403)
        passwords.check_new(body.password, values.get("username", row.username))
        values["password"] = await passwords.hash_password(body.password)
    if values:
        async with services.engine.begin() as db:
            await check_name_free(db, values.get("username"), actor.id)
            await db.execute(update(User).where(User.id == actor.id).values(values))
        await signals.user_changed(services.redis, actor.id)
    response = reply()
    if body.password:
        kept = await rotate(services, request, response, actor, second_factor=actor.second_factor)
        await sessions.end_all(services.redis, actor.id, keep=kept)
        await tell(services, request, actor.id, "password")
    return response


async def check_name_free(db: Any, username: str | None, user_id: int) -> None:
    """Raises Refusal when another account, deleted ones included, has this name."""
    if username is None:
        return
    same = select(User.id).where(func.lower(User.username) == username.lower(), User.id != user_id)
    if (await db.execute(same.limit(1))).first() is not None:
        raise Refusal("username_taken", "This user name or e-mail address is already in use.")


async def new_access_token(services: Services, request: Request, actor: Actor) -> Response:
    """A new access token, shown once; the old one ends."""
    token = random_text(32)
    values = {"access_token": None, "access_token_hash": hash_access_token(token)}
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == actor.id).values(values))
        await audit(db, actor, "user.access_token", "user", actor.id)
    await tell(services, request, actor.id, "access_token")
    return reply(token)


async def get_aff(services: Services, request: Request, actor: Actor) -> Response:
    """The own invitation code; made when there is none."""
    row = await read_user(services, actor.id)
    if row.aff_code:
        return reply(row.aff_code)
    code = random_text(8)
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == actor.id).values(aff_code=code))
    return reply(code)


async def transfer(services: Services, request: Request, actor: Actor) -> Response:
    """Move reward for invitations to the balance."""
    body = await read_body(request, TransferBody)
    lowest = int(services.snapshots.current.options.quota_per_unit)
    if body.quota < lowest:
        raise Refusal("quota_too_low", "The amount is below the least one.", lowest=lowest)
    reference, who = f"{actor.id}:{random_text(16)}", f"user:{actor.id}"
    try:
        async with services.engine.begin() as db:
            await _post_transfer(db, reference, actor.id, body.quota, who)
    except BalanceTooLow as error:
        raise Refusal("aff_quota_too_low", "There is not so much reward.", available=error.available) from error
    await signals.balance_changed(services.redis, actor.id, partitions=services.config.partitions)
    return reply(message="划转成功")


async def _post_transfer(db: Any, reference: str, user_id: int, quota: int, who: str) -> None:
    out, into = f"{reference}:out", f"{reference}:in"
    await post(
        db, kind="transfer", reference=out, user_id=user_id, delta=-quota, balance="aff", actor=who, guard=NOT_NEGATIVE
    )
    await post(db, kind="transfer", reference=into, user_id=user_id, delta=quota, actor=who)


async def put_setting(services: Services, request: Request, actor: Actor) -> Response:
    """How this account is warned of a low balance."""
    body = await read_body(request, SettingBody)
    if body.notify_type not in ("email", "webhook"):
        raise Refusal("notify_type_invalid", "The way of notice must be email or webhook.")
    if not 0 < body.quota_warning_threshold < 1e15:
        raise Refusal("threshold_invalid", "The threshold must be above 0.")
    row = await read_user(services, actor.id)
    setting = read_setting(row.setting)
    secret = setting.pop("webhook_secret", "")
    setting.pop("webhook_url", None)
    setting.pop("notification_email", None)
    setting.update(
        notify_type=body.notify_type,
        quota_warning_threshold=body.quota_warning_threshold,
        accept_unset_model_ratio_model=body.accept_unset_model_ratio_model,
    )
    if body.notify_type == "webhook":
        rules = UrlRules(http=services.snapshots.current.options.webhook_allow_http, url_chars_max=512)
        try:
            read_target(body.webhook_url, rules)
        except UrlRefused as error:
            raise Refusal("webhook_url_invalid", "The webhook address is not allowed.", reason=str(error)) from error
        setting["webhook_url"] = body.webhook_url
        wanted = secret if isinstance(body.webhook_secret, UnsetType) else body.webhook_secret
        if wanted:
            setting["webhook_secret"] = wanted
    elif body.notification_email:
        if body.notification_email.lower() != (row.email or "").lower():
            raise Refusal("email_not_confirmed", "Notices go to the account's confirmed address only.")
        setting["notification_email"] = body.notification_email
    async with services.engine.begin() as db:
        text = msgspec.json.encode(setting).decode()
        await db.execute(update(User).where(User.id == actor.id).values(setting=text))
    await signals.user_changed(services.redis, actor.id)
    return reply(message="设置已更新")


async def delete_self(services: Services, request: Request, actor: Actor) -> Response:
    """Delete the own account: its tokens end with it, its sessions too. The root account stays."""
    if actor.role == Role.ROOT:
        raise Refusal("action_refused", "The root account cannot be deleted.", status=403)
    now = datetime.now(UTC)
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == actor.id).values(deleted_at=now))
        alive = (Token.user_id == actor.id, Token.deleted_at.is_(None))
        await db.execute(update(Token).where(*alive).values(deleted_at=now))
        await audit(db, actor, "user.delete", "user", actor.id)
    await sessions.end_all(services.redis, actor.id)
    await signals.user_changed(services.redis, actor.id)
    return reply()


async def list_sessions(services: Services, request: Request, actor: Actor) -> Response:
    """Where this account is signed in."""
    found = await sessions.list_of(services.redis, actor.id)
    views = [
        SessionView(digest[:32], one.created, one.seen, one.ip, one.user_agent, digest == actor.session)
        for digest, one in found
    ]
    return reply(views)


async def delete_session(services: Services, request: Request, actor: Actor) -> Response:
    """End one session of the own account."""
    wanted = (request.route_values or {}).get("session", "")
    for digest, _ in await sessions.list_of(services.redis, actor.id):
        if digest[:32] == wanted:
            await sessions.end(services.redis, actor.id, digest)
            return reply()
    raise Refusal("session_not_found", "There is no such session.")


async def delete_sessions(services: Services, request: Request, actor: Actor) -> Response:
    """End all sessions of the own account but this one."""
    await sessions.end_all(services.redis, actor.id, keep=actor.session)
    return reply()


ROUTES = (
    Route("GET", "/api/user/self", Role.USER, UserView, get_self),
    Route("PUT", "/api/user/self", Role.USER, None, put_self, body=SelfBody),
    Route("DELETE", "/api/user/self", Role.USER, None, delete_self, fresh=True),
    Route("GET", "/api/user/token", Role.USER, str, new_access_token, fresh=True),
    Route("POST", "/api/user/token", Role.USER, str, new_access_token, fresh=True),
    Route("GET", "/api/user/aff", Role.USER, str, get_aff),
    Route("POST", "/api/user/aff_transfer", Role.USER, None, transfer, body=TransferBody),
    Route("PUT", "/api/user/setting", Role.USER, None, put_setting, body=SettingBody),
    Route("GET", "/api/user/self/sessions", Role.USER, list[SessionView], list_sessions),
    Route("DELETE", "/api/user/self/sessions", Role.USER, None, delete_sessions),
    Route("DELETE", "/api/user/self/sessions/:session", Role.USER, None, delete_session),
)
