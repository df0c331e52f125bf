"""Accounts with a password: register, sign in and out, confirm the password before what is sensitive."""

from typing import Any

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, or_, select, update

from edge.console import limits, passwords, sessions
from edge.console.access import ENABLED, check_same_origin
from edge.console.accounts import read_user
from edge.console.calls import read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import SYSTEM, write_log
from edge.console.logins import turnstile
from edge.console.logins.email import use_registration_code
from edge.console.logins.entry import SecondStepAsked, admit_user, has_second_step, is_secure, rotate
from edge.console.logins.second_step import check_code
from edge.console.new_user import NewUser, clean_username, insert_user
from edge.console.objects import USER_COLUMNS, UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services
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


class ReauthBody(Struct):
    """One of them: the password, or a code of the second step."""

    password: str = ""
    otp: str = ""


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
    async with services.engine.connect() as db:
        same = (
            or_(User.username == name, func.lower(User.email) == name.lower()) if "@" in name else User.username == name
        )
        rows = (await db.execute(select(*USER_COLUMNS).where(same, User.deleted_at.is_(None)).limit(2))).all()
    row = rows[0] if len(rows) == 1 else None
    account = limits.account_name(row.id if row is not None else 0, name)
    await limits.check_login(services.redis, account)
    known = await passwords.verify(body.password, row.password if row is not None else None)
    if row is None or not known or row.status != ENABLED:
        await limits.login_failed(services.redis, account)
        raise Refusal("credentials_wrong", "User name or password is wrong, or the account is disabled.")
    await _rehash(services, row, body.password)
    return await admit_user(services, request, row)


async def _rehash(services: Services, row: Any, password: str) -> None:
    """An adopted hash was made at a lower cost: the password is known now, so it is hashed anew."""
    if not passwords.is_weak(row.password):
        return
    stronger = await passwords.hash_password(password)
    async with services.engine.begin() as db:
        same = (User.id == row.id, User.password == row.password)
        await db.execute(update(User).where(*same).values(password=stronger))


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


async def reauth(services: Services, request: Request, actor: Actor) -> Response:
    """Confirm the password, or a code of the second step: sensitive calls of this browser pass for ten minutes."""
    body = await read_body(request, ReauthBody)
    if not actor.via_session:
        raise Refusal("session_needed", "Only a signed-in browser confirms its password.")
    name = limits.account_name(actor.id, "")
    await limits.check_login(services.redis, name)
    row = await read_user(services, actor.id)
    if body.otp:
        proved = await check_code(services, actor.id, body.otp) and await has_second_step(services, actor.id)
    else:
        proved = await passwords.verify(body.password, row.password)
    if not proved:
        await limits.login_failed(services.redis, name)
        raise Refusal("credentials_wrong", "The password or the code is wrong.")
    response = reply()
    await rotate(services, request, response, actor, second_factor=actor.second_factor or bool(body.otp))
    return response


ROUTES = (
    Route(
        "POST",
        "/api/user/login",
        Role.VISITOR,
        UserView,
        login,
        body=LoginBody,
        or_returns=SecondStepAsked,
        critical=True,
    ),
    Route("GET", "/api/user/logout", Role.VISITOR, None, logout),
    Route("POST", "/api/user/logout", Role.VISITOR, None, logout),
    Route("POST", "/api/user/register", Role.VISITOR, None, register, body=RegisterBody, critical=True),
    Route("POST", "/api/user/reauth", Role.USER, None, reauth, body=ReauthBody),
)
