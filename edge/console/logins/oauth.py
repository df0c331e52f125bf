"""Signing in by a third party, and binding its account to one's own. Source: sign-in rules, "third-party sign-in".

A state belongs to one browser and one intent, and is used once: nobody can finish a flow that another began, and a link for
signing in can never bind. Accounts are not merged by e-mail address.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.access import check_fresh, check_same_origin, find_actor
from edge.console.calls import query, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins.entry import SecondStepAsked, admit_user, is_secure, tell
from edge.console.logins.passkeys import count_ways
from edge.console.logins.providers import PROVIDERS, Flow, Profile, Provider
from edge.console.new_user import NewUser, clean_username, insert_user
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
    provider: str = ""  # that it is for; '' in a flow that a predecessor's front-end began
    flow: Flow = Flow()


class StartBody(Struct):
    provider: str
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
    """A state for a redirect that the front-end builds itself, bound to this browser by a cookie."""
    actor = await find_browser(services, request)
    check_fresh(actor)
    return await _issue(services, request, _State("", actor.id, query(request, "aff")[:32]))


async def start(services: Services, request: Request, actor: Actor) -> Response:
    """The address of a provider at which this browser signs in, or binds its account when it is signed in here."""
    check_same_origin(services, request)
    body = await read_body(request, StartBody)
    provider = PROVIDERS.get(body.provider)
    if provider is None or not provider.is_enabled(services.snapshots.current.options):
        raise Refusal("provider_disabled", "This way of signing in is switched off.")
    actor = await find_browser(services, request)
    check_fresh(actor)
    flow = Flow(secrets.token_urlsafe(48), secrets.token_urlsafe(24))
    record = _State("", actor.id, body.aff[:32], provider.name, flow)
    return await _issue(services, request, record, lambda state: provider.start(services, state, flow))


async def _issue(
    services: Services, request: Request, record: _State, address: Callable[[str], Awaitable[str]] | None = None
) -> Response:
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    response = reply(state if address is None else await address(state))
    record = msgspec.structs.replace(record, browser=_digest(browser))
    await services.redis.set(_PREFIX + _digest(state), msgspec.json.encode(record), ex=STATE_S)
    flags = "; HttpOnly; SameSite=Lax" + ("; Secure" if is_secure(services, request) else "")
    response.add_header(b"Set-Cookie", f"{COOKIE}={browser}; Path=/api/oauth; Max-Age={STATE_S}{flags}".encode())
    return response


async def use_state(services: Services, request: Request, actor: Actor, provider: str) -> _State:
    """What this browser began with this provider; used up. Raises Refusal."""
    state, browser = query(request, "state"), request.cookies.get(COOKIE) or ""
    held = await services.redis.getdel(_PREFIX + _digest(state)) if state else None
    record = msgspec.json.decode(held, type=_State) if held else None
    wrong = record is None or record.browser != _digest(browser) or record.user_id != actor.id
    if record is None or wrong or record.provider not in ("", provider):
        raise Refusal("state_wrong", "state is empty or not same", status=403)
    return record


def _handler(provider: Provider) -> Any:
    async def finish(services: Services, request: Request, actor: Actor) -> Response:
        """Sign in or register; for a signed-in account: bind."""
        actor = await find_browser(services, request)
        state = await use_state(services, request, actor, provider.name)
        if not provider.is_enabled(services.snapshots.current.options):
            raise Refusal("provider_disabled", "This way of signing in is switched off.")
        if query(request, "error"):
            raise Refusal("provider_refused", query(request, "error_description")[:200] or "The provider refused.")
        code = query(request, "code")
        if not code:
            raise Refusal("provider_refused", "The provider sent no code.")
        profile = await provider.fetch(services, code, state.flow)
        if not profile.id:
            raise Refusal("provider_refused", "The provider did not say who signs in.")
        if actor.id:
            await bind_account(services, request, actor, provider.name, provider.column, profile)
            return reply(message="bind")
        return await sign_in(services, request, provider.name, provider.column, profile, state.aff)

    return finish


async def bind_account(
    services: Services, request: Request, actor: Actor, name: str, column: str, profile: Profile
) -> None:
    """Keep a provider's account as a way to sign in to one's own. Raises Refusal: another has it, or not fresh."""
    check_fresh(actor)
    held = getattr(User, column)
    async with services.engine.begin() as db:
        if (await db.execute(select(User.id).where(held == profile.id, User.id != actor.id).limit(1))).first():
            raise Refusal("binding_taken", "This account at the provider is bound to another user.")
        await db.execute(update(User).where(User.id == actor.id).values(_values(name, column, profile)))
        await audit(db, actor, "user.bind", "user", actor.id, provider=name)
    await signals.user_changed(services.redis, actor.id)
    await tell(services, request, actor.id, "bound")


def _values(name: str, column: str, profile: Profile) -> dict[str, str]:
    """A predecessor finds GitHub accounts by their login name."""
    return {column: profile.id, **({"github_id": profile.login} if name == "github" else {})}


async def sign_in(services: Services, request: Request, name: str, column: str, profile: Profile, aff: str) -> Response:
    """Sign in by a proved account at a provider; register who is new. Raises Refusal."""
    held = getattr(User, column)
    async with services.engine.begin() as db:
        rows = (await db.execute(select(*USER_COLUMNS).where(held == profile.id).limit(10))).all()
        row = next((one for one in rows if getattr(one, column) == profile.id), None)  # some collations ignore case
        if row is None and name == "github":
            row = await _adopted(db, profile)
        if row is None or (row.deleted_at is not None and name == "oidc"):
            user_id = await _register(services, db, name, column, profile, aff)
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


async def _register(
    services: Services, db: AsyncConnection, provider: str, column: str, profile: Profile, aff: str
) -> int:
    options = services.snapshots.current.options
    if not options.register_enabled:
        raise Refusal("register_disabled", "Registration is switched off.")
    email = profile.email.lower()
    if email and (await db.execute(select(User.id).where(func.lower(User.email) == email).limit(1))).first():
        email = ""  # somebody else's here; it does not stop this account
    name = await _free_name(db, provider, profile.login if provider == "oidc" else "")
    user = NewUser(name, "", profile.name[:20] or name, email=email, aff_code=aff)
    user_id = await insert_user(db, options, services.config, user, "system")
    await db.execute(update(User).where(User.id == user_id).values(_values(provider, column, profile)))
    return user_id


async def _free_name(db: AsyncConnection, provider: str, wanted: str) -> str:
    """The name that the provider's account prefers where it is a good one and free, else `<provider>_<n>`."""
    last = (await db.execute(select(func.max(User.id)))).scalar() or 0
    names = [f"{provider}_{number}" for number in range(last + 1, last + 1 + NAME_TRIES)]
    with contextlib.suppress(Refusal):
        names.insert(0, clean_username(wanted))
    for name in names:
        if (await db.execute(select(User.id).where(func.lower(User.username) == name.lower()))).first() is None:
            return name
    raise Refusal("username_taken", "No user name is free; please try again.")


