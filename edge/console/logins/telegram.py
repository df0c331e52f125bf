"""Telegram's Login Widget: what it signs, believed once and for five minutes. Signs in and binds, never registers.

Source: Telegram docs "Login Widget, checking authorization".
"""

import hmac
import secrets
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from blacksheep import Request, Response
from sqlalchemy import select

from edge.console.access import check_fresh, check_same_origin
from edge.console.calls import query, reply
from edge.console.envelope import Refusal
from edge.console.logins.entry import SecondStepAsked, admit_user
from edge.console.logins.oauth import bind_account, find_browser
from edge.console.logins.providers import Profile
from edge.console.objects import USER_COLUMNS, UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import User

TELEGRAM = "https://oauth.telegram.org"
FIELDS = ("auth_date", "first_name", "id", "lang", "last_name", "photo_url", "username")
AGE_S_MAX, AHEAD_S_MAX = 300, 60
REMEMBERED_S = 600  # longer than a signature counts
TICKET_S = 600
_PREFIX = "mx:telegram:"


def sign(bot_token: str, fields: dict[str, str]) -> str:
    """What Telegram would sign these fields with."""
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    return hmac.new(sha256(bot_token.encode()).digest(), text.encode(), sha256).hexdigest()


async def _read(services: Services, request: Request) -> Profile:
    """Who Telegram says it is. Raises Refusal: not signed, too old, or used before."""
    options = services.snapshots.current.options
    if not options.telegram_o_auth_enabled or not options.telegram_bot_token:
        raise Refusal("provider_disabled", "This way of signing in is switched off.")
    fields = {name: query(request, name) for name in FIELDS if request.query.get(name)}
    given, now = query(request, "hash").lower(), int(time.time())
    signed = hmac.compare_digest(sign(options.telegram_bot_token, fields).encode(), given.encode())
    at = fields.get("auth_date", "")
    if not signed or not fields.get("id") or not at.isdigit() or not now - AGE_S_MAX <= int(at) <= now + AHEAD_S_MAX:
        raise Refusal("provider_refused", "Telegram did not sign this, or too long ago; please start again.")
    if not await services.redis.set(f"{_PREFIX}used:{given}", 1, nx=True, ex=REMEMBERED_S):
        raise Refusal("provider_refused", "This sign-in was used already; please start again.")
    return Profile(fields["id"], fields.get("username", ""), fields.get("first_name", ""))


async def log_in(services: Services, request: Request, actor: Actor) -> Response:
    """Sign in an account that is bound to this Telegram account."""
    check_same_origin(services, request)
    profile = await _read(services, request)
    async with services.engine.connect() as db:
        found = select(*USER_COLUMNS).where(User.telegram_id == profile.id, User.deleted_at.is_(None))
        row = (await db.execute(found.limit(1))).first()
    if row is None:
        raise Refusal("binding_missing", "该 Telegram 账户未绑定")
    return await admit_user(services, request, row)


async def start(services: Services, request: Request, actor: Actor) -> Response:
    """The address at which Telegram asks its user; it comes back to the page /oauth/telegram. No script of theirs runs here."""
    options = services.snapshots.current.options
    if not options.telegram_o_auth_enabled or not options.telegram_bot_token:
        raise Refusal("provider_disabled", "This way of signing in is switched off.")
    check_fresh(await find_browser(services, request))  # who is signed in binds, and is asked for the password here
    site = options.server_address.rstrip("/")
    asked = {
        "bot_id": options.telegram_bot_token.partition(":")[0], "origin": site, "request_access": "write",
        "return_to": f"{site}/oauth/telegram",
    }  # fmt: skip
    return reply(f"{TELEGRAM}/auth?{urlencode(asked)}")


async def new_ticket(services: Services, request: Request, actor: Actor) -> Response:
    """A one-time ticket that binds the next answer of the widget to this account."""
    ticket = secrets.token_urlsafe(32)
    await services.redis.set(f"{_PREFIX}ticket:{sha256(ticket.encode()).hexdigest()}", actor.id, ex=TICKET_S)
    return reply(ticket)


async def _bind(services: Services, request: Request, actor: Actor) -> None:
    ticket = query(request, "ticket")
    held = await services.redis.getdel(f"{_PREFIX}ticket:{sha256(ticket.encode()).hexdigest()}") if ticket else None
    if held is None or int(held) != actor.id:
        raise Refusal("state_wrong", "The ticket for binding is missing or was used; please start again.", status=403)
    await bind_account(services, request, actor, "telegram", "telegram_id", await _read(services, request))


async def bind(services: Services, request: Request, actor: Actor) -> Response:
    """Bind a Telegram account to the own one; leads to the settings, as front-ends know it."""
    await _bind(services, request, actor)
    response = Response(302)
    response.add_header(b"Location", b"/setting")
    return response


async def post_bind(services: Services, request: Request, actor: Actor) -> Response:
    """The same, answered with an envelope."""
    await _bind(services, request, actor)
    return reply()


_QUERY = (*FIELDS, "hash")
_BIND: Any = (*_QUERY, "ticket")
ROUTES = (
    Route("POST", "/api/oauth/telegram/start", Role.VISITOR, str, start, critical=True),
    Route(
        "GET",
        "/api/oauth/telegram/login",
        Role.VISITOR,
        UserView,
        log_in,
        query=_QUERY,
        or_returns=SecondStepAsked,
        critical=True,
    ),
    Route("POST", "/api/oauth/telegram/ticket", Role.USER, str, new_ticket, fresh=True),
    Route("GET", "/api/oauth/telegram/bind", Role.USER, None, bind, query=_BIND, critical=True, fresh=True),
    Route("POST", "/api/oauth/telegram/bind", Role.USER, None, post_bind, query=_BIND, critical=True, fresh=True),
)
