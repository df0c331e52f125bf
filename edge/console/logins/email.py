"""E-mail addresses: codes for registering and binding, and a new password by mail. Answers never tell who has an account."""

import contextlib
import re
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select, update

from edge.console import passwords, sessions
from edge.console.access import check_same_origin, find_actor
from edge.console.calls import query, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins import codes, turnstile
from edge.console.logins.entry import tell
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.options import Options
from schema.redis_client import queue_of
from schema.tables import User

_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f<>,;:\"()\[\]\\]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]{2,}")
CHARS_MAX = 50
REGISTER, RESET = "register", "reset"


class ResetBody(Struct):
    """Without `password` a random one is set and returned, as older front-ends expect."""

    email: str = ""
    token: str = ""
    password: str = ""


def clean_address(options: Options, text: str) -> str:
    """Lower-cased. Raises Refusal for what is no address or not of an allowed kind."""
    address = text.strip().lower()
    if len(address) > CHARS_MAX or not _ADDRESS.fullmatch(address):
        raise Refusal("email_invalid", "This is not an e-mail address.")
    local, _, domain = address.partition("@")
    allowed = {entry.strip().lower() for entry in options.email_domain_whitelist}
    if options.email_domain_restriction_enabled and domain not in allowed:
        raise Refusal("email_domain_not_allowed", "Addresses of this domain are not accepted.")
    if options.email_alias_restriction_enabled and ("+" in local or "." in local):
        raise Refusal("email_alias_not_allowed", "Addresses with + or . before the @ are not accepted.")
    return address


async def _is_taken(services: Services, address: str) -> bool:
    async with services.engine.connect() as db:
        found = await db.execute(select(User.id).where(func.lower(User.email) == address).limit(1))
        return found.first() is not None


async def _mail(services: Services, to: str, subject: str, text: str) -> None:
    queue = queue_of(services.redis)
    await queue.enqueue_job("mail", to, subject, text)


async def send_code(services: Services, request: Request, actor: Actor) -> Response:
    """Mail a code to an address that is to be registered or bound."""
    await turnstile.check(services, request)
    with contextlib.suppress(Refusal):
        actor = await find_actor(services, request) or actor  # visitors register, others bind
    options = services.snapshots.current.options
    address = clean_address(options, query(request, "email"))
    code = await codes.issue(services, f"bind:{actor.id}" if actor.id else REGISTER, address)
    if await _is_taken(services, address):  # the answer tells nothing; the owner of the address learns it
        text = (
            "此邮箱已注册,请直接登录或重置密码。\nThis address has an account already: sign in, or reset its password."
        )
        await _mail(services, address, f"{options.system_name}: 此邮箱已注册 / already registered", text)
        return reply()
    text = f"您的验证码是 {code},10 分钟内有效。\nYour code is {code}. It is valid for ten minutes."
    await _mail(services, address, f"{options.system_name}: {code}", text)
    return reply()


async def bind(services: Services, request: Request, actor: Actor) -> Response:
    """Set the account's address, proved by a code."""
    address = clean_address(services.snapshots.current.options, query(request, "email"))
    await codes.use(services, f"bind:{actor.id}", address, query(request, "code"))
    async with services.engine.begin() as db:
        taken = select(User.id).where(func.lower(User.email) == address, User.id != actor.id).limit(1)
        if (await db.execute(taken)).first() is not None:
            raise Refusal("username_taken", "This user name or e-mail address is already in use.")
        old = (await db.execute(select(User.email).where(User.id == actor.id))).scalar()
        values = {"email": address, "email_verified_at": int(time.time())}
        await db.execute(update(User).where(User.id == actor.id).values(values))
        await audit(db, actor, "user.email", "user", actor.id)
    await signals.user_changed(services.redis, actor.id)
    if old and old.lower() != address:
        await tell(services, request, actor.id, "email", to=old)
    return reply()


async def send_reset(services: Services, request: Request, actor: Actor) -> Response:
    """Mail a link for a new password. The reply is the same whether the address is known or not."""
    await turnstile.check(services, request)
    options = services.snapshots.current.options
    address = query(request, "email").strip().lower()
    if not _ADDRESS.fullmatch(address):
        raise Refusal("email_invalid", "This is not an e-mail address.")
    token = await codes.issue(services, RESET, address, link=True)
    if len(await _living(services, address)) == 1:
        link = f"{options.server_address.rstrip('/')}/user/reset#{urlencode({'email': address, 'token': token})}"
        text = f"点击链接重置密码(30 分钟内有效):\n{link}\nFollow the link within 30 minutes to choose a new password."
        await _mail(services, address, f"{options.system_name}: 重置密码 / new password", text)
    return reply()


async def reset(services: Services, request: Request, actor: Actor) -> Response:
    """A new password for the holder of a mailed token; all sessions of the account end."""
    check_same_origin(services, request)
    body = await read_body(request, ResetBody)
    address = body.email.strip().lower()
    password = body.password or secrets.token_hex(6)
    passwords.check_new(password, "")
    await codes.use(services, RESET, address, body.token)
    rows = await _living(services, address)
    if len(rows) != 1:
        raise Refusal("code_wrong", "The code is wrong or has expired.")
    values = {"password": await passwords.hash_password(password), "access_token": None, "access_token_hash": None}
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == rows[0]).values(values))
        await audit(db, Actor(id=rows[0]), "user.password_reset", "user", rows[0])
    await tell(services, request, rows[0], "password")
    await sessions.end_all(services.redis, rows[0])
    await signals.user_changed(services.redis, rows[0])
    return reply(None if body.password else password)


async def use_registration_code(services: Services, email: str, code: str) -> str:
    """The proved address of somebody who registers. Raises Refusal."""
    address = clean_address(services.snapshots.current.options, email)
    await codes.use(services, REGISTER, address, code)
    return address


async def _living(services: Services, address: str) -> list[Any]:
    async with services.engine.connect() as db:
        same = (func.lower(User.email) == address, User.deleted_at.is_(None))
        return list((await db.execute(select(User.id).where(*same).limit(2))).scalars())


async def check_browser(services: Services, request: Request, actor: Actor) -> Response:
    """POST form of `bind`, which other sites cannot send."""
    check_same_origin(services, request)
    return await bind(services, request, actor)


ROUTES = (
    Route("GET", "/api/verification", Role.VISITOR, None, send_code, query=("email", "turnstile"), critical=True),
    Route("GET", "/api/reset_password", Role.VISITOR, None, send_reset, query=("email", "turnstile"), critical=True),
    Route("POST", "/api/user/reset", Role.VISITOR, str, reset, body=ResetBody, critical=True),
    Route("GET", "/api/oauth/email/bind", Role.USER, None, bind, query=("email", "code"), critical=True, fresh=True),
    Route(
        "POST",
        "/api/oauth/email/bind",
        Role.USER,
        None,
        check_browser,
        query=("email", "code"),
        critical=True,
        fresh=True,
    ),
)
