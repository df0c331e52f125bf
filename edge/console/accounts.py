"""A person's own account: sign in and out, register, profile, access token, invitations, settings, sessions."""

import time
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, or_, select, update

from edge.console import limits, passwords, sessions
from edge.console.access import ENABLED, check_same_origin, hash_access_token
from edge.console.calls import client_address, header, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import SYSTEM, audit, write_log
from edge.console.logins import turnstile
from edge.console.logins.email import use_registration_code
from edge.console.new_user import NewUser, clean_username, insert_user, random_text
from edge.console.objects import USER_COLUMNS, UserView, read_setting, view_login, view_user
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.addresses import UrlRefused, UrlRules, read_target
from schema.ledger import signals
from schema.ledger.entries import NOT_NEGATIVE, BalanceTooLow, post
from schema.tables import User


class LoginBody(Struct):
    username: str = ""
    password: str = ""


class RegisterBody(Struct):
    username: str = ""
    password: str = ""
    email: str = ""
    verification_code: str = ""
    aff_code: str = ""


class SelfBody(Struct):
    username: str = ""
    password: str = ""
    display_name: str = ""
    original_password: str = ""


class ReauthBody(Struct):
    password: str = ""


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


def is_secure(services: Services, request: Request) -> bool:
    """Whether the cookie may be bound to HTTPS."""
    forwarded = header(request, b"x-forwarded-proto").lower() == "https"
    address = services.snapshots.current.options.server_address
    return request.scope.get("scheme") == "https" or forwarded or address.startswith("https://")


async def begin_session(services: Services, request: Request, response: Response, user_id: int) -> None:
    """Sign this browser in. An older session of the same browser ends."""
    ip = client_address(request, services.config)
    agent = header(request, b"user-agent")
    secret = await sessions.begin(services.redis, user_id, ip=ip, user_agent=agent)
    response.add_header(b"Set-Cookie", sessions.write_cookie(secret, secure=is_secure(services, request)))


async def read_user(services: Services, user_id: int) -> Any:
    """The living account. Raises Refusal."""
    async with services.engine.connect() as db:
        found = select(*USER_COLUMNS).where(User.id == user_id, User.deleted_at.is_(None))
        row = (await db.execute(found)).first()
    if row is None:
        raise Refusal("user_not_found", "There is no such user.")
    return row


async def login(services: Services, request: Request, actor: Actor) -> Response:
    """Sign in with user name or e-mail address and password."""
    check_same_origin(services, request)
    if not services.snapshots.current.options.password_login_enabled:
        raise Refusal("password_login_disabled", "Signing in with a password is switched off.")
    await turnstile.check(services, request)
    body = await read_body(request, LoginBody)
    name = body.username.strip()
    if not name or not body.password:
        raise Refusal("credentials_missing", "User name and password are needed.")
    await limits.check_login(services.redis, name.lower())
    async with services.engine.connect() as db:
        same = (
            or_(User.username == name, func.lower(User.email) == name.lower()) if "@" in name else User.username == name
        )
        rows = (await db.execute(select(*USER_COLUMNS).where(same, User.deleted_at.is_(None)).limit(2))).all()
    row = rows[0] if len(rows) == 1 else None
    known = await passwords.verify(body.password, row.password if row is not None else None)
    if row is None or not known or row.status != ENABLED:
        await limits.login_failed(services.redis, name.lower())
        raise Refusal("credentials_wrong", "User name or password is wrong, or the account is disabled.")
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == row.id).values(last_login_at=int(time.time())))
    response = reply(view_login(row))
    await begin_session(services, request, response, row.id)
    return response


async def logout(services: Services, request: Request, actor: Actor) -> Response:
    """End this browser's session."""
    check_same_origin(services, request)
    secret = request.cookies.get(sessions.COOKIE)
    if secret:
        digest = sessions.digest_of(secret)
        session = await sessions.find(services.redis, digest)
        if session is not None:
            await sessions.end(services.redis, session.user_id, digest)
    response = reply()
    response.add_header(b"Set-Cookie", sessions.write_cookie("", secure=is_secure(services, request)))
    return response


