"""Notices to people: by mail or webhook as each account wishes, limited, tried again with growing pauses, never sent twice.

Source: operations rules, "notifications".
"""

import time
from typing import Any

import httpx
import msgspec
import structlog
from arq import Retry
from msgspec import Struct
from sqlalchemy import select

from schema.addresses import UrlRefused, UrlRules, read_target
from schema.guarded_fetch import FetchFailed, FetchLimits, GuardedFetcher
from schema.ledger.keys import NOTICES
from schema.notices.mail import MailFailed, read_server, send_mail
from schema.notices.texts import Notice, write_notice
from schema.notices.webhook import sign, write_body
from schema.redis_client import queue_of
from schema.tables import User
from workers.context import Worker
from workers.jobs.job import Job

log = structlog.get_logger(__name__)

PAUSES_S = (10, 60, 600, 3600)  # after the first, second… failure
TRIES_MAX = 1 + len(PAUSES_S)
KEPT_S = 86_400  # how long it is known what became of a notice
ROOT = 100
_LIMITS = FetchLimits(connect_s=5.0, total_s=10.0)
_PREFIX = "mx:notice:"
# KEYS: times of notices, count of the suppressed; ARGV: now ms, window ms, most, member
# Returns -1 when over the limit, else how many were suppressed since the last one
_TAKE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], 604800)
  return -1
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return tonumber(redis.call('GETDEL', KEYS[2]) or '0')
"""


class _Most(Struct, frozen=True):
    """So many notices of one kind to one account in a window."""

    count: int
    window_ms: int


SECURITY_MOST = _Most(20, 3_600_000)


class _Setting(Struct):
    """Of users.setting."""

    notify_type: str = "email"
    webhook_url: str = ""
    webhook_secret: str = ""
    notification_email: str = ""


class _Address(Struct, frozen=True):
    mail: str = ""
    url: str = ""
    secret: str = ""


async def notify(ctx: dict[str, Any], user_id: int, kind: str, facts: dict[str, Any]) -> str:
    """Returns what became of it: sent, suppressed, or why nobody could be told. Raises arq.Retry."""
    worker: Worker = ctx["worker"]
    config = worker.config
    most = _Most(config.notify_limit_count, config.notification_limit_duration_min * 60_000)
    return await _deliver(ctx, user_id, write_notice(kind, facts), await _address_of(worker, user_id), most)


async def notify_security(ctx: dict[str, Any], user_id: int, facts: dict[str, Any], to: str = "") -> str:
    """What happened to an account, always by mail: to its address, or to the former one. Returns as `notify`."""
    worker: Worker = ctx["worker"]
    async with worker.engine.connect() as db:
        found = select(User.email).where(User.id == user_id, User.deleted_at.is_(None))
        mailbox = to or (await db.execute(found)).scalar() or ""
    address = _Address(mail=mailbox) if mailbox and read_server(await worker.options.refresh()) is not None else None
    return await _deliver(ctx, user_id, write_notice("security", facts), address, SECURITY_MOST)


async def _deliver(ctx: dict[str, Any], user_id: int, notice: Notice, address: _Address | None, most: _Most) -> str:
    """Send it and count what became of it."""
    worker: Worker = ctx["worker"]
    transport = "none" if address is None else "webhook" if address.url else "mail"
    became = "no address" if address is None else await _try(ctx, user_id, notice, address, most)
    counted = became if became in ("sent", "suppressed") else "failed"
    named = "channel_update" if notice.kind.startswith("channel_update") else notice.kind  # the others carry no id
    await worker.redis.hincrby(NOTICES, f"{named}|{transport}|{counted}", 1)
    return became


async def _try(ctx: dict[str, Any], user_id: int, notice: Notice, address: _Address, most: _Most) -> str:
    worker: Worker = ctx["worker"]
    kind, notice_id, redis = notice.kind, str(ctx["job_id"]), worker.redis
    state = _PREFIX + notice_id
    if ctx["job_try"] == 1:
        suppressed = await _take(worker, user_id, kind, notice_id, most)
        if suppressed < 0:
            log.info("notice_suppressed", kind=kind, user_id=user_id)
            return "suppressed"
        if suppressed:
            more = f"(另有 {suppressed} 条同类通知未发送 / {suppressed} more of this kind were held back)"
            notice = msgspec.structs.replace(notice, content=f"{notice.content}\n{more}")
    if not await redis.set(state, "sending", nx=True, ex=KEPT_S):
        return "sent before"  # or a worker died while sending: nobody is told twice
    try:
        await _send(worker, address, notice, notice_id, user_id)
    except (MailFailed, FetchFailed) as error:
        await redis.delete(state)  # it certainly did not arrive
        final = isinstance(error, MailFailed) and error.final
        log.warning("notice_failed", kind=kind, user_id=user_id, attempt=ctx["job_try"], reason=str(error))
        if final or ctx["job_try"] >= TRIES_MAX:
            return "failed"
        raise Retry(defer=PAUSES_S[ctx["job_try"] - 1]) from None
    except UrlRefused as error:
        log.warning("notice_failed", kind=kind, user_id=user_id, reason=str(error))
        return "address refused"
    await redis.set(state, "sent", ex=KEPT_S)
    return "sent"


async def notify_admins(ctx: dict[str, Any], kind: str, facts: dict[str, Any]) -> int:
    """The same notice to every root account. Returns how many were queued."""
    worker: Worker = ctx["worker"]
    async with worker.engine.connect() as db:
        found = select(User.id).where(User.role >= ROOT, User.status == 1, User.deleted_at.is_(None))
        ids = (await db.execute(found)).scalars().all()
    for user_id in ids:
        await queue_of(worker.redis).enqueue_job("notify", user_id, kind, facts, _job_id=f"{ctx['job_id']}:{user_id}")
    return len(ids)


async def mail(ctx: dict[str, Any], to: str, subject: str, text: str) -> str:
    """A mail that somebody waits for (a code, a reset link). Raises arq.Retry."""
    worker: Worker = ctx["worker"]
    server = read_server(await worker.options.refresh())
    if server is None:
        log.warning("mail_not_set_up")
        return "not set up"
    try:
        await send_mail(server, to, subject, text)
    except MailFailed as error:
        log.warning("mail_failed", attempt=ctx["job_try"], reason=str(error))
        if error.final or ctx["job_try"] >= 3:
            return "failed"
        raise Retry(defer=5 * ctx["job_try"]) from None
    return "sent"


async def _address_of(worker: Worker, user_id: int) -> _Address | None:
    async with worker.engine.connect() as db:
        columns = (User.email, User.setting)
        row = (await db.execute(select(*columns).where(User.id == user_id, User.deleted_at.is_(None)))).first()
    if row is None:
        return None
    try:
        setting = msgspec.json.decode(row.setting or "{}", type=_Setting)
    except msgspec.MsgspecError:
        setting = _Setting()
    if setting.notify_type == "webhook":
        return _Address(url=setting.webhook_url, secret=setting.webhook_secret) if setting.webhook_url else None
    to = setting.notification_email or row.email or ""
    return _Address(mail=to) if to and read_server(await worker.options.refresh()) is not None else None


async def _take(worker: Worker, user_id: int, kind: str, notice_id: str, most: _Most) -> int:
    limit = f"{_PREFIX}limit:{user_id}:{kind}"
    names = (limit, f"{_PREFIX}held:{{{limit}}}")  # on a cluster of one slot
    now_ms = int(time.time() * 1000)
    return int(await worker.redis.eval(_TAKE, 2, *names, now_ms, most.window_ms, most.count, notice_id))


async def _send(worker: Worker, address: _Address, notice: Notice, notice_id: str, user_id: int) -> None:
    options = await worker.options.refresh()
    if address.mail:
        server = read_server(options)
        assert server is not None  # asked for above
        await send_mail(server, address.mail, notice.title, notice.content)
        return
    at_s = int(time.time())
    body = write_body(notice, notice_id=notice_id, user_id=user_id, at_s=at_s)
    headers = sign(body, address.secret, notice_id=notice_id, at_s=at_s)
    if options.worker_url:
        status = await _post_through(options.worker_url, options.worker_valid_key, address.url, headers, body)
    else:
        fetcher = GuardedFetcher(UrlRules(http=options.webhook_allow_http, url_chars_max=512))
        try:
            status = await fetcher.post(address.url, body, headers, _LIMITS)
        finally:
            await fetcher.close()
    if status >= 500 or status == 429:
        raise FetchFailed(f"the receiver answered {status}")
    if not 200 <= status < 300:
        raise MailFailed(f"the receiver answered {status}", final=True)


async def _post_through(worker_url: str, key: str, url: str, headers: dict[str, str], body: bytes) -> int:
    """The operator's fetch worker calls the receiver, from its own address; https only. The secret stays here: it only signs.

    Raises FetchFailed and UrlRefused.
    """
    read_target(url, UrlRules(url_chars_max=512))
    wanted = {"url": url, "key": key, "method": "POST", "headers": headers, "body": body.decode()}
    try:
        async with httpx.AsyncClient(timeout=_LIMITS.total_s, follow_redirects=False, trust_env=False) as http:
            return (await http.post(worker_url, json=wanted)).status_code
    except httpx.HTTPError as error:
        raise FetchFailed(f"the fetch worker does not answer: {type(error).__name__}") from error


JOBS = [
    Job(name="notify", run=notify, timeout_s=60, max_tries=TRIES_MAX),
    Job(name="notify_security", run=notify_security, timeout_s=60, max_tries=TRIES_MAX),
    Job(name="notify_admins", run=notify_admins, timeout_s=30),
    Job(name="mail", run=mail, timeout_s=60, max_tries=3),
]
