"""Signing in by a third party, and binding its account to one's own. Source: sign-in rules, "third-party sign-in".

A state belongs to one browser and one intent, and is used once: nobody can finish a flow that another began, and a link for
signing in can never bind. Accounts are not merged by e-mail address.
"""

import hashlib
import secrets
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.access import find_actor
from edge.console.calls import query, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins.entry import admit_user, is_secure
from edge.console.logins.providers import PROVIDERS, Profile, Provider
from edge.console.new_user import NewUser, insert_user
from edge.console.objects import USER_COLUMNS, UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.tables import LedgerEntry, User

STATE_S = 600
COOKIE = "medusa_oauth"
NAME_TRIES = 20
_PREFIX = "mx:oauth:"


class _State(Struct, frozen=True):
    browser: str  # digest of the cookie
    user_id: int  # who wants to bind; 0: sign in
    aff: str = ""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def find_browser(services: Services, request: Request) -> Actor:
    """Who is signed in at a route that visitors may call; a visitor where the session or its header is not right."""
    try:
        actor = await find_actor(services, request)
    except Refusal:
        return Actor()
    return actor if actor is not None and actor.via_session else Actor()


async def new_state(services: Services, request: Request, actor: Actor) -> Response:
    """A state for the redirect to a provider, bound to this browser by a cookie."""
    actor = await find_browser(services, request)
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    record = _State(_digest(browser), actor.id, query(request, "aff")[:32])
    await services.redis.set(_PREFIX + _digest(state), msgspec.json.encode(record), ex=STATE_S)
    response = reply(state)
    flags = "; HttpOnly; SameSite=Lax" + ("; Secure" if is_secure(services, request) else "")
    response.add_header(b"Set-Cookie", f"{COOKIE}={browser}; Path=/api/oauth; Max-Age={STATE_S}{flags}".encode())
    return response


async def _use_state(services: Services, request: Request, actor: Actor) -> _State:
    state, browser = query(request, "state"), request.cookies.get(COOKIE) or ""
    held = await services.redis.getdel(_PREFIX + _digest(state)) if state else None
    record = msgspec.json.decode(held, type=_State) if held else None
    if record is None or record.browser != _digest(browser) or record.user_id != actor.id:
        raise Refusal("state_wrong", "state is empty or not same", status=403)
    return record


def _handler(provider: Provider) -> Any:
    async def finish(services: Services, request: Request, actor: Actor) -> Response:
        """Sign in or register; for a signed-in account: bind."""
        actor = await find_browser(services, request)
        state = await _use_state(services, request, actor)
        if not provider.is_enabled(services.snapshots.current.options):
            raise Refusal("provider_disabled", "This way of signing in is switched off.")
        if query(request, "error"):
            raise Refusal("provider_refused", query(request, "error_description")[:200] or "The provider refused.")
        code = query(request, "code")
        if not code:
            raise Refusal("provider_refused", "The provider sent no code.")
        profile = await provider.fetch(services, code)
        if not profile.id:
            raise Refusal("provider_refused", "The provider did not say who signs in.")
        if actor.id:
            await _bind(services, actor, provider, profile)
            return reply(message="bind")
        return await _sign_in(services, request, provider, profile, state.aff)

    return finish


async def _bind(services: Services, actor: Actor, provider: Provider, profile: Profile) -> None:
    column = getattr(User, provider.column)
    async with services.engine.begin() as db:
        if (await db.execute(select(User.id).where(column == profile.id, User.id != actor.id).limit(1))).first():
            raise Refusal("binding_taken", "This account at the provider is bound to another user.")
        await db.execute(update(User).where(User.id == actor.id).values(_values(provider, profile)))
        await audit(db, actor, "user.bind", "user", actor.id, provider=provider.name)


def _values(provider: Provider, profile: Profile) -> dict[str, str]:
    """A predecessor finds GitHub accounts by their login name."""
    return {provider.column: profile.id, **({"github_id": profile.login} if provider.name == "github" else {})}


