"""`GET /v1/realtime`: all checks and the upstream's handshake come first, then the upgrade; every failure is an HTTP answer.

key -> addresses, origin, model, group -> place in the rate limit -> price and hold -> channel, with retries -> 101 -> session.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import structlog
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from edge.channels import RoutedChannel
from edge.client_address import find_client
from edge.health.pick import Wish
from edge.realtime.keeper import Keeper
from edge.realtime.money import SessionMoney
from edge.realtime.session import Session
from edge.realtime.upstream import HandshakeRefused, Upstream, dial
from edge.relay.auto_group import AUTO, find_group, has_candidate, serves_pinned
from edge.relay.callers import Caller
from edge.relay.gate import authenticate, check_address, check_model, group_in_effect, read_key
from edge.relay.rate_limit import Full, limits_for
from edge.relay.refusal import Refused, away, no_channel
from edge.relay.request_id import new_request_id
from edge.relay.retry import Failure, GiveUp, RetryPolicy, after_failure, map_status
from edge.snapshot import EdgeSnapshot
from edge.spool import REFUSES
from edge.upstream.http1 import UpstreamBroken
from schema.dialects import neutral
from schema.dialects.openai.errors import write_error
from schema.dialects.providers.base import KeyFormatError
from schema.realtime.handshake import PATH, write_handshake
from schema.spool import SpoolError

if TYPE_CHECKING:
    from edge.relay.call import Relay

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
log = structlog.get_logger(__name__)

SUBPROTOCOL = "realtime"
_KEY_ITEM, _BETA_ITEM = "openai-insecure-api-key.", "openai-beta."
_MODE = "realtime"


class Opening:
    """What is known of a session before it is open."""

    def __init__(self, scope: dict[str, Any]) -> None:
        now_ns = time.time_ns()
        self.request_id, self.started_ms = new_request_id(now_ns), now_ns // 1_000_000
        self.scope = scope
        self.headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        self.query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        self.offered = [item.strip() for item in self.headers.get(b"sec-websocket-protocol", "").split(",")]
        self.model = self.query.get("model", "")
        self.tried: list[int] = []

    def _item(self, prefix: str) -> str:
        return next((item.removeprefix(prefix) for item in self.offered if item.startswith(prefix)), "")

    @property
    def keys(self) -> dict[str, str]:
        """As headers, whichever way the client gave its key."""
        item = self._item(_KEY_ITEM)
        names = (b"authorization", b"x-api-key", b"api-key")
        given = {name.decode(): self.headers[name] for name in names if name in self.headers}
        return given | ({"authorization": f"Bearer {item}"} if item and "authorization" not in given else {})

    @property
    def beta(self) -> str:
        """`OpenAI-Beta` of the client; browsers name it as a sub-protocol, `openai-beta.realtime-v1`."""
        item = self._item(_BETA_ITEM)
        name, dash, version = item.rpartition("-")
        return self.headers.get(b"openai-beta", "") or (f"{name}={version}" if dash else "")


class RealtimeDoor:
    """One per process: the ASGI callable of WebSockets."""

    def __init__(self, relay: "Relay") -> None:
        config = relay.config
        self._relay = relay
        self.keeper = Keeper(relay.hot, idle_s=config.realtime_idle_timeout_s, session_s=config.realtime_max_session_s)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        opening = Opening(scope)
        status = 101
        try:
            if scope["path"].rstrip("/") != PATH:
                raise Refused(404, "", f"Invalid URL (GET {scope['path']})")
            await self._serve(opening, receive, send)
        except Refused as error:
            status = await self._refuse(opening, send, error)
        except (*REFUSES, SpoolError):
            status = await self._refuse(opening, send, away("The ledger"))
        except SQLAlchemyError:
            status = await self._refuse(opening, send, away("The database"))
        except Exception as error:
            log.exception("call_crashed", request_id=opening.request_id, error=type(error).__name__)
            crash = Refused(500, "internal_error", "The gateway failed to open this session.")
            status = await self._refuse(opening, send, crash)
        finally:
            seconds = time.time() - opening.started_ms / 1000
            self._relay.meters.ended("openai", _MODE, status, True, seconds, -1)

    async def _serve(self, opening: Opening, receive: Receive, send: Send) -> None:
        """Raises Refused, and what ledger or database raise; nothing was answered then."""
        relay = self._relay
        snapshot = relay.snapshots.current
        key, pinned = read_key(opening.keys)
        caller = await authenticate(relay.callers, key, pinned, opening.started_ms // 1000)
        ip = self._check_origin(opening, caller, snapshot)
        if not opening.model:
            raise Refused(400, "invalid_request", "model is required")
        group = group_in_effect(caller, snapshot.options)
        if pinned is None:
            check_model(caller, opening.model)
        group = group or self._auto_group(opening, caller, snapshot, pinned)
        taken = await self._take_turn(opening, caller, group, snapshot)
        money = SessionMoney(
            relay, snapshot, request_id=opening.request_id, caller=caller, model=opening.model, group=group, ip=ip
        )
        completed = False
        try:
            await money.hold(snapshot.options.pre_consumed_quota)
            upstream, attempt = await self._connect(opening, money, snapshot, group, pinned)
            try:
                await send({"type": "websocket.accept", **_subprotocol(opening)})
                session = Session(
                    relay, receive, send, upstream, money, request_id=opening.request_id, key=key, model=opening.model
                )
                self.keeper.sessions[opening.request_id] = session
                await session.run()
                completed = session.completed
            finally:
                self.keeper.sessions.pop(opening.request_id, None)
                upstream.close()
                relay.health.left(attempt)
        finally:
            if money.held:
                with contextlib.suppress(*REFUSES):
                    await relay.hot.release(f"{opening.request_id}:{money.turn}", caller.user_id)
            if taken and not completed:
                with contextlib.suppress(*REFUSES):
                    await relay.limiter.give_back(caller.user_id, opening.request_id)

    def _check_origin(self, opening: Opening, caller: Caller, snapshot: EdgeSnapshot) -> str:
        """The client's address. Raises Refused."""
        config, scope = self._relay.config, opening.scope
        peer = scope.get("client")
        named = opening.headers.get(config.client_ip_header.lower().encode(), "") if config.client_ip_header else ""
        forwarded = opening.headers.get(b"x-forwarded-for", "")
        address = find_client(peer[0] if peer else "", forwarded, config.trusted_proxies, named)
        check_address(caller, address)
        allowed, origin = snapshot.options.realtime_allowed_origins, opening.headers.get(b"origin", "")
        if origin and "*" not in allowed and origin not in allowed:
            raise Refused(403, "origin_not_allowed", "Sessions may not be opened from this origin.")
        return str(address) if address is not None else ""

    def _auto_group(self, opening: Opening, caller: Caller, snapshot: EdgeSnapshot, pinned: int | None) -> str:
        """Raises Refused."""
        if pinned is None:
            found = find_group(
                caller, snapshot.options, lambda group: has_candidate(snapshot, group, opening.model, _MODE)
            )
        else:
            found = find_group(caller, snapshot.options, serves_pinned(snapshot, pinned), or_first=True)
        if found is None:
            raise no_channel(AUTO, opening.model)
        return found

    async def _take_turn(self, opening: Opening, caller: Caller, group: str, snapshot: EdgeSnapshot) -> bool:
        """A session counts as one request. Raises Refused."""
        limits = limits_for(snapshot.options, group)
        if limits is None:
            return False
        try:
            turn = await self._relay.limiter.take(caller.user_id, opening.request_id, limits)
        except REFUSES:
            return False
        if isinstance(turn, Full):
            raise Refused(429, "rate_limit_exceeded", turn.sentence(limits), retry_after_s=turn.wait_s)
        return True

    async def _connect(
        self, opening: Opening, money: SessionMoney, snapshot: EdgeSnapshot, group: str, pinned: int | None
    ) -> tuple[Upstream, Any]:
        """The first channel that takes the session. Raises Refused with the last reason."""
        relay, attempt = self._relay, 0
        policy = RetryPolicy(
            1 + snapshot.options.retry_times, opening.started_ms + relay.config.retry_deadline_s * 1000
        )
        refusal = no_channel(group, opening.model)
        while True:
            attempt += 1
            channel = self._choose(opening, snapshot, group, pinned, attempt)
            if channel is None:
                raise refusal
            opening.tried.append(channel.id)
            money.take_channel(snapshot, channel)
            begun = relay.health.begin(channel, opening.model)
            try:
                upstream = await self._dial(opening, money, channel, snapshot)
            except _DialFailed as failed:
                relay.meters.failed(channel.id, failed.failure.status, failed.error, gone=False)
                failure = relay.health.failed(
                    begun, failed.failure, failed.error, snapshot.options, request_id=opening.request_id, gone=False
                )
                relay.health.left(begun)
                refusal = _refusal_of(failed.error)
                others = self._choose(opening, snapshot, group, pinned, attempt + 1) is not None
                decision = after_failure(
                    failure, attempt=attempt, relayed_bytes=0, pinned=pinned is not None, others_left=others,
                    now_ms=time.time_ns() // 1_000_000, policy=policy,
                )  # fmt: skip
                if isinstance(decision, GiveUp):
                    raise refusal from None
                if decision.same_channel:
                    opening.tried.pop()
                    await asyncio.sleep(decision.delay_ms / 1000)
                continue
            except BaseException:
                relay.health.left(begun)
                raise
            relay.meters.attempt(channel.id, "ok")
            return upstream, begun

    def _choose(
        self, opening: Opening, snapshot: EdgeSnapshot, group: str, pinned: int | None, attempt: int
    ) -> RoutedChannel | None:
        if pinned is None:
            wish = Wish(group, opening.model, _MODE)
            return self._relay.health.choose(snapshot, wish, attempt=attempt - 1, tried=opening.tried)
        channel = snapshot.channels.get(pinned)
        if channel is None or not channel.provider.supports(_MODE, channel.view, opening.model):
            raise Refused(403, "channel_disabled", "The pinned channel does not exist, is disabled or has no Realtime.")
        return channel.keys[0] if channel.keys else channel

    async def _dial(
        self, opening: Opening, money: SessionMoney, channel: RoutedChannel, snapshot: EdgeSnapshot
    ) -> Upstream:
        config = self._relay.config
        try:
            handshake = write_handshake(
                channel.provider, channel.view, model=money.upstream_model, query=opening.query, beta=opening.beta,
                azure_version=snapshot.settings.azure_api_version,
            )  # fmt: skip
            return await dial(handshake, str(channel.view.setting.get("proxy") or config.relay_proxy))
        except HandshakeRefused as refused:
            error = channel.provider.read_error(refused.status, refused.body, channel.view, refused.headers)
            status = map_status(refused.status, channel.status_mapping)
            retry_after = refused.headers.get("retry-after", "")
            wait_s = float(retry_after) if retry_after.isdigit() else 0.0
            raise _DialFailed(
                Failure(refused.status, status, retry_after_s=wait_s), replace(error, status=status)
            ) from None
        except (UpstreamBroken, KeyFormatError, ValueError) as broken:
            log.info("attempt_failed", request_id=opening.request_id, channel=channel.id, reason=type(broken).__name__)
            text = "The upstream could not be reached."
            error = neutral.UpstreamError(text, "upstream_error", "upstream_failed", status=502)
            raise _DialFailed(Failure(0, 502), error) from None

    async def _refuse(self, opening: Opening, send: Send, refused: Refused) -> int:
        """Our answer instead of the upgrade; after it the error is only logged."""
        body = write_error(
            refused.status, refused.code, refused.message, type="new_api_error", request_id=opening.request_id
        )
        name = opening.request_id.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-oneapi-request-id", name),
            (b"x-request-id", name),
        ]
        if refused.retry_after_s:
            headers.append((b"retry-after", str(refused.retry_after_s).encode()))
        with contextlib.suppress(Exception):  # upgraded already, or gone
            await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})
        return refused.status


class _DialFailed(Exception):
    def __init__(self, failure: Failure, error: neutral.UpstreamError) -> None:
        super().__init__(error.code)
        self.failure, self.error = failure, error


def _refusal_of(error: neutral.UpstreamError) -> Refused:
    status = error.status if 400 <= error.status <= 599 else 502
    return Refused(status, error.code or "upstream_failed", error.message)


def _subprotocol(opening: Opening) -> dict[str, str]:
    """Nothing else that was offered is echoed: a key must not stand in an answer."""
    return {"subprotocol": SUBPROTOCOL} if SUBPROTOCOL in opening.offered else {}
