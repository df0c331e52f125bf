"""Sign-ins of browsers: a random cookie, and a record in Redis under the digest of it. Ending one is deleting a key."""

import hashlib
import secrets
import time
from typing import Any

import msgspec
from msgspec import Struct

COOKIE = "session"
IDLE_S = 30 * 86_400
AGE_S_MAX = 90 * 86_400
FRESH_S = 600  # how long a given password counts
REPLACED_S = 10  # how long the former id of a session still passes
SEEN_EVERY_S = 60  # `seen` is written at most once a minute
_PREFIX = "mx:session:"
_OF_USER = "mx:sessions:"  # + user id: set of digests


class Session(Struct, frozen=True):
    """One signed-in browser. Times are Unix s."""

    user_id: int
    created: int
    seen: int
    fresh_until: int
    ip: str
    user_agent: str
    second_factor: bool = False  # the sign-in was proved twice: by a code on top, or by a passkey
    replaced: bool = False  # another id goes on with it; requests that were on their way still pass


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def _write(redis: Any, digest: str, session: Session) -> None:
    left = min(IDLE_S, session.created + AGE_S_MAX - int(time.time()))
    await redis.set(_PREFIX + digest, msgspec.json.encode(session), ex=max(left, 1))


async def begin(redis: Any, user_id: int, *, ip: str, user_agent: str, second_factor: bool, created: int = 0) -> str:
    """A new session; returns the secret for the cookie. `created` of a session whose id is only being replaced."""
    secret, now = secrets.token_urlsafe(32), int(time.time())
    digest = digest_of(secret)
    session = Session(user_id, created or now, now, now + FRESH_S, ip, user_agent[:200], second_factor)
    await _write(redis, digest, session)
    await redis.sadd(_OF_USER + str(user_id), digest)
    await redis.expire(_OF_USER + str(user_id), AGE_S_MAX)
    return secret


async def find(redis: Any, digest: str) -> Session | None:
    """The session, marked as seen now; None when it ended."""
    data = await redis.get(_PREFIX + digest)
    if data is None:
        return None
    session, now = msgspec.json.decode(data, type=Session), int(time.time())
    if session.created + AGE_S_MAX <= now:
        return None
    if now - session.seen >= SEEN_EVERY_S and not session.replaced:
        await _write(redis, digest, msgspec.structs.replace(session, seen=now))
    return session


async def replace(redis: Any, digest: str) -> None:
    """The former id of a session whose id changed: not fresh any more, and gone in a moment."""
    data = await redis.get(_PREFIX + digest)
    if data is not None:
        old = msgspec.structs.replace(msgspec.json.decode(data, type=Session), fresh_until=0, replaced=True)
        await redis.set(_PREFIX + digest, msgspec.json.encode(old), ex=REPLACED_S)


async def end(redis: Any, user_id: int, digest: str) -> bool:
    """End one session of this user; False when it is not his or ended already."""
    if not await redis.srem(_OF_USER + str(user_id), digest):
        return False
    return bool(await redis.delete(_PREFIX + digest))


async def end_all(redis: Any, user_id: int, *, keep: str = "") -> None:
    """End every session of a user but `keep`."""
    for raw in await redis.smembers(_OF_USER + str(user_id)):
        digest = raw.decode() if isinstance(raw, bytes) else raw
        if digest != keep:
            await end(redis, user_id, digest)


async def list_of(redis: Any, user_id: int) -> list[tuple[str, Session]]:
    """(digest, session) of a user, the last seen first."""
    found = []
    for raw in await redis.smembers(_OF_USER + str(user_id)):
        digest = raw.decode() if isinstance(raw, bytes) else raw
        data = await redis.get(_PREFIX + digest)
        if data is None:
            await redis.srem(_OF_USER + str(user_id), digest)
        elif not (session := msgspec.json.decode(data, type=Session)).replaced:
            found.append((digest, session))
    return sorted(found, key=lambda pair: -pair[1].seen)


def write_cookie(secret: str, *, secure: bool) -> bytes:
    """A Set-Cookie value; an empty secret removes the cookie."""
    age = IDLE_S if secret else 0
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{COOKIE}={secret}; Path=/; Max-Age={age}{flags}".encode()
