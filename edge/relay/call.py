"""One call from the client's request to the settled answer. `carry_out` owns the control flow; the steps live beside it.

authenticate -> model and group -> channel -> price -> hold -> attempt -> relay -> settle -> the last bytes leave.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx
import structlog
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from edge.channels import RoutedChannel
from edge.client_address import find_client
from edge.health.watch import Health
from edge.metrics import Meters
from edge.relay.auto_group import settle_group
from edge.relay.callers import Caller, Callers, digest_key
from edge.relay.failures import AttemptFailed
from edge.relay.gate import check_address, check_caller, check_model, check_words, group_in_effect, plain_key, read_key
from edge.relay.hedge import Budget, is_eligible
from edge.relay.live import LiveCall
from edge.relay.open_calls import OpenCalls
from edge.relay.outgoing import Preparer
from edge.relay.prompt import answer_count
from edge.relay.rate_limit import RateLimiter, limits_for, take_turn
from edge.relay.refusal import Refused, away, no_channel
from edge.relay.request_body import Readers, drain, unpack
from edge.relay.retry import GiveUp, RetryPolicy, after_failure
from edge.relay.routes import UNSERVED, Place
from edge.relay.wanted import read_wanted, without_group
from edge.relay.wrong_keys import count_wrong_key
from edge.snapshot import EdgeSnapshot, Snapshots
from edge.spool import REFUSES, Settling
from edge.tracing import open_tracing
from edge.upstream.http1 import Http1Client
from edge.upstream.proxied import ProxiedClient
from schema.addresses import Address
from schema.config import Config
from schema.dialects import neutral
from schema.dialects.errors import DialectError
from schema.ledger.hot import HotLedger
from schema.spool import SpoolError

log = structlog.get_logger(__name__)

SHUTTING_DOWN = neutral.UpstreamError(
    message="The gateway is restarting; please send the request again.",
    type="new_api_error",
    code="shutting_down",
    status=503,
)
GONE = 499  # the client left
DRAIN_S = 5.0  # for the rest of a body that nobody will look at
DRAIN_BYTES = 256 << 20  # of it; a client that is cut off while it sends does not see why
REASON_CHARS_MAX = 200  # of an upstream's message in our log
SIGN_IN_TIMEOUT_S = 10.0  # at a provider whose calls need an access token
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_KEY_HEADERS = tuple((name.encode(), name) for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key"))


class Relay:
    """Shared by all calls of a process."""

    def __init__(
        self,
        config: Config,
        snapshots: Snapshots,
        callers: Callers,
        hot: HotLedger,
        settling: Settling,
        meters: Meters,
        health: Health,
        find_signed_in: Callable[[dict[str, Any]], Awaitable[Caller]],
    ) -> None:
        self.config, self.snapshots, self.callers, self.hot = config, snapshots, callers, hot
        self.settling, self.meters, self.health = settling, meters, health
        self.loop = asyncio.get_running_loop()
        self.find_signed_in = find_signed_in  # the caller behind a browser's session
        self.tracing = open_tracing(config)
        self.readers = Readers(config.request_body_timeout_s)
        self.draining = False  # the process is about to end: keep-alive connections are to move on
        self.http = Http1Client()
        self.proxied = ProxiedClient()
        self.preparer = Preparer(
            httpx.AsyncClient(timeout=SIGN_IN_TIMEOUT_S, follow_redirects=False),
            file_bytes_max=config.max_file_download_mb << 20,
            file_s_max=config.user_content_request_timeout_s,
            relay_proxy=config.relay_proxy,
            file_proxy=config.user_content_request_proxy,
        )
        self.facts: dict[int, frozenset[str]] = {}  # channel -> what its answers taught, until the channel is edited
        limits_s = (config.first_byte_timeout_s, config.relay_timeout_s)
        self.patience_s = {  # for the first byte; 0: no limit
            True: config.first_byte_timeout_s,
            False: min(filter(None, limits_s), default=0),
        }  # by whether a stream is wanted: the limit of a whole call is not for streams
        self.limiter = RateLimiter(hot.execute, hot.keys)
        self.budget = Budget()
        self.open = OpenCalls(hot, config.hold_deadline_s, lambda: snapshots.current.options)

    def end_all(self) -> None:
        """Time is up: what is still open ends with an error event and is charged for what was relayed."""
        for call in list(self.open.calls.values()):
            call.stop(SHUTTING_DOWN)

    def __call__(self, scope: dict[str, Any], receive: Receive, send: Send, place: Place) -> Awaitable[None]:
        kind = LiveCall if self.tracing is None else self.tracing.kind_of(LiveCall)
        call = kind(self, scope, receive, send, place, dict(scope["headers"]))
        return self.see_through(call, carry_out(call))

    async def see_through(self, call: LiveCall, work: Awaitable[None]) -> None:
        """Whatever `work` raises, the client gets an answer and no hold is left behind."""
        try:
            await work
        except Refused as error:
            if not call.body_read and error.status != GONE:
                await drain(call.receive, DRAIN_BYTES, DRAIN_S)
            if error.status == 401:
                error = await count_wrong_key(
                    self.hot.execute, address_of(self.config, call.scope, call.headers), error
                )
            await call.refuse(error.status, error.code, error.message, error.retry_after_s)
        except DialectError as error:
            await call.refuse(error.status, error.code, error.message)
        except (*REFUSES, SpoolError):
            refusal = away("The ledger")
            await call.refuse(refusal.status, refusal.code, refusal.message, 1)
        except SQLAlchemyError:  # DatabaseAway as well
            refusal = away("The database")
            await call.refuse(refusal.status, refusal.code, refusal.message, 1)
        except Exception as error:
            log.exception("call_crashed", request_id=call.request_id, error=type(error).__name__)
            await call.refuse(500, "internal_error", "The gateway failed to carry out this call.")
        finally:
            await call.finish()


async def carry_out(live: LiveCall) -> None:
    """Raises Refused, DialectError and what ledger or database raise; nothing was answered then."""
    admitted = await _admit(live)
    if admitted is not None:
        await try_channels(live, *admitted)


async def _admit(live: LiveCall) -> tuple[EdgeSnapshot, int | None] | None:
    """Who calls, what he wants, and may he? The snapshot and the channel that the key pins; None: it was answered here."""
    relay = live.relay
    snapshot = relay.snapshots.current
    pinned: int | None = None
    if live.place.session:
        caller = live.caller = await relay.find_signed_in(live.scope)
    else:
        key = plain_key(live.headers) if live.dialect != "gemini" else ""
        if not key:
            key, pinned = read_key(_key_headers(live), _query_key(live) if live.dialect == "gemini" else "")
        known = relay.callers.at_hand(digest_key(key)) or await relay.callers.find(key)
        caller = live.caller = check_caller(known, pinned, live.started_ms // 1000)
    if caller.networks is not None:
        check_address(caller, address_of(relay.config, live.scope, live.headers))
    if snapshot.options.log_client_ip:
        live.client_ip = str(address_of(relay.config, live.scope, live.headers) or "")
    if live.mode == UNSERVED:
        raise Refused(501, "api_not_implemented", "API not implemented")
    bytes_max = relay.config.max_request_body_mb << 20
    body = live.exchange.take_whole(bytes_max) if live.exchange is not None else None
    if body is None:
        body = await relay.readers.read(live.receive, live.headers, bytes_max)
    live.body_read = True
    if b"content-encoding" in live.headers:
        body = unpack(body, live.headers, bytes_max)
    wanted = read_wanted(live.place, body, live.headers)
    if live.place.session:
        body = without_group(body)
        group = wanted.group or caller.user_group
        caller = live.caller = replace(caller, token_group=group, token_name=f"playground-{group}")
    live.group = group_in_effect(caller, snapshot.options)
    check_model(caller, wanted.model)
    if snapshot.words is not None:
        check_words(snapshot.words, live.mode, body)
    live.wanted, live.body = wanted, body
    if not live.group:
        snapshot = await settle_group(live, snapshot, pinned)
    live.stream = wanted.stream
    live.limits = limits_for(snapshot.options, live.group)
    if live.place.free:
        if live.limits is not None:
            await take_turn(live, live.limits)
        await live.answer_with(200, "application/json", answer_count(live.place, wanted.model, body))
        return None
    return snapshot, pinned


async def try_channels(
    live: LiveCall,
    snapshot: EdgeSnapshot,
    pinned: int | None,
    *,
    first: RoutedChannel | None = None,
    under_way: Awaitable[None] | None = None,
) -> None:
    """One attempt after another, until the client is answered. Raises as `carry_out`.

    Args:
        first: the channel of the first attempt, where it was chosen already.
        under_way: the rest of the first attempt, where that has begun: `channel`, `begun` and `tried` tell of it.
    """
    relay = live.relay
    attempts_max = 1 + snapshot.options.retry_times
    last: neutral.UpstreamError | None = None
    wait_s = 0  # as the last upstream asks for
    attempt = 0
    again = first
    while True:
        attempt += 1
        if under_way is None:
            channel = again or live.choose(snapshot, pinned, attempt)
            again = None
            if channel is None and attempt == 1:
                newer = await relay.snapshots.newer(snapshot)
                if newer is not None:
                    snapshot = newer
                    channel = live.choose(snapshot, pinned, attempt)
            if channel is None:
                if live.limits is not None and not live.turn_taken:
                    await take_turn(live, live.limits)
                break
            live.channel = channel
            if not live.held:
                await live.hold(snapshot)
                relay.open.calls[live.request_id] = live
            live.tried.append(channel.id)
            live.begun = relay.health.begin(channel, live.wanted.model)
            if (
                snapshot.options.hedge_after_ms
                and pinned is None
                and is_eligible(live.mode, live.wanted.model, snapshot.options)
            ):
                relay.budget.earn(snapshot.options.hedge_percent)
                live.may_hedge = True
        begun, channel = live.begun, live.channel
        try:
            await (under_way or live.attempt(snapshot))
            live.tell_success()
            return
        except AttemptFailed as failed:
            last, wait_s = failed.error, math.ceil(failed.failure.retry_after_s)
            _tell_failure(live, failed, snapshot, attempt)
            if live.gone:
                raise Refused(499, "client_gone", "The client left before it was answered.") from None
            if live.ended_by is not None:
                last = live.ended_by
                break
            if failed.learnt and attempt == len(live.tried):
                live.tried.pop()  # the same channel once more, in the way it has just taught
                attempt -= 1
                again = channel
                continue
            others = live.choose(snapshot, pinned, attempt + 1) is not None
            if live.begun.trial and others:  # a channel that was out of service shall not cost the client an attempt
                attempts_max += 1
            decision = after_failure(
                failed.failure,
                attempt=attempt,
                relayed_bytes=int(live.head_sent),
                pinned=pinned is not None,
                others_left=others,
                now_ms=time.time_ns() // 1_000_000,
                policy=RetryPolicy(attempts_max, live.started_ms + relay.config.retry_deadline_s * 1000),
            )
            if isinstance(decision, GiveUp):
                break
            if decision.same_channel:
                live.tried.pop()
                await asyncio.sleep(decision.delay_ms / 1000)
        finally:
            under_way = None
            relay.health.left(begun)
    if last is None:
        raise no_channel(live.group, live.wanted.model)
    await live.fail(last, wait_s)


def _tell_failure(live: LiveCall, failed: AttemptFailed, snapshot: EdgeSnapshot, attempt: int) -> None:
    """To health, meters and log; `failed` learns whether the account is dead."""
    relay, last = live.relay, failed.error
    failed.failure = relay.health.failed(
        live.begun,
        failed.failure,
        last,
        snapshot.options,
        request_id=live.request_id,
        gone=live.gone or live.ended_by is not None,
    )
    relay.meters.failed(live.channel.id, failed.failure.status, last, gone=live.gone)
    if failed.failure.status:  # where no answer came, the attempt has said so
        log.info(
            "attempt_failed", request_id=live.request_id, channel=live.channel.id, model=live.wanted.model, attempt=attempt,
            status=failed.failure.status, code=last.code, reason=last.message[:REASON_CHARS_MAX],
        )  # fmt: skip


def _key_headers(live: LiveCall) -> dict[str, str]:
    headers = live.headers
    return {text: headers[name].decode("latin-1") for name, text in _KEY_HEADERS if name in headers}


def _query_key(live: LiveCall) -> str:
    """As Google's clients may give it."""
    query: bytes = live.scope.get("query_string") or b""
    return parse_qs(query.decode("latin-1")).get("key", [""])[0] if b"key=" in query else ""


def address_of(config: Config, scope: dict[str, Any], headers: Mapping[bytes, bytes]) -> Address | None:
    """The client's, see `find_client`."""
    peer = scope.get("client")
    named = headers.get(config.client_ip_header.lower().encode(), b"") if config.client_ip_header else b""
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    return find_client(peer[0] if peer else "", forwarded, config.trusted_proxies, named.decode("latin-1"))
