"""The first-run wizard: makes the root account once. The INSERT of the setups row, id 1, is the lock."""

import hmac
import secrets
import time

import structlog
from blacksheep import Request, Response
from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from edge.console.access import check_same_origin, hash_access_token
from edge.console.calls import header, peer_of, read_body, reply
from edge.console.envelope import Refusal
from edge.console.new_user import NewUser, clean_username, insert_user
from edge.console.passwords import check_new, hash_password
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.ledger import signals
from schema.tables import OptionRow, Setup, Token, User

log = structlog.get_logger(__name__)

ROOT = 100
ROOT_QUOTA = 100_000_000  # units
VERSION = "medusaxd-1"
TOKEN_KEY = "mx:setup_token"  # noqa: S105  # a name
_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip")


class SetupState(Struct):
    """`status`: done. The rest means something only while it is not."""

    status: bool
    root_init: bool = False
    database_type: str = ""


class SetupBody(Struct):
    """Spelled as existing front-ends send it."""

    username: str = ""
    password: str = ""
    confirmPassword: str = ""
    SelfUseModeEnabled: bool = False
    DemoSiteEnabled: bool = False
    setup_token: str = ""


async def _state(services: Services) -> tuple[bool, bool]:
    """(the wizard is done, a root account exists)."""
    async with services.engine.connect() as db:
        done = (await db.execute(select(Setup.id).limit(1))).first() is not None
        root = (await db.execute(select(User.id).where(User.role == ROOT).limit(1))).first() is not None
    return done, root


async def get_setup(services: Services, request: Request, actor: Actor) -> Response:
    """Whether the first-run wizard is done."""
    done, root = await _state(services)
    if done or root:
        return reply(SetupState(True))
    name = services.engine.dialect.name
    kind = {"postgresql": "postgres", "mariadb": "mysql"}.get(name, name)
    return reply(SetupState(False, root, kind))


async def prepare(services: Services) -> None:
    """Called once at start: sets up unattended where the environment says how; else, while nobody set this gateway up, the
    log says which token proves who may."""
    config = services.config
    if any(await _state(services)):
        return
    if config.setup_password:
        body = SetupBody(config.setup_username or "root", config.setup_password)
        try:
            await _make(services, body, {})
            log.info("setup_unattended", username=body.username)
        except Refusal as refusal:  # another machine was quicker, or the password will not do
            log.warning("setup_unattended_failed", reason=refusal.code)
        return
    if config.setup_token:
        return
    await services.redis.set(TOKEN_KEY, secrets.token_urlsafe(24), nx=True)
    log.warning("setup_open", setup_token=(await services.redis.get(TOKEN_KEY)).decode())


async def _check_owner(services: Services, request: Request, body: SetupBody) -> None:
    peer = peer_of(request)
    forwarded = any(header(request, name) for name in _FORWARDED)
    if peer is not None and peer.is_loopback and not forwarded:
        return
    stored = await services.redis.get(TOKEN_KEY)
    expected = services.config.setup_token or (stored.decode() if stored else "")
    given = header(request, b"x-setup-token") or body.setup_token
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Refusal("setup_token_wrong", "The set-up token from the log of the server is needed.", status=403)


async def post_setup(services: Services, request: Request, actor: Actor) -> Response:
    """Make the root account and finish the wizard; works once."""
    check_same_origin(services, request)
    body = await read_body(request, SetupBody)
    done, root = await _state(services)
    if done or root:
        raise Refusal("setup_done", "The set-up is already done.", status=400)
    await _check_owner(services, request, body)
    if body.password != body.confirmPassword:
        raise Refusal("passwords_differ", "The two passwords differ.", status=400)
    await _make(
        services, body, {"SelfUseModeEnabled": body.SelfUseModeEnabled, "DemoSiteEnabled": body.DemoSiteEnabled}
    )
    return reply(message="")


async def _make(services: Services, body: SetupBody, modes: dict[str, bool]) -> None:
    """The root account, its first token where the environment gives one, and the two modes, in one transaction."""
    try:
        username = clean_username(body.username)
        check_new(body.password, username)
    except Refusal as refusal:
        refusal.status = 400
        raise
    user = NewUser(username, await hash_password(body.password), "Root User", role=ROOT, quota=ROOT_QUOTA)
    options = services.snapshots.current.options
    try:
        async with services.engine.begin() as db:
            await db.execute(insert(Setup).values(id=1, version=VERSION, initialized_at=int(time.time())))
            root_id = await insert_user(db, options, services.config, user, "setup")
            await _give_keys(db, services, root_id)
            if modes:
                await db.execute(delete(OptionRow).where(OptionRow.key.in_(modes)))
                rows = [{"key": key, "value": "true" if on else "false"} for key, on in modes.items()]
                await db.execute(insert(OptionRow), rows)
    except IntegrityError as error:
        raise Refusal("setup_done", "The set-up is already done.", status=400) from error
    except OperationalError as error:
        raise Refusal("database_unavailable", "The database cannot be written.", status=500) from error
    await services.redis.delete(TOKEN_KEY)
    await signals.changed(services.redis, "options")


async def _give_keys(db: AsyncConnection, services: Services, root_id: int) -> None:
    config, now = services.config, int(time.time())
    key = config.initial_root_token.removeprefix("sk-")
    if key:
        values = {"user_id": root_id, "key": key, "name": "Initial Root Token", "unlimited_quota": True, "status": 1}
        times = {"expired_time": -1, "created_time": now, "accessed_time": now}
        await db.execute(insert(Token).values(**values, **times, remain_quota=0))
    if config.initial_root_access_token:
        digest = hash_access_token(config.initial_root_access_token)
        await db.execute(update(User).where(User.id == root_id).values(access_token_hash=digest))


ROUTES = (
    Route("GET", "/api/setup", Role.VISITOR, SetupState, get_setup),
    Route("POST", "/api/setup", Role.VISITOR, None, post_setup, body=SetupBody),
)
