"""One attempt on one channel: request out by the channel's way, answer in; failures say what happened."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import structlog
from msgspec import Struct
from msgspec.structs import replace

from edge.channels import RoutedChannel
from edge.relay.answers import collect_stream, read_plain, settle_and_send
from edge.relay.failures import AttemptFailed, failed_with, learn_from, read_all, read_retry_after
from edge.relay.lanes import Lane, origin_of, request_head
from edge.relay.outgoing import NotPrepared, Reply
from edge.relay.passed_stream import PassedStream
from edge.relay.retry import map_status
from edge.relay.streams import stream_whole, translate_stream
from edge.relay.wanted import TALKS
from edge.snapshot import EdgeSnapshot
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import Connection, Origin, UpstreamBroken, UpstreamSilent
from edge.upstream.websocket import open_frames
from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.dialects.providers.base import Call, Outgoing

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

log = structlog.get_logger(__name__)


class Whole(Struct, frozen=True):
    """An answer that the last step of preparing brought."""

    body: bytes


Opened = UpstreamAnswer | Whole


async def open_attempt(live: "LiveCall", snapshot: EdgeSnapshot, *, good_only: bool = False) -> Opened:
    """Send the call to its channel and wait for the head of the answer. Raises AttemptFailed.

    `good_only`: an answer that refuses the call is a failure already here.
    """
    channel, model = live.channel, live.wanted.model
    upstream_model = channel.model_mapping.get(model, model)
    key = (channel.id, channel.key_no, upstream_model, live.stream, live.headers.get(b"accept", b""))
    lane = None
    if live.mode == "chat" and live.dialect == "openai" and not live.scope.get("query_string"):
        lane = snapshot.lanes.find(key, live.headers)
    if lane is not None:
        body = lane.body_for(live.body, live.wanted, channel)
        live.call, live.sent = lane.call, lane.template
        origin, head = lane.origin, lane.head_for(body)
        answer = live.answer = await _send(live, origin, head, body)
    else:
        live.call = _make_call(live, snapshot, upstream_model)
        try:
            sent = live.sent = await _prepare(live, _informed(live, channel))
        except NotPrepared as error:
            log.info("attempt_failed", request_id=live.request_id, channel=channel.id, reason=str(error))
            raise AttemptFailed(0, 502, "The channel cannot take this call.") from None
        except BadAnswer as bad:
            raise failed_with(live, bad.error) from None
        if not sent.method:  # the last step was the answer
            return Whole(sent.body)
        answer = live.answer = await _open(
            live, sent, lambda: snapshot.lanes.learn(key, live.call, channel, sent, live.headers)
        )
    if good_only and not 200 <= answer.status < 300:
        try:
            await _raise_upstream(live, answer)
        finally:
            answer.close()
    return answer


async def resume_attempt(live: "LiveCall", sent_on: Connection, lane: Lane, body: bytes, first_byte_ms: int) -> None:
    """The rest of an attempt whose request has left on `sent_on` by a lane, whatever came since. Raises AttemptFailed.

    `first_byte_ms`: see `relay_opened`.
    """
    if live.gone or live.ended_by is not None:
        sent_on.transport.abort()
        raise AttemptFailed(0, 502, "The call was ended.")
    answer = live.answer = await _send(live, lane.origin, lane.head_for(body), body, sent_on)
    await relay_opened(live, answer, first_byte_ms)


async def resume_stream(
    live: "LiveCall", passed: PassedStream, answer: UpstreamAnswer, error: Exception | None
) -> None:
    """The rest of a stream that flows. Raises AttemptFailed. `error`: see `PassedStream.run`."""
    live.answer = answer
    try:
        await passed.run(answer, error)
    finally:
        live.answer = None
        answer.close()


async def relay_opened(live: "LiveCall", opened: Opened, first_byte_ms: int = -1) -> None:
    """Raises AttemptFailed. `first_byte_ms`: from the call's start, where the head came before now."""
    if isinstance(opened, Whole):
        await settle_and_send(live, read_plain(live, opened.body, "application/json"))
        return
    live.answer = opened
    try:
        live.first_byte_ms = first_byte_ms if first_byte_ms >= 0 else time.time_ns() // 1_000_000 - live.started_ms
        content_type = opened.header(b"content-type").decode("latin-1") or "application/json"
        if not 200 <= opened.status < 300:
            await _raise_upstream(live, opened)
        lines = live.sent.framing == "json_lines"  # application/x-ndjson, or whatever a proxy makes of it
        streamed = content_type.startswith("text/event-stream") or (
            live.sent.stream and (lines or "json" not in content_type)
        )
        if live.stream and streamed:
            await (PassedStream(live).run(opened) if live.sent.passthrough else translate_stream(live, opened))
        elif live.stream and live.mode in TALKS and not streamed:
            await stream_whole(live, await read_all(live, opened))
        elif streamed:
            await settle_and_send(live, await collect_stream(live, opened))
        else:
            body = opened.take_whole()
            if body is None:
                body = await read_all(live, opened)
            await settle_and_send(live, read_plain(live, body, content_type))
    finally:
        live.answer = None  # from here on the connection may serve another call
        opened.close()


