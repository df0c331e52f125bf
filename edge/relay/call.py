"""One call from the client's request to the settled answer. This function owns the control flow; the steps live beside it.

authenticate -> model and group -> channel -> price -> hold -> attempt -> relay -> settle -> the last bytes leave.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import structlog
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from edge.channels import RoutedChannel
from edge.health.pick import Wish
from edge.health.watch import Health
from edge.metrics import Meters
from edge.relay.callers import Caller, Callers
from edge.relay.gate import authenticate, check_model, group_in_effect, read_key
from edge.relay.lanes import origin_of, request_head
from edge.relay.open_calls import OpenCalls
from edge.relay.outgoing import NotPrepared, Preparer, Reply
from edge.relay.prompt import answer_count, count_prompt
from edge.relay.refusal import Refused, away, no_channel, short_of_quota
from edge.relay.retry import Failure, GiveUp, RetryPolicy, after_failure, map_status
from edge.relay.routes import Place
from edge.relay.wanted import Wanted, read_wanted
from edge.relay.watch import StreamTooWild, StreamWatch, payloads
from edge.snapshot import EdgeSnapshot, Snapshots
from edge.spool import REFUSES, Settling
from edge.tracing import open_tracing
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import Http1Client, Origin, UpstreamBroken, UpstreamSilent
from edge.upstream.proxied import ProxiedClient
from edge.upstream.websocket import open_frames
from schema.config import Config
from schema.counting import StreamCounter, count_text, estimate_prompt
from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.gemini.array import ArrayFrames
from schema.dialects.providers.answers import ClientAnswer, finish_answer, finish_events, open_reader
from schema.dialects.providers.base import Call, Outgoing
from schema.dialects.providers.facts import learn
from schema.dialects.providers.wires import get_wire
from schema.dialects.registry import get_dialect
from schema.ledger.hot import HotLedger, NotLoaded, QuotaShort, Repeated
from schema.pricing import PriceMissing, charge, estimate_hold, find_price, price_image
from schema.quota import Quota
from schema.spool import SpoolError
from schema.usage import PriceRecord, TokenUsage, UsageRecord, write_record

log = structlog.get_logger(__name__)

SHUTTING_DOWN = neutral.UpstreamError(
    message="The gateway is restarting; please send the request again.",
    type="new_api_error",
    code="shutting_down",
    status=503,
)
SIGN_IN_TIMEOUT_S = 10.0  # at a provider whose calls need an access token
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # of one plain answer
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_END_MARKS = {
    "openai": (b"data: [DONE]", b"data:[DONE]"),
    "completions": (b"data: [DONE]", b"data:[DONE]"),
    "claude": (b'"message_stop"',),
    "responses": (b'"response.completed"', b'"response.incomplete"', b'"response.failed"'),
    "gemini": (b'"finishReason"',),
}
_KEY_HEADERS = tuple((name.encode(), name) for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key"))


_CROSS_ORIGIN = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Oneapi-Request-Id, Retry-After"),
)


class _Ids:
    """Second of the last id, and its text: formatting a time costs more than the rest of an id."""

    second = 0
    text = ""


def new_request_id(now_ns: int) -> str:
    """Sortable by time and unique across machines; 32 characters."""
    second = now_ns // 1_000_000_000
    if second != _Ids.second:
        _Ids.second, _Ids.text = second, time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
    return _Ids.text + os.urandom(9).hex()


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
    ) -> None:
        self.config, self.snapshots, self.callers, self.hot = config, snapshots, callers, hot
        self.settling, self.meters, self.health = settling, meters, health
        self.tracing = open_tracing(config)
        self.draining = False  # the process is about to end: keep-alive connections are to move on
        self.http = Http1Client()
        self.proxied = ProxiedClient()
        self.preparer = Preparer(
            httpx.AsyncClient(timeout=SIGN_IN_TIMEOUT_S, follow_redirects=False),
            file_bytes_max=config.max_file_download_mb << 20,
            file_s_max=config.user_content_request_timeout_s,
        )
        self.facts: dict[int, frozenset[str]] = {}  # channel -> what its answers taught, until the channel is edited
        self.open = OpenCalls(hot, config.hold_deadline_s)

    def end_all(self) -> None:
        """Time is up: what is still open ends with an error event and is charged for what was relayed."""
        for call in list(self.open.calls.values()):
            call.stop(SHUTTING_DOWN)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send, place: Place) -> None:
        kind = _LiveCall if self.tracing is None else self.tracing.kind_of(_LiveCall)
        call = kind(self, scope, receive, send, place)
        try:
            await call.run()
        except Refused as error:
            await call.refuse(error.status, error.code, error.message, error.retry_after_s)
        except DialectError as error:
            await call.refuse(error.status, error.code, error.message)
        except (*REFUSES, SpoolError):
            refusal = away("The ledger")
            await call.refuse(refusal.status, refusal.code, refusal.message, 1)
        except SQLAlchemyError:
            refusal = away("The database")
            await call.refuse(refusal.status, refusal.code, refusal.message, 1)
        except Exception as error:
            log.exception("call_crashed", request_id=call.request_id, error=type(error).__name__)
            await call.refuse(500, "internal_error", "The gateway failed to carry out this call.")
        finally:
            await call.finish()


class _LiveCall:
    """The state of one call."""

    def __init__(self, relay: Relay, scope: dict[str, Any], receive: Receive, send: Send, place: Place) -> None:
        self.relay, self.scope, self.receive, self.send = relay, scope, receive, send
        self.place, self.mode, self.dialect = place, place.mode, place.dialect
        now_ns = time.time_ns()
        self.request_id = new_request_id(now_ns)
        self.started_ms = now_ns // 1_000_000
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.head_sent = False
        self.status = 0  # that the client got; 0: it left before
        self.stream = False
        self.held = False  # a hold stands and this call must end it
        self.unheld = False  # admitted without a hold because Redis is away
        self.first_byte_ms = -1
        self.gone = False  # the client has left
        self.ended_by: neutral.UpstreamError | None = None  # why we end the call ourselves
        self.sending: asyncio.Task[Any] | None = None  # while the upstream has not answered
        self.progress: Callable[[], TokenUsage] | None = None  # what a stream has relayed so far
        self.answer: UpstreamAnswer | None = None
        self.tried: list[int] = []
        self.caller: Caller
        self.channel: RoutedChannel
        self.price: PriceRecord
        self.base_price: PriceRecord  # of one picture, where `price` is of all that were asked for
        self.wanted: Wanted
        self.body = b""
        self.group = ""
        self.sent: Outgoing
        self.call: Call

    async def run(self) -> None:
        relay = self.relay
        snapshot = relay.snapshots.current
        key, pinned = read_key(self._key_headers())
        caller = self.caller = await authenticate(relay.callers, key, pinned, self.started_ms // 1000)
        body = await self._read_body()
        wanted = read_wanted(self.place, body, self.headers)
        self.group = group_in_effect(caller, snapshot.options)
        check_model(caller, wanted.model)
        self.wanted, self.body = wanted, body
        self.stream = wanted.stream
        if self.place.free:
            await self._answer_json(answer_count(self.place, wanted.model, body))
            return
        deadline_ms = self.started_ms + relay.config.retry_deadline_s * 1000
        policy = RetryPolicy(1 + snapshot.options.retry_times, deadline_ms)
        last: neutral.UpstreamError | None = None
        attempt = 0
        again: RoutedChannel | None = None
        while True:
            attempt += 1
            channel = again or self._choose(snapshot, pinned, attempt)
            again = None
            if channel is None:
                break
            self.channel = channel
            if not self.held:
                await self._hold(snapshot)
                relay.open.calls[self.request_id] = self
            self.tried.append(channel.id)
            begun = relay.health.begin(channel, wanted.model)
            try:
                await self._attempt(snapshot)
                relay.meters.attempt(channel.id, "ok")
                gone, first_ms = self.gone or self.ended_by is not None, self.started_ms + self.first_byte_ms
                relay.health.succeeded(begun, self.request_id, first_ms, stream=self.stream, gone=gone)
                return
            except _AttemptFailed as failed:
                last = failed.error
                gone = self.gone or self.ended_by is not None
                failed.failure = relay.health.failed(
                    begun, failed.failure, last, snapshot.options, request_id=self.request_id, gone=gone
                )
                policy = policy if not begun.trial else replace(policy, attempts_max=policy.attempts_max + 1)
                relay.meters.failed(channel.id, failed.failure.status, last, gone=self.gone)
                if self.gone:
                    raise Refused(499, "client_gone", "The client left before it was answered.") from None
                if self.ended_by is not None:
                    last = self.ended_by
                    break
                if failed.learnt and attempt == len(self.tried):
                    self.tried.pop()  # the same channel once more, in the way it has just taught
                    attempt -= 1
                    again = channel
                    continue
                others = self._choose(snapshot, pinned, attempt + 1) is not None
                decision = after_failure(
                    failed.failure,
                    attempt=attempt,
                    relayed_bytes=int(self.head_sent),
                    pinned=pinned is not None,
                    others_left=others,
                    now_ms=time.time_ns() // 1_000_000,
                    policy=policy,
                )
                if isinstance(decision, GiveUp):
                    break
                if decision.same_channel:
                    self.tried.pop()
                    await asyncio.sleep(decision.delay_ms / 1000)
            finally:
                relay.health.left(begun)
        if last is None:
            raise no_channel(self.group, wanted.model)
        await self._fail(last)

    def _key_headers(self) -> dict[str, str]:
        headers = self.headers
        return {text: headers[name].decode("latin-1") for name, text in _KEY_HEADERS if name in headers}

    async def _read_body(self) -> bytes:
        limit = self.relay.config.max_request_body_mb * 1024 * 1024
        length = self.headers.get(b"content-length", b"")
        too_large = Refused(413, "request_too_large", "The request body is larger than this gateway allows.")
        if length.isdigit() and int(length) > limit:
            raise too_large
        parts, size = [], 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Refused(499, "client_gone", "The client left before its request was complete.")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _choose(self, snapshot: EdgeSnapshot, pinned: int | None, attempt: int) -> RoutedChannel | None:
        model = self.wanted.model
        if pinned is not None:
            channel = snapshot.channels.get(pinned)
            if channel is None:
                raise Refused(403, "channel_disabled", "The pinned channel does not exist or is disabled.")
            return channel.keys[0] if channel.keys else channel
        wish = Wish(self.group, model, self.mode, self.wanted.conversation if snapshot.options.affinity_enabled else "")
        return self.relay.health.choose(snapshot, wish, attempt=attempt - 1, tried=self.tried)

    async def _hold(self, snapshot: EdgeSnapshot) -> None:
        hot, caller, wanted = self.relay.hot, self.caller, self.wanted
        price = find_price(
            snapshot.options,
            model=wanted.model,
            group=self.group,
            user_group=caller.user_group,
            channel_cache_ratio=self.channel.cache_ratio,
            channel_type=self.channel.type,
        )
        if isinstance(price, PriceMissing):
            raise Refused(500, "model_price_error", f"Model {wanted.model} has no price; the operator must set one.")
        self.base_price = self.price = price
        if wanted.pictures is not None:
            asked, name = wanted.pictures, self.channel.model_mapping.get(wanted.model, wanted.model)
            self.price = price_image(
                price, upstream_model=name, size=asked.size, quality=asked.quality, count=asked.count
            )
        prompt = wanted.exact_tokens
        amount = estimate_hold(
            estimate_prompt(len(self.body)) if prompt is None else prompt,
            wanted.max_tokens or None,
            self.price,
            completion_guess=snapshot.options.pre_consumed_quota if self.mode in _TALKS else 0,
        )
        token_id = caller.token_id if caller.limited else None
        for _ in range(4):
            try:
                answer = await hot.reserve(
                    request_id=self.request_id,
                    user_id=caller.user_id,
                    token_id=token_id,
                    amount=amount,
                    deadline_ms=hot.deadline_ms(self.relay.config.hold_deadline_s),
                )
                if isinstance(answer, NotLoaded):
                    await hot.load(caller.user_id, token_id)
                    continue
            except REFUSES:
                if not await self.relay.settling.admit(caller.user_id, token_id or 0, amount):
                    raise
                self.held = self.unheld = True
                return
            match answer:
                case QuotaShort(which):
                    raise short_of_quota(which)
                case Repeated():
                    raise Refused(409, "idempotency_conflict", "This idempotency key was used before.")
                case _:
                    self.held = True
                    return
        raise away("The ledger")

    async def _attempt(self, snapshot: EdgeSnapshot) -> None:
        channel, model = self.channel, self.wanted.model
        upstream_model = channel.model_mapping.get(model, model)
        key = (channel.id, channel.key_no, upstream_model, self.stream, self.headers.get(b"accept", b""))
        lane = None
        if self.mode == "chat" and self.dialect == "openai" and not self.scope.get("query_string"):
            lane = snapshot.lanes.find(key, self.headers)
        if lane is not None:
            body = lane.body_for(self.body, channel)
            self.call, self.sent = lane.call, lane.template
            origin, head = lane.origin, lane.head_for(body)
            answer = self.answer = await self._send(origin, head, body)
        else:
            self.call = self._make_call(snapshot, upstream_model)
            try:
                sent = self.sent = await self.relay.preparer.prepare(self.call, self._informed(channel), self._exchange)
            except NotPrepared as error:
                log.info("attempt_failed", request_id=self.request_id, channel=channel.id, reason=str(error))
                raise _AttemptFailed(0, 502, "The channel cannot take this call.") from None
            except BadAnswer as bad:
                raise _AttemptFailed(bad.error.status, bad.error.status, "", error=bad.error) from None
            if not sent.method:  # the last step was the answer
                await self._finish_plain(sent.body, "application/json")
                return
            answer = self.answer = await self._open(
                sent, lambda: snapshot.lanes.learn(key, self.call, channel, sent, self.headers)
            )
        try:
            await self._relay(answer)
        finally:
            self.answer = None  # from here on the connection may serve another call
            answer.close()

    def _informed(self, channel: RoutedChannel) -> RoutedChannel:
        """The channel with what earlier attempts taught about it."""
        facts = self.relay.facts.get(channel.id)
        return channel if facts is None else replace(channel, view=replace(channel.view, facts=facts))

    async def _open(self, sent: Outgoing, learn: Callable[[], None]) -> UpstreamAnswer:
        """Send a request by the channel's way: directly, through its proxy, or as a WebSocket."""
        config = self.relay.config
        proxy = str(self.channel.view.setting.get("proxy") or config.relay_proxy)
        try:
            if sent.framing == "websocket":
                return await open_frames(sent.url, sent.body)
            if proxy:
                return await self.relay.proxied.request(
                    proxy,
                    sent,
                    first_byte_timeout_s=config.first_byte_timeout_s,
                    stream_timeout_s=config.streaming_timeout_s,
                )
            url = urlsplit(sent.url)
            origin, head = origin_of(url), request_head(sent, url, len(sent.body))
            learn()
        except UpstreamBroken as error:
            log.info("attempt_failed", request_id=self.request_id, channel=self.channel.id, reason=error.reason)
            raise _AttemptFailed(0, 502, "The upstream could not be reached.") from None
        except ValueError:
            raise _AttemptFailed(0, 502, "The channel's settings make no valid request.") from None
        return await self._send(origin, head, sent.body)

    async def _exchange(self, sent: Outgoing) -> Reply:
        """One step before the call itself."""
        answer = self.answer = await self._open(sent, lambda: None)
        try:
            self.sent = sent
            if not 200 <= answer.status < 300:
                await self._raise_upstream(answer)
            return Reply(answer.status, await self._read_all(answer))
        finally:
            self.answer = None
            answer.close()

    def _make_call(self, snapshot: EdgeSnapshot, upstream_model: str) -> Call:
        query = self.scope.get("query_string", b"")
        return Call(
            mode=self.mode,  # type: ignore[arg-type]  # places name known modes only
            client_dialect=self.dialect,
            model=self.wanted.model,
            upstream_model=upstream_model,
            body=self.body,
            stream=self.stream,
            path=self.scope["path"],
            query={k: v[-1] for k, v in parse_qs(query.decode("latin-1")).items()} if query else {},
            client_headers={name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers.items()},
            content_type=self.headers.get(b"content-type", b"application/json").decode("latin-1"),
            settings=snapshot.settings,
            now_s=self.started_ms // 1000,
            request_id=self.request_id,
            user=self.caller.username,
        )

    async def _send(self, origin: Origin, head: bytes, body: bytes) -> UpstreamAnswer:
        config = self.relay.config
        self.sending = asyncio.current_task()
        try:
            return await self.relay.http.request(
                origin,
                head,
                body,
                connect_timeout_s=config.connect_timeout_s,
                first_byte_timeout_s=config.first_byte_timeout_s,
            )
        except UpstreamBroken as error:
            log.info("attempt_failed", request_id=self.request_id, channel=self.channel.id, reason=error.reason)
            if isinstance(error, UpstreamSilent):
                text = "The upstream did not answer in time."
                silent = neutral.UpstreamError(text, "upstream_error", "upstream_timeout", status=502)
                raise _AttemptFailed(0, 502, text, error=silent) from None
            raise _AttemptFailed(0, 502, "The upstream could not be reached.") from None
        except asyncio.CancelledError:
            if not self.gone and self.ended_by is None:
                raise
            self.sending.uncancel()  # type: ignore[union-attr]  # a coroutine runs in a task
            raise _AttemptFailed(0, 502, "The call was ended.") from None
        finally:
            self.sending = None

    async def _relay(self, answer: UpstreamAnswer) -> None:
        self.first_byte_ms = time.time_ns() // 1_000_000 - self.started_ms
        content_type = answer.header(b"content-type").decode("latin-1") or "application/json"
        if not 200 <= answer.status < 300:
            await self._raise_upstream(answer)
        streamed = content_type.startswith("text/event-stream") or (self.sent.stream and "json" not in content_type)
        if self.stream and streamed:
            await (self._pass_stream(answer) if self.sent.passthrough else self._translate_stream(answer))
        else:
            await self._plain(answer, content_type, streamed)

    async def _raise_upstream(self, answer: UpstreamAnswer) -> None:
        body = await self._read_all(answer)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        error = self.channel.provider.read_error(answer.status, body, self.channel.view, headers)
        retry_after = headers.get("retry-after", "")
        status = map_status(answer.status, self.channel.status_mapping)
        learnt = self._learn(answer.status, body)
        raise _AttemptFailed(
            answer.status,
            status,
            "",
            error=replace(error, status=status),
            retry_after_s=float(retry_after) if retry_after.isdigit() else 0.0,
            learnt=learnt,
        )

    async def _read_all(self, answer: UpstreamAnswer) -> bytes:
        try:
            return await answer.read_all(ANSWER_BYTES_MAX, self.relay.config.relay_timeout_s)
        except UpstreamBroken:
            raise _AttemptFailed(0, 502, "The upstream broke off its answer.") from None

    async def _plain(self, answer: UpstreamAnswer, content_type: str, streamed: bool) -> None:
        if not streamed:
            await self._finish_plain(await self._read_all(answer), content_type)
            return
        reader = open_reader(self.sent)
        whole_frames = self.sent.framing == "websocket"
        events: list[neutral.Event] = []
        try:
            while data := await answer.read_some(self.relay.config.streaming_timeout_s):
                events += reader.read(data) if whole_frames else reader.feed(data)
        except UpstreamBroken:
            raise _AttemptFailed(0, 502, "The upstream broke off its answer.") from None
        events += reader.close()
        call = replace(self.call, body=self.body, now_s=self.started_ms // 1000)
        try:
            done = finish_events(call, events, id=self.request_id)
        except BadAnswer as bad:
            raise _AttemptFailed(bad.error.status, bad.error.status, "", error=bad.error) from None
        await self._answer_with(done)

    async def _finish_plain(self, body: bytes, content_type: str) -> None:
        try:
            done = finish_answer(self.call, self.sent, body, content_type, id=self.request_id)
        except BadAnswer as bad:
            self._learn(200, body)
            raise _AttemptFailed(bad.error.status, bad.error.status, "", error=bad.error) from None
        await self._answer_with(done)

    async def _answer_with(self, done: ClientAnswer) -> None:
        usage = done.usage or self._estimate(self._completion_tokens(done.text))
        if self.wanted.pictures is not None:
            usage = self._price_pictures(usage, done)
        await self._settle(usage, 200)
        await self._head(200, done.content_type, len(done.body))
        await self.send({"type": "http.response.body", "body": done.body})

    def _completion_tokens(self, text: str) -> int:
        """Text that a recording was turned into is what the call was for, not an answer to pay for."""
        return count_text(self.sent.model or self.wanted.model, text) if self.mode in _TALKS and text else 0

    def _price_pictures(self, usage: TokenUsage, done: ClientAnswer) -> TokenUsage:
        """Models that report tokens and have a ratio are priced by tokens; the others by the pictures that came."""
        asked = self.wanted.pictures
        assert asked is not None
        if done.usage is not None and not self.base_price.per_call:
            self.price = self.base_price
            return usage
        count = min(done.images, asked.count) if done.images else asked.count
        self.price = price_image(
            self.base_price, upstream_model=self.sent.model, size=asked.size, quality=asked.quality, count=count
        )
        return TokenUsage(input_text=count)

    def _learn(self, status: int, body: bytes) -> bool:
        """Does the failure teach a way in which the same channel may work? Each fact is learnt once."""
        fact = learn(self.sent, status, body)
        if not fact:
            return False
        if fact == "drop_credential":
            self.relay.preparer.forget(self.channel)
            return False
        known = self.relay.facts.get(self.channel.id, frozenset())
        if fact in known:
            return False
        self.relay.facts[self.channel.id] = known | {fact}
        return True

    async def _pass_stream(self, answer: UpstreamAnswer) -> None:
        counter = StreamCounter(self.wanted.model)

        def count(text: str) -> int:
            counter.feed(text)
            return counter.tokens

        watch = StreamWatch(
            get_wire(self.sent.wire).meter(),
            end_marks=_END_MARKS.get(self.dialect, ()),
            hide_usage=self.dialect in ("openai", "completions") and not self.wanted.include_usage,
            count=count,
        )
        self.progress = lambda: watch.usage or self._estimate(watch.completion_tokens())
        array = ArrayFrames() if self.place.json_array else None
        cut = False
        try:
            while data := await answer.read_some(self.relay.config.streaming_timeout_s):
                out = watch.feed(data)
                if out:
                    if not self.head_sent:
                        self._check_first(out)
                    await self._stream_out(out if array is None else b"".join(map(array.frame, payloads(out))))
                if watch.ended and answer.ended:
                    break
        except (UpstreamBroken, StreamTooWild) as error:
            if not self.head_sent:
                raise _AttemptFailed(0, 502, "The upstream broke off its answer.") from None
            log.info("stream_cut", request_id=self.request_id, channel=self.channel.id, reason=type(error).__name__)
            cut = True
        rest = watch.close() + watch.held
        if not self.head_sent:
            if not rest:
                raise _AttemptFailed(0, 502, "The upstream sent an empty stream.")
            self._check_first(rest)
        usage = watch.usage or self._estimate(watch.completion_tokens())
        await self._settle(usage, 200, cut=cut or not watch.ended)
        if self.ended_by is not None and not watch.ended:
            context = StreamContext(id=self.request_id, model=self.wanted.model, created_s=self.started_ms // 1000)
            rest = get_dialect(self.dialect).event_writer(context).error(self.ended_by)
        elif not watch.ended and self.dialect in ("openai", "completions"):
            rest += b"data: [DONE]\n\n"
        if array is not None:
            rest = b"".join(map(array.frame, payloads(rest))) + array.close()
        await self._stream_out(rest)
        await self.send({"type": "http.response.body", "body": b""})

    def _check_first(self, frames: bytes) -> None:
        """A stream that begins with an error is a failed attempt: the client has seen nothing yet."""
        first = payloads(frames)[:1]
        if first and get_wire(self.sent.wire).meter().is_error_event(first[0]):
            error = get_dialect(self.dialect).read_error(0, first[0])
            status = error.status if 400 <= error.status <= 599 else 502
            raise _AttemptFailed(status, status, "", error=replace(error, status=status))

    async def _translate_stream(self, answer: UpstreamAnswer) -> None:
        reader = open_reader(self.sent)
        whole_frames = self.sent.framing == "websocket"
        client = get_dialect(self.dialect)
        request = client.read_request(self.body, path_model=self.wanted.model, stream=self.place.stream)
        prompt = estimate_prompt(len(self.body))
        writer = client.event_writer(
            StreamContext(
                id=self.request_id,
                model=self.wanted.model,
                created_s=self.started_ms // 1000,
                include_usage=request.include_usage,
                json_array=self.place.json_array,
                prompt_estimate=prompt,
                request=request,
            )
        )
        counter = StreamCounter(self.wanted.model)
        usage: TokenUsage | None = None
        held = b""
        finished = cut = False
        self.progress = lambda: usage or self._estimate(counter.tokens)

        def turn(events: list[neutral.Event]) -> bytes:
            nonlocal usage, finished
            out = []
            for event in events:
                if isinstance(event, neutral.UsageEvent):
                    usage = event.usage
                elif isinstance(event, neutral.Finished):
                    finished = True
                elif isinstance(event, neutral.Failed) and not self.head_sent:
                    raise _AttemptFailed(event.error.status, event.error.status, "", error=event.error)
                elif text := neutral.event_text(event):
                    counter.feed(text)
                out.append(writer.write(event))
            return b"".join(out)

        try:
            while data := await answer.read_some(self.relay.config.streaming_timeout_s):
                out = turn(reader.read(data) if whole_frames else reader.feed(data))
                if finished:
                    held += out
                elif out:
                    await self._stream_out(out)
        except UpstreamBroken:
            if not self.head_sent:
                raise _AttemptFailed(0, 502, "The upstream broke off its answer.") from None
            cut = True
        held += turn(reader.close())
        if usage is None:
            usage = self._estimate(counter.tokens)
            held += writer.write(neutral.UsageEvent(usage))
        held += writer.error(self.ended_by) if self.ended_by is not None and not finished else writer.close()
        await self._settle(usage, 200, cut=cut or not finished)
        await self._stream_out(held)
        await self.send({"type": "http.response.body", "body": b""})

    def _estimate(self, completion_tokens: int) -> TokenUsage:
        prompt = count_prompt(self.place, self.wanted, self.body)
        return TokenUsage(input_text=prompt, output_text=completion_tokens, estimated=True)

    async def _answer_json(self, body: bytes) -> None:
        await self._head(200, "application/json", len(body))
        await self.send({"type": "http.response.body", "body": body})

    async def _stream_out(self, data: bytes) -> None:
        if not self.head_sent:
            kind = "application/json" if self.place.json_array else get_dialect(self.dialect).stream_type
            await self._head(200, kind, None)
        if data:
            await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def _head(self, status: int, content_type: str, length: int | None, retry_after_s: int = 0) -> None:
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
        if retry_after_s:
            headers.append((b"retry-after", str(retry_after_s).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def _settle(self, usage: TokenUsage, status: int, *, cut: bool = False, error: str = "") -> None:
        await self.relay.settling.settle(self._record(usage, status, cut=cut, error=error))
        self.held = False

    def _record(self, usage: TokenUsage, status: int, *, cut: bool = False, error: str = "") -> UsageRecord:
        caller = self.caller
        quota = Quota(0) if error else charge(usage, self.price)
        return UsageRecord(
            request_id=self.request_id,
            user_id=caller.user_id,
            username=caller.username,
            token_id=caller.token_id,
            token_name=caller.token_name,
            token_limited=caller.limited,
            channel_id=self.channel.id,
            model=self.wanted.model,
            upstream_model=self.sent.model or self.call.upstream_model,
            group=self.group,
            dialect=self.dialect,
            mode=self.mode,
            stream=self.stream,
            status=status,
            started_ms=self.started_ms,
            ended_ms=time.time_ns() // 1_000_000,
            first_byte_ms=self.first_byte_ms,
            usage=usage,
            price=self.price,
            quota=quota,
            cut=cut,
            use_channel=self.tried,
            error_code=error,
        )

    @property
    def user_id(self) -> int:
        return self.caller.user_id

    @property
    def buffered_bytes(self) -> int:
        """Of the upstream's answer, waiting for a slow client."""
        return self.answer.buffered_bytes if self.answer is not None else 0

    def checkpoint(self) -> bytes | None:
        """What to charge if this process dies now; None while the client has seen nothing."""
        if self.progress is None or not self.head_sent:
            return None
        return write_record(self._record(self.progress(), 200, cut=True))

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

    async def _fail(self, error: neutral.UpstreamError) -> None:
        """Every attempt failed: nothing is charged, the failure is recorded, the client learns the last reason."""
        status = error.status if 400 <= error.status <= 599 else 502
        if self.held and hasattr(self, "sent"):
            await self._settle(TokenUsage(), status, error=error.code or "upstream_failed")
        body = get_dialect(self.dialect).write_error(
            status,
            error.code,
            error.message,
            type=error.type or None,
            param=error.param or None,
            request_id=self.request_id,
        )
        await self._head(status, "application/json", len(body))
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, status: int, code: str, message: str, retry_after_s: int = 0) -> None:
        """Our own error, unless the client has seen bytes already: then the connection just ends."""
        if self.head_sent:
            return
        kind = "new_api_error" if self.dialect != "claude" else None
        body = get_dialect(self.dialect).write_error(status, code, message, type=kind, request_id=self.request_id)
        await self._head(status, "application/json", len(body), retry_after_s)
        await self.send({"type": "http.response.body", "body": body})

    async def finish(self) -> None:
        """No hold outlives its call: what the client saw is charged, an unanswered call gives its hold back."""
        self.relay.open.remove(self)
        took_s = time.time() - self.started_ms / 1000
        self.relay.meters.ended(self.dialect, self.mode, self.status, self.stream, took_s, self.first_byte_ms)
        if self.unheld:
            self.relay.settling.leave()
        if self.held:
            try:
                if self.progress is not None and self.head_sent:
                    await self._settle(self.progress(), 200, cut=True)
                    return
                await self.relay.hot.release(self.request_id, self.caller.user_id)
            except (*REFUSES, SpoolError):
                log.warning("hold_left_to_the_reaper", request_id=self.request_id)


_TALKS = frozenset({"chat", "completion", "responses"})  # modes with an answer of tokens


class _AttemptFailed(Exception):
    """One attempt on one channel. `status` 0: no answer."""

    def __init__(
        self,
        status: int,
        mapped_status: int,
        message: str,
        *,
        error: neutral.UpstreamError | None = None,
        retry_after_s: float = 0.0,
        learnt: bool = False,  # the same channel may work in another way, now known
    ) -> None:
        super().__init__(message)
        self.learnt = learnt
        self.failure = Failure(status, mapped_status, retry_after_s=retry_after_s)
        self.error = error or neutral.UpstreamError(
            message=message, type="upstream_error", code="upstream_failed", status=mapped_status or 502
        )