_COLUMNS = {one.name: one.column for one in PROVIDERS.values()} | {"telegram": "telegram_id", "wechat": "wechat_id"}


async def unbind(services: Services, request: Request, actor: Actor) -> Response:
    """Take a binding away, unless it is the last way to sign in."""
    name = str((request.route_values or {}).get("provider", ""))
    if name == "email":
        return await _clear_email(services, request, actor)
    if name not in _COLUMNS:
        raise Refusal("provider_unknown", "There is no such provider.", status=404)
    gone = {_COLUMNS[name]: None, **({"github_id": None} if name == "github" else {})}
    async with services.engine.begin() as db:
        bound = (await db.execute(select(getattr(User, _COLUMNS[name])).where(User.id == actor.id))).scalar()
        if bound and await count_ways(db, actor.id) <= 1:
            raise Refusal("binding_last", "This is the last way to sign in; set a password first.", status=409)
        await db.execute(update(User).where(User.id == actor.id).values(gone))
        await audit(db, actor, "user.unbind", "user", actor.id, provider=name)
    await signals.user_changed(services.redis, actor.id)
    await tell(services, request, actor.id, "unbound")
    return reply()


async def _clear_email(services: Services, request: Request, actor: Actor) -> Response:
    async with services.engine.begin() as db:
        old = (await db.execute(select(User.email).where(User.id == actor.id))).scalar()
        await db.execute(update(User).where(User.id == actor.id).values(email=None))
        await audit(db, actor, "user.email", "user", actor.id)
    await signals.user_changed(services.redis, actor.id)
    if old:
        await tell(services, request, actor.id, "email", to=old)
    return reply()


_QUERY = ("code", "state", "error", "error_description")
ROUTES = (
    Route("GET", "/api/oauth/state", Role.VISITOR, str, new_state, query=("aff",), critical=True),
    Route("POST", "/api/oauth/start", Role.VISITOR, str, start, body=StartBody, critical=True),
    *(
        Route(
            "GET",
            f"/api/oauth/{one.name}",
            Role.VISITOR,
            UserView,
            _handler(one),
            query=_QUERY,
            or_returns=SecondStepAsked,
            critical=True,
        )
        for one in PROVIDERS.values()
    ),
    Route("DELETE", "/api/user/self/binding/:provider", Role.USER, None, unbind, fresh=True),
)