def abandon(opened: Opened) -> None:
    """An answer that nobody wants."""
    if not isinstance(opened, Whole):
        opened.abort()
        opened.close()


async def _prepare(live: "LiveCall", channel: RoutedChannel) -> Outgoing:
    """A client that leaves while files are fetched or a picture is polled for ends the work at once."""
    live.sending = asyncio.current_task(live.relay.loop)
    try:
        return await live.relay.preparer.prepare(live.call, channel, lambda step: _exchange(live, step))
    except asyncio.CancelledError:
        raise _ended(live) from None
    finally:
        live.sending = None


def _ended(live: "LiveCall") -> BaseException:
    """What a cancelled wait means: the process is ending, or this call alone."""
    if not live.gone and live.ended_by is None:
        return asyncio.CancelledError()
    live.sending.uncancel()  # type: ignore[union-attr]  # a coroutine runs in a task
    return AttemptFailed(0, 502, "The call was ended.")


def _informed(live: "LiveCall", channel: RoutedChannel) -> RoutedChannel:
    """The channel with what earlier attempts taught about it."""
    facts = live.relay.facts.get(channel.id)
    return channel if facts is None else replace(channel, view=replace(channel.view, facts=facts))


async def _open(live: "LiveCall", sent: Outgoing, learn: Callable[[], None]) -> UpstreamAnswer:
    """Send a request by the channel's way: directly, through its proxy, or as a WebSocket."""
    config = live.relay.config
    proxy = str(live.channel.view.setting.get("proxy") or config.relay_proxy)
    try:
        if sent.framing == "websocket":
            return await open_frames(sent.url, sent.body)
        if proxy:
            return await live.relay.proxied.request(
                proxy,
                sent,
                first_byte_timeout_s=config.first_byte_timeout_s,
                stream_timeout_s=config.streaming_timeout_s,
            )
        url = urlsplit(sent.url)
        origin, head = origin_of(url), request_head(sent, url, len(sent.body))
        learn()
    except UpstreamBroken as error:
        log.info("attempt_failed", request_id=live.request_id, channel=live.channel.id, reason=error.reason)
        raise AttemptFailed(0, 502, "The upstream could not be reached.") from None
    except ValueError:
        raise AttemptFailed(0, 502, "The channel's settings make no valid request.") from None
    return await _send(live, origin, head, sent.body)


async def _exchange(live: "LiveCall", sent: Outgoing) -> Reply:
    """One step before the call itself."""
    answer = live.answer = await _open(live, sent, lambda: None)
    try:
        live.sent = sent
        if not 200 <= answer.status < 300:
            await _raise_upstream(live, answer)
        return Reply(answer.status, await read_all(live, answer))
    finally:
        live.answer = None
        answer.close()


def _make_call(live: "LiveCall", snapshot: EdgeSnapshot, upstream_model: str) -> Call:
    query = live.scope.get("query_string", b"")
    return Call(
        mode=live.mode,  # type: ignore[arg-type]  # places name known modes only
        client_dialect=live.dialect,
        model=live.wanted.model,
        upstream_model=upstream_model,
        body=live.body,
        stream=live.stream,
        path=live.scope["path"],
        query={k: v[-1] for k, v in parse_qs(query.decode("latin-1")).items() if k != "key"} if query else {},
        client_headers={name.decode("latin-1"): value.decode("latin-1") for name, value in live.headers.items()},
        content_type=live.headers.get(b"content-type", b"application/json").decode("latin-1"),
        settings=snapshot.settings,
        now_s=live.started_ms // 1000,
        request_id=live.request_id,
        user=live.caller.username,
    )


async def _send(
    live: "LiveCall", origin: Origin, head: bytes, body: bytes, sent_on: Connection | None = None
) -> UpstreamAnswer:
    config = live.relay.config
    before, live.sending = live.sending, asyncio.current_task(live.relay.loop)
    try:
        return await live.relay.http.request(
            origin,
            head,
            body,
            connect_timeout_s=config.connect_timeout_s,
            first_byte_timeout_s=live.relay.patience_s[live.stream],
            sent_on=sent_on,
        )
    except UpstreamBroken as error:
        log.info("attempt_failed", request_id=live.request_id, channel=live.channel.id, reason=error.reason)
        if isinstance(error, UpstreamSilent):
            text = "The upstream did not answer in time."
            silent = neutral.UpstreamError(text, "upstream_error", "upstream_timeout", status=502)
            raise AttemptFailed(0, 502, text, error=silent) from None
        raise AttemptFailed(0, 502, "The upstream could not be reached.") from None
    except asyncio.CancelledError:
        raise _ended(live) from None
    finally:
        live.sending = before


async def _raise_upstream(live: "LiveCall", answer: UpstreamAnswer) -> None:
    body = await read_all(live, answer)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    error = live.channel.provider.read_error(answer.status, body, live.channel.view, headers)
    status = map_status(answer.status, live.channel.status_mapping)
    learnt = learn_from(live, answer.status, body)
    raise AttemptFailed(
        answer.status,
        status,
        "",
        error=replace(error, status=status),
        retry_after_s=read_retry_after(headers.get("retry-after", ""), time.time()),
        learnt=learnt,
    )
