"""The second step: codes of an authenticator app (TOTP, RFC 6238) and backup codes. Access tokens are not affected.

A code counts once: its time step is stored by compare-and-set, so two browsers cannot both use it.
"""

import hmac
import secrets
import time
from hashlib import sha256
from typing import Any

import msgspec
import pyotp
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import delete, func, insert, select, update

from edge.console import limits
from edge.console.access import check_same_origin
from edge.console.calls import path_id, read_body, reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.logins.entry import COOKIE, find_first_step, has_second_step, open_session, rotate, set_cookie, tell
from edge.console.objects import USER_COLUMNS, UserView
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.tables import Passkey, TwoFactor, User

STEP_S = 30
STEPS_APART = 1  # a clock may be wrong by one step
BACKUP_CODES = 10
TRIES_MAX = 5  # wrong codes of one first step
ROOT = 100
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class CodeBody(Struct):
    code: str = ""


class StatusView(Struct):
    enabled: bool
    backup_codes_left: int
    passkeys: int
    required: bool  # of this account, by the operator


class SetupView(Struct):
    """`otpauth_url` is what the QR code holds."""

    secret: str
    otpauth_url: str


def clean_code(text: str) -> str:
    return text.replace(" ", "").replace("-", "").lower()[:32]


async def check_code(services: Services, user_id: int, text: str) -> bool:
    """Whether it is a valid code of the account's app, or one of its backup codes; it is used up then."""
    async with services.engine.connect() as db:
        row = (await db.execute(select(TwoFactor.__table__).where(TwoFactor.user_id == user_id))).first()
    if row is None:
        return False
    code = clean_code(text)
    if code.isascii() and code.isdigit():
        return await _use_totp(services, row, code)
    return row.enabled and await _use_backup_code(services, row, code)


async def _use_totp(services: Services, row: Any, code: str) -> bool:
    totp = pyotp.TOTP(services.vault.unseal(row.secret))
    now = int(time.time()) // STEP_S
    for step in range(now - STEPS_APART, now + STEPS_APART + 1):
        if hmac.compare_digest(totp.at(step * STEP_S), code) and step > row.last_step:
            mine = (TwoFactor.user_id == row.user_id, TwoFactor.last_step < step)
            async with services.engine.begin() as db:
                moved = await db.execute(update(TwoFactor).where(*mine).values(last_step=step))
            return moved.rowcount == 1
    return False


async def _use_backup_code(services: Services, row: Any, code: str) -> bool:
    held: list[str] = msgspec.json.decode(row.backup_codes or "[]")
    matching = [one for one in held if any(hmac.compare_digest(one, mine) for mine in _digests(services, row, code))]
    if not matching:
        return False
    rest = msgspec.json.encode([one for one in held if one not in matching]).decode()
    same = (TwoFactor.user_id == row.user_id, TwoFactor.backup_codes == row.backup_codes)
    async with services.engine.begin() as db:
        moved = await db.execute(update(TwoFactor).where(*same).values(backup_codes=rest))
    return moved.rowcount == 1


def _digests(services: Services, row: Any, code: str) -> list[str]:
    """Under the current secret, and under the former one while it is being rotated."""
    config = services.config
    keys = [config.crypto_secret or config.session_secret or "-", config.crypto_secret_old]
    return [
        hmac.new(key.encode(), f"backup code\n{row.user_id}\n{code}".encode(), sha256).hexdigest()
        for key in keys
        if key
    ]


