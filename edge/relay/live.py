"""The state of one call, and how it ends: what the client was sent, what is charged, who stopped it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog

from edge.channels import RoutedChannel
from edge.door.exchange import EXCHANGE, Exchange
from edge.health.board import Attempt
from edge.health.pick import Wish
from edge.relay.admission import hold_quota
from edge.relay.attempt import open_attempt, relay_opened
from edge.relay.callers import Caller
from edge.relay.conversation import name_conversation
from edge.relay.hedge import attempt_hedged
from edge.relay.prompt import count_prompt, media_rule
from edge.relay.rate_limit import Limits, Turn, begin_spending, take_turn
from edge.relay.refusal import Refused
from edge.relay.request_id import new_request_id
from edge.relay.routes import Place
from edge.relay.wanted import TALKS, Wanted
from edge.snapshot import EdgeSnapshot
from edge.spool import REFUSES
from edge.upstream.face import UpstreamAnswer
from schema.dialects import neutral
from schema.dialects.base import EventWriter, StreamContext
from schema.dialects.providers.base import Call, Outgoing
from schema.dialects.registry import get_dialect
from schema.ledger.allowances import Allowance
from schema.pricing import billed_name, charge
from schema.quota import Quota
from schema.spool import SpoolError
from schema.usage import VERSION, PriceRecord, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from edge.relay.call import Relay

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
log = structlog.get_logger(__name__)
_OF_UPSTREAM = (b"x-ratelimit-", b"openai-processing-ms")  # PassUpstreamHeaders
_CROSS_ORIGIN = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Oneapi-Request-Id, Retry-After"),
)
_FIELDS = b"content-type: %b\r\nx-oneapi-request-id: %b\r\nx-request-id: %b\r\n" + b"".join(
    b"%b: %b\r\n" % pair for pair in _CROSS_ORIGIN
)  # of an answer that tells no more than all do
OF_STREAMS = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"


class LiveCall:
    """One call; created by the relay, carried out by edge.relay.call."""

    __slots__ = (
        "allowance", "amount", "answer", "base_price", "begun", "body", "body_ended", "body_read", "call", "caller", "channel",
        "client_ip", "conversation", "dialect", "ended_by", "exchange", "first_byte_ms", "gone", "group", "head_sent", "headers",
        "hedge", "held", "last_out_s", "limits", "may_hedge", "mode", "place", "price", "progress", "receive", "relay",
        "request_id", "scope", "send", "sending", "sent", "signed_in_again", "started_ms", "status", "stream", "tried",
        "turn", "turn_taken", "unheld", "wanted", "writer",
    )  # fmt: skip

    def __init__(
        self,
        relay: "Relay",
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        place: Place,
        headers: dict[bytes, bytes],
    ) -> None:
        self.relay, self.scope, self.receive, self.send = relay, scope, receive, send
        extensions = scope.get("extensions")
        self.exchange: Exchange | None = extensions.get(EXCHANGE) if extensions else None  # None: not by our own door
        self.place, self.mode, self.dialect = place, place.mode, place.dialect
        now_ns = time.time_ns()
        self.request_id = new_request_id(now_ns)
        self.started_ms = now_ns // 1_000_000
        self.headers = headers
        self.body_read = False
        self.head_sent = False
        self.status = 0  # that the client got; 0: it left before
        self.stream = False
        self.held = False  # a hold stands and this call must end it
        self.unheld = False  # admitted without a hold because Redis is away
        self.first_byte_ms = -1
        self.gone = False  # the client has left
        self.signed_in_again = False  # a refused token was dropped and another one fetched
        self.ended_by: neutral.UpstreamError | None = None  # why we end the call ourselves
        self.sending: asyncio.Task[Any] | None = None  # while the upstream has not answered
        self.amount = 0  # quota held
        self.allowance: Allowance | None = None  # out of which it is held; None: in Redis
        self.turn: Turn | None = None  # in the window of the request rate limit
        self.turn_taken = False
        self.limits: Limits | None = None  # of calls and tokens per time
        self.last_out_s = 0.0  # monotonic time at which the client was last sent something
        self.body_ended = False  # the last byte was sent
        self.writer: EventWriter | None = None  # of the client's stream, where we write events ourselves
        self.progress: Callable[[], TokenUsage] | None = None  # what a stream has relayed so far
        self.answer: UpstreamAnswer | None = None
        self.tried: list[int] = []
        self.conversation: str | None = None  # for affinity; None: not asked for yet
        self.may_hedge = False  # a second channel may be asked when the first one stays silent
        self.client_ip = ""  # told only where the operator asks for it
        self.hedge: dict[str, Any] | None = None  # what became of it
        self.begun: Attempt  # of the attempt at hand
        self.caller: Caller
        self.channel: RoutedChannel
        self.price: PriceRecord
        self.base_price: PriceRecord  # of one picture, where `price` is of all that were asked for
        self.wanted: Wanted
        self.body = b""
        self.group = ""
        self.sent: Outgoing
        self.call: Call

    def choose(self, snapshot: EdgeSnapshot, pinned: int | None, attempt: int) -> RoutedChannel | None:
        model = self.wanted.model
        if pinned is not None:
            channel = snapshot.channels.get(pinned)
            if channel is None:
                raise Refused(403, "channel_disabled", "The pinned channel does not exist or is disabled.")
            return self.relay.health.picker.with_key(channel, time.monotonic())
        if "-gizmo" in model and (self.group, model) not in snapshot.tiers:
            model = billed_name(model)  # channels offer custom GPTs by the starred name; upstream gets the full one
        wish = Wish(self.group, model, self.mode, self._conversation() if snapshot.options.affinity_enabled else "")
        return self.relay.health.choose(snapshot, wish, attempt=attempt - 1, tried=self.tried)

    def _conversation(self) -> str:
        """As the client names it, else by how it begins."""
        if self.conversation is None:
            named = self.wanted.conversation
            self.conversation = named or (name_conversation(self.body) if self.mode in TALKS else "")
        return self.conversation

    async def hold(self, snapshot: EdgeSnapshot) -> None:
        """Quota, and a place among the calls of this minute: both go out in one write. Raises Refused."""
        if self.limits is None or self.turn_taken:
            await hold_quota(self, snapshot)
            return
        turn = asyncio.ensure_future(take_turn(self, self.limits))
        try:
            await hold_quota(self, snapshot)
        finally:
            await turn  # its refusal comes first

    async def attempt(self, snapshot: EdgeSnapshot) -> None:
        """Send the call to its channel and relay the answer. Raises AttemptFailed."""
        if self.may_hedge:
            await attempt_hedged(self, snapshot)
        else:
            await relay_opened(self, await open_attempt(self, snapshot))

    def tell_success(self) -> None:
        """Of the attempt at hand, once the client has its answer."""
        self.relay.meters.attempt(self.channel.id, "ok")
        gone, first_ms = self.gone or self.ended_by is not None, self.started_ms + self.first_byte_ms
        self.relay.health.succeeded(self.begun, self.request_id, first_ms, stream=self.stream, gone=gone)

    def estimate(self, completion_tokens: int) -> TokenUsage:
        media_tokens = media_rule(self.relay.config, self.wanted.model, stream=self.stream)
        prompt = count_prompt(self.place, self.wanted, self.body, media_tokens=media_tokens)
        return TokenUsage(input_text=prompt, output_text=completion_tokens, estimated=True)

    async def answer_with(self, status: int, content_type: str, body: bytes, retry_after_s: int = 0) -> None:
        """A whole answer."""
        if retry_after_s or not self.answer_at_once(status, content_type, body):
            await self.head(status, content_type, len(body), retry_after_s)
            await self.end(body)

    def answer_at_once(self, status: int, content_type: str, body: bytes, more_fields: bytes = b"") -> bool:
        """A whole answer in one write, as nearly all plain ones leave; False: it needs `answer_with`.

        `more_fields`: header lines.
        """
        if not self._has_plain_head:
            return False
        self.head_sent = self.body_ended = True
        self.status = status
        name = self.request_id.encode()
        exchange: Any = self.exchange
        exchange.answer(status, _FIELDS % (content_type.encode("latin-1"), name, name) + more_fields, body)
        return True

    def begin_at_once(self, content_type: str) -> bool:
        """The head of a stream, which leaves with its first part; False: it needs `head`."""
        if not self._has_plain_head:
            return False
        self.head_sent = True
        self.status = 200
        name = self.request_id.encode()
        exchange: Any = self.exchange
        exchange.begin(200, _FIELDS % (content_type.encode("latin-1"), name, name) + OF_STREAMS)
        return True

    @property
    def _has_plain_head(self) -> bool:
        """No: there are headers to tell that most answers do not have."""
        relay = self.relay
        return (
            self.exchange is not None
            and self.turn is None
            and not relay.draining
            and not relay.snapshots.current.options.pass_upstream_headers
        )

    async def end(self, data: bytes = b"") -> None:
        """The last bytes."""
        self.body_ended = True
        await self.send({"type": "http.response.body", "body": data})

    async def stream_out(self, data: bytes) -> None:
        if not self.head_sent and not self.begin_at_once(self.stream_type):
            await self.head(200, self.stream_type, None)
        if data:
            self.last_out_s = time.monotonic()
            await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self, data: bytes) -> None:
        """The last bytes of a stream, and its end, in one write; all of it where nothing was sent before."""
        if not self.head_sent:
            if self.answer_at_once(200, self.stream_type, data, OF_STREAMS):
                return
            await self.head(200, self.stream_type, None)
        await self.end(data)

    @property
    def stream_type(self) -> str:
        return "application/json" if self.place.json_array else get_dialect(self.dialect).stream_type

    async def keep_pace(self) -> None:
        """Wait while the client does not read."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": True})

    def event_writer(self) -> EventWriter:
        """Writes events of our own in the client's dialect."""
        if self.writer is None:
            facts = StreamContext(
                id=self.request_id,
                model=self.wanted.model,
                created_s=self.started_ms // 1000,
                json_array=self.place.json_array,
            )
            self.writer = get_dialect(self.dialect).event_writer(facts)
        return self.writer

    def is_silent(self, now_s: float, silence_s: float, *, before_first_byte: bool) -> bool:
        """Does an open stream need a sign of life? Before the first byte only where that is wished: it ends retrying."""
        if not self.stream or self.body_ended or self.gone or self.mode not in TALKS:
            return False
        if not self.head_sent and not before_first_byte:
            return False
        since_s = self.last_out_s or now_s - (time.time() - self.started_ms / 1000)
        return now_s - since_s >= silence_s

    def is_overdue(self, now_s: float) -> bool:
        """By the time-out of a whole attempt. While the first byte is awaited other time-outs watch, and retries may follow."""
        config = self.relay.config
        limit_s = config.relay_stream_timeout_s if self.stream else config.relay_timeout_s
        if not limit_s or self.body_ended or self.answer is None or self.ended_by is not None:
            return False
        return now_s - self.begun.started > limit_s

    async def ping(self) -> None:
        await self.stream_out(self.event_writer().ping())

    async def head(self, status: int, content_type: str, length: int | None, retry_after_s: int = 0) -> None:
        self.head_sent = True
        self.status = status
        request_id = self.request_id.encode()
        headers = [
            (b"content-type", content_type.encode("latin-1")),
            (b"x-oneapi-request-id", request_id),
            (b"x-request-id", request_id),
            *_CROSS_ORIGIN,
        ]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        else:
            headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        if self.relay.draining:
            headers.append((b"connection", b"close"))
        if self.turn is not None and self.turn.limit:
            headers += [
                (b"x-ratelimit-limit-requests", str(self.turn.limit).encode()),
                (b"x-ratelimit-remaining-requests", str(self.turn.left).encode()),
                (b"x-ratelimit-reset-requests", f"{self.turn.reset_s}s".encode()),
            ]
        if self.turn is not None and self.limits is not None and self.limits.tokens and self.turn.tokens_left >= 0:
            headers += [
                (b"x-ratelimit-limit-tokens", str(self.limits.tokens).encode()),
                (b"x-ratelimit-remaining-tokens", str(self.turn.tokens_left).encode()),
            ]
        if self.relay.snapshots.current.options.pass_upstream_headers and self.answer is not None:
            own = {name for name, _ in headers}
            told = self.answer.headers
            headers += [one for one in told if one[0].startswith(_OF_UPSTREAM) and one[0] not in own]
        if retry_after_s:
            headers.append((b"retry-after", str(retry_after_s).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def settle(self, usage: TokenUsage, status: int, *, cut: bool = False, error: str = "") -> None:
        spending = begin_spending(self, usage.total_tokens) if self.turn is not None else None
        record = self.record(usage, status, cut=cut, error=error)
        allowance, self.allowance = self.allowance, None  # it is charged once, whatever comes
        await self.relay.settling.settle(record, allowance, self.amount)
        self.held = False
        self.progress = None  # it has this call: a circle, which only the garbage collector would open
        if spending is not None:
            await spending

    def record(self, usage: TokenUsage, status: int, *, cut: bool = False, error: str = "") -> UsageRecord:
        caller = self.caller
        quota = Quota(0) if error else charge(usage, self.price)
        return UsageRecord(  # in the order of its fields: by their names it would take 3 us more
            VERSION,
            self.request_id,
            caller.user_id,
            caller.username,
            caller.token_id,
            caller.token_name,
            caller.limited,
            self.channel.id,
            billed_name(self.wanted.model),
            self.sent.model or self.call.upstream_model,
            self.group,
            self.dialect,
            self.mode,
            self.stream,
            status,
            self.started_ms,
            time.time_ns() // 1_000_000,
            self.first_byte_ms,
            usage,
            self.price,
            quota,
            cut,
            self.tried,
            error,
            "",  # error_message
            self.client_ip,
            "",  # content
            {} if self.hedge is None else self._noted_hedge(),
        )

    def _noted_hedge(self) -> dict[str, Any]:
        """Beside the channels, which only administrators see."""
        return {"admin_info": {"use_channel": [str(channel) for channel in self.tried], "hedge": self.hedge}}

    @property
    def user_id(self) -> int:
        return self.caller.user_id

    @property
    def buffered_bytes(self) -> int:
        """Of the upstream's answer, waiting for a slow client."""
        return self.answer.buffered_bytes if self.answer is not None else 0

    def checkpoint(self) -> UsageRecord | None:
        """What to charge if this process dies now; None while the client has seen nothing."""
        relayed = self._relayed()
        return self.record(relayed, 200, cut=True) if relayed is not None else None

    def _relayed(self) -> TokenUsage | None:
        """Of a stream; None: the client has seen nothing of it, or was told of an error in its place."""
        return self.progress() if self.progress is not None and self.head_sent and self.status == 200 else None

    def leave(self) -> None:
        """The client has gone: the upstream connection is cut, so that its work stops and the call is settled."""
        self.gone = True
        self._interrupt()

    def stop(self, reason: neutral.UpstreamError) -> None:
        """We end the call: the client learns why, and pays for what it saw."""
        self.ended_by = reason
        self._interrupt()

    def _interrupt(self) -> None:
        if self.answer is not None:
            self.answer.abort()
        elif self.sending is not None:
            self.sending.cancel()

    async def fail(self, error: neutral.UpstreamError, retry_after_s: int = 0) -> None:
        """Every attempt failed: nothing is charged, the failure is recorded, the client learns the last reason."""
        status = error.status if 400 <= error.status <= 599 else 502
        if self.held and hasattr(self, "sent"):
            await self.settle(TokenUsage(), status, error=error.code or "upstream_failed")
        if self.head_sent:
            await self._fail_in_stream(error)
            return
        body = get_dialect(self.dialect).write_error(
            status,
            error.code,
            error.message,
            type=error.type or None,
            param=error.param or None,
            request_id=self.request_id,
        )
        await self.answer_with(status, "application/json", body, retry_after_s)

    async def _fail_in_stream(self, error: neutral.UpstreamError) -> None:
        """The status has gone already, as after a ping: an error event tells the rest."""
        if self.stream and not self.body_ended and not self.gone:
            await self.end(self.event_writer().error(error))

    async def refuse(self, status: int, code: str, message: str, retry_after_s: int = 0) -> None:
        """Our own error."""
        if self.head_sent:
            await self._fail_in_stream(neutral.UpstreamError(message, "new_api_error", code, status=status))
            return
        kind = "new_api_error" if self.dialect != "claude" else None
        body = get_dialect(self.dialect).write_error(status, code, message, type=kind, request_id=self.request_id)
        await self.answer_with(status, "application/json", body, retry_after_s)

    def _log_failure(self, took_s: float) -> None:
        caller, wanted = getattr(self, "caller", None), getattr(self, "wanted", None)
        log.info(
            "call_failed", request_id=self.request_id, user_id=caller.user_id if caller else 0,
            token_id=caller.token_id if caller else 0, channels=self.tried, model=wanted.model if wanted else "",
            route=self.scope["path"], status=self.status, ms=int(took_s * 1000),
        )  # fmt: skip

    def close(self) -> None:
        """It is over: counted, and nobody looks after it any more."""
        self.relay.open.remove(self)
        took_s = time.time() - self.started_ms / 1000
        self.relay.meters.ended(self.dialect, self.mode, self.status, self.stream, took_s, self.first_byte_ms)
        if self.status >= 500:
            self._log_failure(took_s)

    async def finish(self) -> None:
        """No hold outlives its call: what the client saw is charged, an unanswered call gives its hold back."""
        self.close()
        if self.unheld:
            self.relay.settling.leave()
        if self.turn_taken and not 200 <= self.status < 400:
            with contextlib.suppress(*REFUSES):
                await self.relay.limiter.give_back(self.caller.user_id, self.request_id)
        if self.held:
            try:
                relayed = self._relayed()
                if relayed is not None:
                    await self.settle(relayed, 200, cut=True)
                    return
                allowance, self.allowance = self.allowance, None
                if allowance is not None:
                    allowance.release(self.amount)
                else:
                    await self.relay.hot.release(self.request_id, self.caller.user_id)
            except (*REFUSES, SpoolError):
                log.warning("hold_left_to_the_reaper", request_id=self.request_id)
