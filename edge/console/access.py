"""Who calls the console, and may he: session cookie or access token; role, status and group fresh from SQL each time."""

import hashlib
import hmac
import time
from urllib.parse import urlsplit

from blacksheep import Request
from sqlalchemy import or_, select, update

from edge.console import sessions
from edge.console.calls import header
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Route
from edge.services import Services
from schema.options import Options
from schema.tables import User

ENABLED, ADMIN = 1, 10
ROLES = frozenset({1, 10, 100})
_COLUMNS = (User.id, User.username, User.role, User.status, User.group, User.access_token, User.access_token_hash)


def hash_access_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _unauthorized(code: str, message: str) -> Refusal:
    return Refusal(code, message, status=401)


async def find_actor(services: Services, request: Request) -> Actor | None:
    """The caller; None when there is no credential at all. Raises Refusal 401 or 403 for a bad one."""
    secret = request.cookies.get(sessions.COOKIE)
    if secret:
        digest = sessions.digest_of(secret)
        session = await sessions.find(services.redis, digest)
        if session is not None:
            check_same_origin(services, request)
            actor = await _read(services, User.id == session.user_id)
            if actor is None:
                raise _unauthorized("not_signed_in", "Please sign in.")
            _check_user_header(request, actor.id, required=True)
            return Actor(
                actor.id, actor.username, actor.role, actor.group, True, digest, session.fresh_until,
                session.second_factor, session.created,
            )  # fmt: skip
    credential = header(request, b"authorization").strip()
    if not credential:
        return None
    token = (credential[7:] if credential[:7].lower() == "bearer " else credential).strip()
    actor = await _by_access_token(services, token)
    _check_user_header(request, actor.id, required=False)
    return actor


async def authorize(route: Route, actor: Actor | None, options: Options) -> Actor:
    """The actor, if he may call the route. Raises Refusal 401 or 403."""
    if actor is None:
        raise _unauthorized("not_signed_in", "Please sign in.")
    if actor.role < route.role:
        raise Refusal("forbidden", "Your account may not do this.", status=403)
    if route.fresh:
        check_fresh(actor)
    if options.two_factor_required_for_admins and route.role >= ADMIN and actor.via_session and not actor.second_factor:
        text = "Administrators must sign in with a second factor; set one up in the personal settings."
        raise Refusal("two_factor_required", text, status=403)
    return actor


def check_fresh(actor: Actor) -> None:
    """Raises Refusal 403 when a browser's password was given too long ago. Callers with an access token are exempt."""
    if actor.via_session and actor.fresh_until_s < time.time():
        raise Refusal("reauth_required", "Please confirm your password.", status=403)


async def _by_access_token(services: Services, token: str) -> Actor:
    if not 16 <= len(token) <= 64:
        raise _unauthorized("access_token_invalid", "The access token is not valid.")
    digest = hash_access_token(token)
    actor = await _read(services, or_(User.access_token_hash == digest, User.access_token == token), token)
    if actor is None:
        raise _unauthorized("access_token_invalid", "The access token is not valid.")
    if services.snapshots.current.options.access_token_hash_on_use:
        plain = (User.id == actor.id, User.access_token.is_not(None))
        async with services.engine.begin() as db:
            await db.execute(update(User).where(*plain).values(access_token=None, access_token_hash=digest))
    return actor


async def _read(services: Services, condition: object, token: str = "") -> Actor | None:
    statement = select(*_COLUMNS).where(condition, User.deleted_at.is_(None))  # type: ignore[arg-type]
    async with services.engine.connect() as db:
        row = (await db.execute(statement)).first()
    if row is None:
        return None
    user_id, username, role, status, group, plain, digest = row
    if token:  # some collations compare without case
        same = hmac.compare_digest((plain or "").encode(), token.encode())
        if not same and not hmac.compare_digest(digest or "", hash_access_token(token)):
            return None
    if status != ENABLED:
        raise Refusal("user_disabled", "The account is disabled.", status=403)
    if role not in ROLES or not username:
        raise Refusal("forbidden", "Your account may not do this.", status=403)
    return Actor(user_id, username, role, group or "default")


def _check_user_header(request: Request, user_id: int, *, required: bool) -> None:
    given = header(request, b"new-api-user").strip()
    if not given and not required:
        return
    if given != str(user_id):
        raise _unauthorized("user_header_mismatch", "The header New-Api-User must be the id of the account.")


def check_same_origin(services: Services, request: Request) -> None:
    """Raises Refusal 403 when a browser says that another site sent this."""
    site = header(request, b"sec-fetch-site")
    origin = header(request, b"origin")
    own = {header(request, b"host").lower(), urlsplit(services.snapshots.current.options.server_address).netloc.lower()}
    if (site and site not in ("same-origin", "none")) or (origin and urlsplit(origin).netloc.lower() not in own - {""}):
        raise Refusal("cross_site", "Requests from other sites are refused.", status=403)