def _new_backup_codes(services: Services, row: Any) -> tuple[list[str], str]:
    """(codes to show once, JSON of their digests)."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(BACKUP_CODES)]
    stored = [_digests(services, row, code)[0] for code in codes]
    return ["-".join((code[:4], code[4:8], code[8:])) for code in codes], msgspec.json.encode(stored).decode()


async def _admit(services: Services, user_id: int, text: str) -> None:
    """Raises Refusal unless the code is right; wrong ones slow the account down as wrong passwords do."""
    name = f"2fa:{user_id}"
    await limits.check_login(services.redis, name)
    if not await check_code(services, user_id, text):
        await limits.login_failed(services.redis, name)
        raise Refusal("code_wrong", "The code is wrong or was used before.")


async def log_in(services: Services, request: Request, actor: Actor) -> Response:
    """The second step of a sign-in: a code of the app, or a backup code."""
    check_same_origin(services, request)
    body = await read_body(request, CodeBody)
    name, step = await find_first_step(services, request)
    await limits.check_login(services.redis, f"2fa:{step.user_id}")
    tries, _ = await limits.count(services.redis, f"second:{name}", window_s=600)
    if tries > TRIES_MAX:
        await services.redis.delete(name)
        raise Refusal("second_step_expired", "Please sign in again.")
    await _admit(services, step.user_id, body.code)
    if not await services.redis.delete(name):
        raise Refusal("second_step_expired", "Please sign in again.")
    async with services.engine.connect() as db:
        found = select(*USER_COLUMNS).where(User.id == step.user_id, User.deleted_at.is_(None), User.status == 1)
        row = (await db.execute(found)).first()
    if row is None:
        raise Refusal("user_disabled", "The account is disabled.", status=403)
    response = await open_session(services, request, row, second_factor=True)
    set_cookie(services, request, response, COOKIE, "", "/api/user/login")
    return response


async def get_status(services: Services, request: Request, actor: Actor) -> Response:
    """Which second factors the own account has."""
    async with services.engine.connect() as db:
        row = (await db.execute(select(TwoFactor.__table__).where(TwoFactor.user_id == actor.id))).first()
        count = select(func.count()).select_from(Passkey).where(Passkey.user_id == actor.id)
        passkeys = (await db.execute(count)).scalar_one()
    on = row is not None and bool(row.enabled)
    left = len(msgspec.json.decode(row.backup_codes or "[]", type=list[str])) if row is not None and on else 0
    options = services.snapshots.current.options
    return reply(StatusView(on, left, passkeys, options.two_factor_required_for_admins and actor.role >= Role.ADMIN))


async def set_up(services: Services, request: Request, actor: Actor) -> Response:
    """A new secret for the authenticator app; it counts once a code of it was given."""
    if await has_second_step(services, actor.id):
        raise Refusal("two_factor_on", "The second step is on already; switch it off first.")
    secret = pyotp.random_base32()
    values = {
        "secret": services.vault.seal(secret, always=True),
        "enabled": False,
        "backup_codes": None,
        "last_step": 0,
    }
    async with services.engine.begin() as db:
        await db.execute(delete(TwoFactor).where(TwoFactor.user_id == actor.id))
        await db.execute(insert(TwoFactor).values(user_id=actor.id, created_ms=time.time_ns() // 10**6, **values))
    name = services.snapshots.current.options.system_name
    return reply(SetupView(secret, pyotp.TOTP(secret).provisioning_uri(name=actor.username, issuer_name=name)))


async def enable(services: Services, request: Request, actor: Actor) -> Response:
    """Switch the second step on with a code of the app; answers the backup codes, once."""
    body = await read_body(request, CodeBody)
    if await has_second_step(services, actor.id):
        raise Refusal("two_factor_on", "The second step is on already; switch it off first.")
    await _admit(services, actor.id, body.code)
    return await _write_backup_codes(services, request, actor, "two_factor_on", "user.2fa_on")


async def renew_backup_codes(services: Services, request: Request, actor: Actor) -> Response:
    """New backup codes; the old ones end."""
    if not await has_second_step(services, actor.id):
        raise Refusal("two_factor_off", "The second step is not on.")
    return await _write_backup_codes(services, request, actor, "backup_codes", "user.2fa_backup_codes")


async def _write_backup_codes(services: Services, request: Request, actor: Actor, what: str, action: str) -> Response:
    async with services.engine.begin() as db:
        row = (await db.execute(select(TwoFactor.__table__).where(TwoFactor.user_id == actor.id))).one()
        codes, stored = _new_backup_codes(services, row)
        mine = TwoFactor.user_id == actor.id
        await db.execute(update(TwoFactor).where(mine).values(enabled=True, backup_codes=stored))
        await audit(db, actor, action, "user", actor.id)
    response = reply(codes)
    await rotate(services, request, response, actor, second_factor=True)
    await tell(services, request, actor.id, what)
    return response


async def disable(services: Services, request: Request, actor: Actor) -> Response:
    """Switch the second step off; needs one of its codes."""
    body = await read_body(request, CodeBody)
    if not await has_second_step(services, actor.id):
        raise Refusal("two_factor_off", "The second step is not on.")
    await _admit(services, actor.id, body.code)
    await _remove(services, actor, actor.id)
    response = reply()
    await rotate(services, request, response, actor, second_factor=False)
    await tell(services, request, actor.id, "two_factor_off")
    return response


async def remove_of(services: Services, request: Request, actor: Actor) -> Response:
    """Take the second step off an account of a lower rank, whose owner has lost the device."""
    user_id = path_id(request)
    async with services.engine.connect() as db:
        role = (await db.execute(select(User.role).where(User.id == user_id, User.deleted_at.is_(None)))).scalar()
    if role is None:
        raise Refusal("user_not_found", "There is no such user.")
    if actor.role != ROOT and role >= actor.role:
        raise Refusal("user_out_of_reach", "This account is of your own rank or above.", status=403)
    await _remove(services, actor, user_id)
    await tell(services, None, user_id, "two_factor_off")
    return reply()


async def _remove(services: Services, actor: Actor, user_id: int) -> None:
    async with services.engine.begin() as db:
        await db.execute(delete(TwoFactor).where(TwoFactor.user_id == user_id))
        await audit(db, actor, "user.2fa_off", "user", user_id)


_LIST = list[str]
ROUTES = (
    Route("POST", "/api/user/login/2fa", Role.VISITOR, UserView, log_in, body=CodeBody, critical=True),
    Route("GET", "/api/user/2fa/status", Role.USER, StatusView, get_status),
    Route("POST", "/api/user/2fa/setup", Role.USER, SetupView, set_up, fresh=True),
    Route("POST", "/api/user/2fa/enable", Role.USER, _LIST, enable, body=CodeBody, fresh=True),
    Route("POST", "/api/user/2fa/disable", Role.USER, None, disable, body=CodeBody, fresh=True),
    Route("POST", "/api/user/2fa/backup_codes", Role.USER, _LIST, renew_backup_codes, fresh=True),
    Route("DELETE", "/api/user/:id/2fa", Role.ADMIN, None, remove_of, fresh=True),
)