async def register(services: Services, request: Request, actor: Actor) -> Response:
    """Make an account with a password."""
    check_same_origin(services, request)
    options = services.snapshots.current.options
    if not (options.register_enabled and options.password_register_enabled):
        raise Refusal("register_disabled", "Registration is switched off.")
    body = await read_body(request, RegisterBody)
    username = clean_username(body.username)
    passwords.check_new(body.password, username)
    await turnstile.check(services, request)
    email = ""
    if options.email_verification_enabled:
        email = await use_registration_code(services, body.email, body.verification_code)
    user = NewUser(username, await passwords.hash_password(body.password), email=email, aff_code=body.aff_code)
    async with services.engine.begin() as db:
        user_id = await insert_user(db, options, services.config, user, "system")
    if options.quota_for_new_user:
        text = f"new user gift: {options.quota_for_new_user}"
        await write_log(services, SYSTEM, user_id, username, text, options.quota_for_new_user)
    return reply()


async def get_self(services: Services, request: Request, actor: Actor) -> Response:
    """The own account."""
    return reply(view_user(await read_user(services, actor.id), own=True))


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
        fresh = actor.via_session and actor.fresh_until_s >= time.time()
        if not fresh and not await passwords.verify(body.original_password, row.password):
            raise Refusal("reauth_required", "Please confirm your password.", status=403)
        passwords.check_new(body.password, values.get("username", row.username))
        values["password"] = await passwords.hash_password(body.password)
    if values:
        async with services.engine.begin() as db:
            await check_name_free(db, values.get("username"), actor.id)
            await db.execute(update(User).where(User.id == actor.id).values(values))
        await signals.user_changed(services.redis, actor.id)
    if body.password:
        await sessions.end_all(services.redis, actor.id, keep=actor.session)
    return reply()


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


async def reauth(services: Services, request: Request, actor: Actor) -> Response:
    """Confirm the password: sensitive calls of this browser pass for ten minutes. The cookie changes."""
    body = await read_body(request, ReauthBody)
    if not actor.via_session:
        raise Refusal("session_needed", "Only a signed-in browser confirms its password.")
    await limits.check_login(services.redis, actor.username.lower())
    row = await read_user(services, actor.id)
    if not await passwords.verify(body.password, row.password):
        await limits.login_failed(services.redis, actor.username.lower())
        raise Refusal("credentials_wrong", "The password is wrong.")
    response = reply()
    await begin_session(services, request, response, actor.id)
    await sessions.end(services.redis, actor.id, actor.session)
    return response


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
    wanted = (request.route_values or {}).get("id", "")
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
    Route("POST", "/api/user/login", Role.VISITOR, UserView, login, body=LoginBody, critical=True),
    Route("GET", "/api/user/logout", Role.VISITOR, None, logout),
    Route("POST", "/api/user/logout", Role.VISITOR, None, logout),
    Route("POST", "/api/user/register", Role.VISITOR, None, register, body=RegisterBody, critical=True),
    Route("GET", "/api/user/self", Role.USER, UserView, get_self),
    Route("PUT", "/api/user/self", Role.USER, None, put_self, body=SelfBody),
    Route("GET", "/api/user/token", Role.USER, str, new_access_token, fresh=True),
    Route("POST", "/api/user/token", Role.USER, str, new_access_token, fresh=True),
    Route("GET", "/api/user/aff", Role.USER, str, get_aff),
    Route("POST", "/api/user/aff_transfer", Role.USER, None, transfer, body=TransferBody),
    Route("PUT", "/api/user/setting", Role.USER, None, put_setting, body=SettingBody),
    Route("POST", "/api/user/reauth", Role.USER, None, reauth, body=ReauthBody),
    Route("GET", "/api/user/self/sessions", Role.USER, list[SessionView], list_sessions),
    Route("DELETE", "/api/user/self/sessions", Role.USER, None, delete_sessions),
    Route("DELETE", "/api/user/self/sessions/:id", Role.USER, None, delete_session),
)