async def _sign_in(services: Services, request: Request, provider: Provider, profile: Profile, aff: str) -> Response:
    column = getattr(User, provider.column)
    async with services.engine.begin() as db:
        row = (await db.execute(select(*USER_COLUMNS).where(column == profile.id).limit(1))).first()
        if row is None and provider.name == "github":
            row = await _adopted(db, profile)
        if row is None:
            user_id = await _register(services, db, provider, profile, aff)
            row = (await db.execute(select(*USER_COLUMNS).where(User.id == user_id))).one()
    return await admit_user(services, request, row)


async def _adopted(db: AsyncConnection, profile: Profile) -> Any:
    """Predecessors knew GitHub accounts by login name, which GitHub gives to others once it is free.

    Believed when the account at GitHub is older than our adoption of the row; the number is kept from then on.
    """
    same = (User.github_id == profile.login, User.github_numeric_id.is_(None), User.deleted_at.is_(None))
    row = (await db.execute(select(*USER_COLUMNS).where(*same).limit(1))).first() if profile.login else None
    if row is None:
        return None
    opening = select(LedgerEntry.at_ms).where(LedgerEntry.reference == f"user:{row.id}", LedgerEntry.kind == "opening")
    adopted_ms = (await db.execute(opening.limit(1))).scalar()
    if not profile.created_s or adopted_ms is None or profile.created_s * 1000 > adopted_ms:
        raise Refusal("binding_unproven", "Sign in with your password and bind GitHub again in the personal settings.")
    await db.execute(update(User).where(User.id == row.id).values(github_numeric_id=profile.id))
    return row


async def _register(services: Services, db: AsyncConnection, provider: Provider, profile: Profile, aff: str) -> int:
    options = services.snapshots.current.options
    if not options.register_enabled:
        raise Refusal("register_disabled", "Registration is switched off.")
    email = profile.email.lower()
    if email and (await db.execute(select(User.id).where(func.lower(User.email) == email).limit(1))).first():
        email = ""  # somebody else's here; it does not stop this account
    last = (await db.execute(select(func.max(User.id)))).scalar() or 0
    for number in range(last + 1, last + 1 + NAME_TRIES):
        name = f"{provider.name}_{number}"
        if (await db.execute(select(User.id).where(User.username == name))).first() is None:
            break
    else:
        raise Refusal("username_taken", "No user name is free; please try again.")
    user = NewUser(name, "", profile.name[:20] or name, email=email, aff_code=aff)
    user_id = await insert_user(db, options, services.config, user, "system")
    await db.execute(update(User).where(User.id == user_id).values(_values(provider, profile)))
    return user_id


async def unbind(services: Services, request: Request, actor: Actor) -> Response:
    """Take a binding away, unless it is the last way to sign in."""
    provider = PROVIDERS.get(str((request.route_values or {}).get("provider", "")))
    if provider is None:
        raise Refusal("provider_unknown", "There is no such provider.", status=404)
    columns = [getattr(User, one.column) for one in PROVIDERS.values()]
    async with services.engine.begin() as db:
        found = select(User.password, User.telegram_id, User.wechat_id, *columns).where(User.id == actor.id)
        row = (await db.execute(found)).one()
        ways = sum(bool(value) for value in row) - bool(getattr(row, provider.column))
        if not ways:
            raise Refusal("binding_last", "This is the last way to sign in; set a password first.", status=409)
        gone = {provider.column: None, **({"github_id": None} if provider.name == "github" else {})}
        await db.execute(update(User).where(User.id == actor.id).values(gone))
        await audit(db, actor, "user.unbind", "user", actor.id, provider=provider.name)
    await signals.user_changed(services.redis, actor.id)
    return reply()


_QUERY = ("code", "state", "error", "error_description")
ROUTES = (
    Route("GET", "/api/oauth/state", Role.VISITOR, str, new_state, query=("aff",), critical=True),
    *(
        Route("GET", f"/api/oauth/{one.name}", Role.VISITOR, UserView, _handler(one), query=_QUERY, critical=True)
        for one in PROVIDERS.values()
    ),
    Route("DELETE", "/api/user/self/binding/:provider", Role.USER, None, unbind, fresh=True),
)
