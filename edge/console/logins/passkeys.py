"""Passkeys (WebAuthn): made by a signed-in account, and signing in without name or password. Source: W3C WebAuthn Level 3.

The address of the gateway comes from the settings, never from the Host header; a challenge belongs to one browser and
counts once. A passkey asks its owner for a finger or a PIN, so it stands for both steps of a sign-in.

`webauthn` is loaded where it is used: with what it brings it takes 9 MB of every edge, and few gateways use it often.
"""

import hashlib
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

from blacksheep import Content, Request, Response
from msgspec import Struct
from sqlalchemy import delete, func, insert, select, update

from edge.console.access import check_same_origin
from edge.console.calls import path_id, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins.entry import admit_user, rotate, set_cookie, tell
from edge.console.objects import USER_COLUMNS, UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import Passkey, User

CHALLENGE_S = 300
PASSKEYS_MAX = 20  # of one account
COOKIE, PATH = "medusa_passkey", "/api/user/login/passkey"
_PREFIX = "mx:passkey:"


class PasskeyView(Struct):
    """Times in Unix s; `last_used` 0: never."""

    id: int
    name: str
    created: int
    last_used: int


class NewPasskey(Struct):
    """`credential` as the browser's `toJSON()` gives it."""

    credential: dict[str, Any]
    name: str = ""


class NameBody(Struct):
    name: str = ""


class CredentialBody(Struct):
    credential: dict[str, Any]


def _site(services: Services) -> tuple[str, str]:
    """(domain that passkeys belong to, origin of the pages). Raises Refusal while the public address is not set."""
    parts = urlsplit(services.snapshots.current.options.server_address)
    if not parts.hostname:
        raise Refusal("server_address_missing", "The public address of this server is not set.")
    return parts.hostname or "", f"{parts.scheme}://{parts.netloc}"


def _clean_name(text: str) -> str:
    name = " ".join(text.split())[:64]
    return name if name.isprintable() and name else "Passkey"


def _options(text: str) -> Response:
    """Options for `navigator.credentials`, already JSON."""
    return Response(
        200, content=Content(b"application/json", b'{"success":true,"message":"","data":%b}' % text.encode())
    )


async def _use_challenge(services: Services, name: str) -> bytes:
    held = await services.redis.getdel(_PREFIX + name)
    if held is None:
        raise Refusal("passkey_expired", "This took too long; please try again.")
    return bytes(held)


async def begin_making(services: Services, request: Request, actor: Actor) -> Response:
    """Options for a new passkey of the own account."""
    import webauthn
    from webauthn.helpers import structs

    domain, _ = _site(services)
    async with services.engine.connect() as db:
        found = select(Passkey.credential_id).where(Passkey.user_id == actor.id)
        held = (await db.execute(found)).scalars().all()
    if len(held) >= PASSKEYS_MAX:
        raise Refusal("passkeys_too_many", "The account has as many passkeys as it may.", highest=PASSKEYS_MAX)
    options = webauthn.generate_registration_options(
        rp_id=domain,
        rp_name=services.snapshots.current.options.system_name,
        user_name=actor.username,
        user_id=str(actor.id).encode(),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(one)) for one in held
        ],
    )
    await services.redis.set(f"{_PREFIX}make:{actor.id}", options.challenge, ex=CHALLENGE_S)
    return _options(webauthn.options_to_json(options))


