"""What follows a proved identity: the second step where the account has one, then a session; news of it to the owner.

Every way of signing in ends in `admit_user`, so no way goes around the second step.
"""

import hashlib
import secrets
import time
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import select, true, update

from edge.client_address import is_trusted
from edge.console import sessions
from edge.console.access import ENABLED
from edge.console.calls import client_address, header, reply
from edge.console.envelope import Refusal
from edge.console.objects import view_login
from edge.console.routes import Actor
from edge.services import Services
from schema.redis_client import queue_of
from schema.tables import TwoFactor, User

WAIT_S = 300  # between the first and the second step
COOKIE = "medusa_second"
_PREFIX = "mx:second:"
_DEVICES = "mx:devices:"  # + user id: digests of the browsers that signed in
DEVICES_S = 180 * 86_400


class FirstStep(Struct, frozen=True):
    """Somebody who gave the first proof and owes the second."""

    user_id: int
    ip: str


class SecondStepAsked(Struct):
    """Instead of an account: a code is needed."""

    require_2fa: bool = True


def is_secure(services: Services, request: Request) -> bool:
    """Whether the cookie may be bound to HTTPS. Only a trusted proxy is believed about the scheme that it received."""
    client = request.scope.get("client")
    forwarded = header(request, b"x-forwarded-proto").lower() == "https"
    if forwarded and client and is_trusted(client[0], services.config.trusted_proxies):
        return True
    address = services.snapshots.current.options.server_address
    return request.scope.get("scheme") == "https" or address.startswith("https://")


def set_cookie(services: Services, request: Request, response: Response, name: str, value: str, path: str) -> None:
    """A short-lived cookie of a flow; an empty value removes it."""
    age = WAIT_S if value else 0
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if is_secure(services, request) else "")
    response.add_header(b"Set-Cookie", f"{name}={value}; Path={path}; Max-Age={age}{flags}".encode())


async def admit_user(services: Services, request: Request, row: Any, *, twice: bool = False) -> Response:
    """Answer a proved identity: a session, or the wish for the second step. `twice`: a passkey proves both at once.

    Raises Refusal for an account that is not enabled.
    """
    if row.deleted_at is not None:
        raise Refusal("user_deleted", "用户已注销")
    if row.status != ENABLED:
        raise Refusal("user_disabled", "The account is disabled.", status=403)
    if not twice and await has_second_step(services, row.id):
        secret = secrets.token_urlsafe(32)
        step = FirstStep(row.id, client_address(request, services.config))
        await services.redis.set(_PREFIX + sessions.digest_of(secret), msgspec.json.encode(step), ex=WAIT_S)
        response = reply(SecondStepAsked())
        set_cookie(services, request, response, COOKIE, secret, "/api/user/login")
        return response
    return await open_session(services, request, row, second_factor=twice)


async def open_session(services: Services, request: Request, row: Any, *, second_factor: bool) -> Response:
    """Sign this browser in and say who it is."""
    async with services.engine.begin() as db:
        await db.execute(update(User).where(User.id == row.id).values(last_login_at=int(time.time())))
    response = reply(view_login(row))
    await begin_session(services, request, response, row.id, second_factor=second_factor)
    await _tell_of_new_device(services, request, row.id)
    return response


async def begin_session(
    services: Services, request: Request, response: Response, user_id: int, *, second_factor: bool
) -> None:
    """A new session. The one that this browser had before ends: no id outlives a sign-in."""
    old = request.cookies.get(sessions.COOKIE)
    if old:
        digest = sessions.digest_of(old)
        held = await sessions.find(services.redis, digest)
        if held is not None:
            await sessions.end(services.redis, held.user_id, digest)
    await _give_cookie(services, request, response, user_id, second_factor, 0)


async def rotate(services: Services, request: Request, response: Response, actor: Actor, *, second_factor: bool) -> str:
    """A new id for the session of a caller who proved himself or whose rights changed; fresh from now.

    Returns: its digest; '' for a caller with an access token, who has no session.
    """
    if not actor.via_session:
        return ""
    digest = await _give_cookie(services, request, response, actor.id, second_factor, actor.signed_in_s)
    await sessions.replace(services.redis, actor.session)
    return digest


async def _give_cookie(
    services: Services, request: Request, response: Response, user_id: int, second_factor: bool, created: int
) -> str:
    secret = await sessions.begin(
        services.redis, user_id, ip=client_address(request, services.config), user_agent=header(request, b"user-agent"),
        second_factor=second_factor, created=created,
    )  # fmt: skip
    response.add_header(b"Set-Cookie", sessions.write_cookie(secret, secure=is_secure(services, request)))
    return sessions.digest_of(secret)


async def has_second_step(services: Services, user_id: int) -> bool:
    async with services.engine.connect() as db:
        found = select(TwoFactor.user_id).where(TwoFactor.user_id == user_id, TwoFactor.enabled == true())
        return (await db.execute(found)).first() is not None


async def with_second_step(services: Services, user_ids: list[int]) -> set[int]:
    """Those of the accounts whose second step is on."""
    wanted = (TwoFactor.user_id.in_(user_ids), TwoFactor.enabled == true())
    async with services.engine.connect() as db:
        return set((await db.execute(select(TwoFactor.user_id).where(*wanted))).scalars())


async def find_first_step(services: Services, request: Request) -> tuple[str, FirstStep]:
    """(its key, who gave the first proof in this browser). Raises Refusal."""
    secret = request.cookies.get(COOKIE) or ""
    name = _PREFIX + sessions.digest_of(secret)
    held = await services.redis.get(name) if secret else None
    if held is None:
        raise Refusal("second_step_expired", "Please sign in again.")
    return name, msgspec.json.decode(held, type=FirstStep)


async def tell(services: Services, request: Request | None, user_id: int, what: str, *, to: str = "") -> None:
    """A security notice to the owner, by mail. `what`: key of a sentence in schema.notices.texts. `to`: a former address."""
    ip = client_address(request, services.config) if request is not None else ""
    agent = header(request, b"user-agent")[:120] if request is not None else ""
    queue = queue_of(services.redis)
    facts = {"what": what, "ip": ip or "?", "agent": agent or "?"}
    await queue.enqueue_job("notify_security", user_id, facts, to)


async def _tell_of_new_device(services: Services, request: Request, user_id: int) -> None:
    """The first browser of an account is no news."""
    name = f"{_DEVICES}{user_id}"
    agent = hashlib.sha256(header(request, b"user-agent").encode()).hexdigest()[:16]
    known = await services.redis.scard(name)
    if await services.redis.sadd(name, agent) and known:
        await tell(services, request, user_id, "new_device")
    await services.redis.expire(name, DEVICES_S)