async def make(services: Services, request: Request, actor: Actor) -> Response:
    """Keep a passkey that the browser has made."""
    import webauthn
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    body = await read_body(request, NewPasskey)
    domain, origin = _site(services)
    challenge = await _use_challenge(services, f"make:{actor.id}")
    try:
        made = webauthn.verify_registration_response(
            credential=body.credential, expected_challenge=challenge, expected_rp_id=domain, expected_origin=origin,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Refusal("passkey_refused", "The passkey could not be checked.") from error
    told = body.credential.get("response")
    transports = told.get("transports") if isinstance(told, dict) else None
    names = ",".join(one for one in transports if isinstance(one, str)) if isinstance(transports, list) else ""
    values = {
        "user_id": actor.id, "credential_hash": _hash(made.credential_id), "name": _clean_name(body.name),
        "credential_id": bytes_to_base64url(made.credential_id), "sign_count": made.sign_count,
        "public_key": bytes_to_base64url(made.credential_public_key), "transports": names[:191],
        "created_ms": time.time_ns() // 10**6,
    }  # fmt: skip
    async with services.engine.begin() as db:
        same = select(Passkey.id).where(Passkey.credential_hash == values["credential_hash"])
        if (await db.execute(same)).first() is not None:
            raise Refusal("passkey_taken", "This passkey is known already.")
        await db.execute(insert(Passkey).values(values))
        await audit(db, actor, "user.passkey_add", "user", actor.id)
    response = reply()
    await rotate(services, request, response, actor, second_factor=True)
    await tell(services, request, actor.id, "passkey_added")
    return response


def _hash(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


async def list_own(services: Services, request: Request, actor: Actor) -> Response:
    """The passkeys of the own account."""
    async with services.engine.connect() as db:
        found = select(Passkey.__table__).where(Passkey.user_id == actor.id).order_by(Passkey.id)
        rows = (await db.execute(found)).all()
    return reply([PasskeyView(row.id, row.name, row.created_ms // 1000, row.last_used_ms // 1000) for row in rows])


async def rename(services: Services, request: Request, actor: Actor) -> Response:
    """Another name for one of the own passkeys."""
    body = await read_body(request, NameBody)
    mine = (Passkey.id == path_id(request), Passkey.user_id == actor.id)
    async with services.engine.begin() as db:
        if (await db.execute(select(Passkey.id).where(*mine))).first() is None:
            raise Refusal("passkey_not_found", "There is no such passkey.")
        await db.execute(update(Passkey).where(*mine).values(name=_clean_name(body.name)))
    return reply()


async def remove(services: Services, request: Request, actor: Actor) -> Response:
    """Take one of the own passkeys away, unless it is the last way to sign in."""
    mine = (Passkey.id == path_id(request), Passkey.user_id == actor.id)
    async with services.engine.begin() as db:
        if await count_ways(db, actor.id) <= 1 and (await db.execute(select(Passkey.id).where(*mine))).first():
            raise Refusal("binding_last", "This is the last way to sign in; set a password first.", status=409)
        gone = await db.execute(delete(Passkey).where(*mine))
        if gone.rowcount != 1:
            raise Refusal("passkey_not_found", "There is no such passkey.")
        await audit(db, actor, "user.passkey_remove", "user", actor.id)
    await tell(services, request, actor.id, "passkey_removed")
    return reply()


WAYS = (
    User.password, User.github_numeric_id, User.github_id, User.discord_id, User.linux_do_id, User.oidc_id,
    User.telegram_id, User.wechat_id, User.lark_id,
)  # fmt: skip


async def count_ways(db: Any, user_id: int) -> int:
    """In how many ways an account can sign in."""
    row = (await db.execute(select(*WAYS).where(User.id == user_id))).one()
    github = bool(row.github_numeric_id and row.github_id)  # two columns, one way
    count = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    return sum(bool(value) for value in row) - github + int((await db.execute(count)).scalar_one())


def _check_on(services: Services) -> None:
    if not services.snapshots.current.options.passkey_login_enabled:
        raise Refusal("passkey_disabled", "Signing in with a passkey is switched off.")


async def begin_login(services: Services, request: Request, actor: Actor) -> Response:
    """Options for a sign-in by any passkey that the browser knows."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    check_same_origin(services, request)
    _check_on(services)
    domain, _ = _site(services)
    options = webauthn.generate_authentication_options(
        rp_id=domain, user_verification=UserVerificationRequirement.REQUIRED
    )
    browser = secrets.token_urlsafe(32)
    digest = hashlib.sha256(browser.encode()).hexdigest()
    await services.redis.set(f"{_PREFIX}login:{digest}", options.challenge, ex=CHALLENGE_S)
    response = _options(webauthn.options_to_json(options))
    set_cookie(services, request, response, COOKIE, browser, PATH)
    return response


async def log_in(services: Services, request: Request, actor: Actor) -> Response:
    """Sign in with a passkey."""
    from webauthn import base64url_to_bytes

    check_same_origin(services, request)
    _check_on(services)
    body = await read_body(request, CredentialBody)
    browser = request.cookies.get(COOKIE) or ""
    challenge = await _use_challenge(services, f"login:{hashlib.sha256(browser.encode()).hexdigest()}")
    refused = Refusal("passkey_unknown", "This passkey is not known here.")
    try:
        digest = _hash(base64url_to_bytes(str(body.credential.get("id", ""))))
    except ValueError:
        raise refused from None
    async with services.engine.connect() as db:
        key = (await db.execute(select(Passkey.__table__).where(Passkey.credential_hash == digest))).first()
        owner = key.user_id if key is not None else 0
        row = (await db.execute(select(*USER_COLUMNS).where(User.id == owner))).first()
    if key is None or row is None:
        raise refused
    await _check_signature(services, body.credential, challenge, key)
    response = await admit_user(services, request, row, twice=True)
    set_cookie(services, request, response, COOKIE, "", PATH)
    return response


async def _check_signature(services: Services, credential: dict[str, Any], challenge: bytes, key: Any) -> None:
    """Raises Refusal. The counter moves by compare-and-set: a copied key is noticed when it falls behind."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    domain, origin = _site(services)
    try:
        told = webauthn.verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=domain, expected_origin=origin,
            credential_public_key=webauthn.base64url_to_bytes(key.public_key), credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Refusal("passkey_refused", "The passkey could not be checked.") from error
    values = {"sign_count": told.new_sign_count, "last_used_ms": time.time_ns() // 10**6}
    same = (Passkey.id == key.id, Passkey.sign_count == key.sign_count)
    async with services.engine.begin() as db:
        moved = await db.execute(update(Passkey).where(*same).values(values))
    if moved.rowcount != 1:
        raise Refusal("passkey_refused", "The passkey could not be checked.")


_ANY = dict[str, Any]
ROUTES = (
    Route("POST", PATH + "/begin", Role.VISITOR, _ANY, begin_login, critical=True),
    Route("POST", PATH, Role.VISITOR, UserView, log_in, body=CredentialBody, critical=True),
    Route("POST", "/api/user/passkeys/begin", Role.USER, _ANY, begin_making, fresh=True),
    Route("POST", "/api/user/passkeys", Role.USER, None, make, body=NewPasskey, fresh=True),
    Route("GET", "/api/user/passkeys", Role.USER, list[PasskeyView], list_own),
    Route("PUT", "/api/user/passkeys/:id", Role.USER, None, rename, body=NameBody),
    Route("DELETE", "/api/user/passkeys/:id", Role.USER, None, remove, fresh=True),
)
