"""Streams: bytes that go through as they are, and events that are translated; the last ones leave after the call is settled."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from edge.relay.failures import AttemptFailed, failed_with, learn_from, shown
from edge.relay.watch import StreamTooWild, StreamWatch, first_payload, payloads
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import Answer, UpstreamBroken, UpstreamSilent
from schema.counting import StreamCounter, estimate_prompt
from schema.dialects import neutral
from schema.dialects.base import EventWriter, StreamContext
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import unfold
from schema.dialects.gemini.array import ArrayFrames
from schema.dialects.providers.answers import open_reader, read_chat
from schema.dialects.providers.scrub import scrub
from schema.dialects.providers.wires import get_wire
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

log = structlog.get_logger(__name__)

STREAM_TIMEOUT = neutral.UpstreamError(
    "The upstream stopped sending in the middle of its answer.", "upstream_error", "stream_timeout", status=504
)
STREAM_BROKEN = neutral.UpstreamError(
    "The upstream broke off its answer.", "upstream_error", "stream_broken", status=502
)
_END_MARKS = {
    "openai": (b"data: [DONE]", b"data:[DONE]"),
    "completions": (b"data: [DONE]", b"data:[DONE]"),
    "claude": (b'"message_stop"',),
    "responses": (b'"response.completed"', b'"response.incomplete"', b'"response.failed"'),
    "gemini": (b'"finishReason"',),
    "cohere": (b'"message-end"',),
}


async def pass_stream(live: "LiveCall", answer: UpstreamAnswer) -> None:
    """Client and upstream speak the same dialect. Raises AttemptFailed before the first byte only."""
    counter = StreamCounter(live.wanted.model)

    def count(text: str) -> int:
        counter.feed(text)
        return counter.tokens

    watch = StreamWatch(
        get_wire(live.sent.wire).meter(),
        end_marks=_END_MARKS.get(live.dialect, ()),
        hide_usage=live.dialect in ("openai", "completions") and not live.wanted.include_usage,
        count=count,
    )
    live.progress = lambda: watch.usage or live.estimate(watch.completion_tokens())
    array = ArrayFrames() if live.place.json_array else None
    cut = False
    broken: neutral.UpstreamError | None = None
    left = b""

    def turn(data: bytes) -> bytes:
        out = watch.feed(data)
        if out and not live.head_sent:
            _check_first(live, out)
        if b'"error"' in out:
            out = _without_secrets(live, out)
        return b"".join(map(array.frame, payloads(out))) if out and array is not None else out

    try:
        left = await _carry(live, answer, turn, lambda: watch.ended)
    except (UpstreamBroken, StreamTooWild) as error:
        if not live.head_sent:
            raise AttemptFailed(0, 502, "The upstream broke off its answer.") from None
        log.info("stream_cut", request_id=live.request_id, channel=live.channel.id, reason=type(error).__name__)
        cut, broken = True, live.ended_by or (STREAM_TIMEOUT if isinstance(error, UpstreamSilent) else None)
    rest = watch.close() + watch.held
    if not live.head_sent and not left:
        if not rest:
            raise AttemptFailed(0, 502, "The upstream sent an empty stream.")
        _check_first(live, rest)
    complete = watch.said_all()
    usage = watch.usage or live.estimate(watch.completion_tokens())
    await live.settle(usage, 200, cut=cut or not complete)
    if broken is not None and not watch.ended:
        facts = StreamContext(id=live.request_id, model=live.wanted.model, created_s=live.started_ms // 1000)
        rest = get_dialect(live.dialect).event_writer(facts).error(broken)
    elif cut and not complete and live.dialect in ("claude", "responses"):
        facts = StreamContext(id=live.request_id, model=live.wanted.model, created_s=live.started_ms // 1000)
        rest = get_dialect(live.dialect).event_writer(facts).error(STREAM_BROKEN)
    elif not watch.ended and live.dialect in ("openai", "completions"):
        rest += b"data: [DONE]\n\n"
    elif live.wanted.include_usage and not watch.usage_shown and live.dialect in ("openai", "completions"):
        rest = _with_usage(live, rest, usage)
    if array is not None:
        rest = b"".join(map(array.frame, payloads(rest))) + array.close()
    await live.end_stream(left + rest)


async def _carry(
    live: "LiveCall", answer: UpstreamAnswer, turn: Callable[[bytes], bytes], ended: Callable[[], bool]
) -> bytes:
    """Send on what `turn` makes of each read. Raises UpstreamBroken, and what `turn` raises.

    Returns what came in one read with the end, and has not been sent: it leaves with the last event, in one write.

    Once a stream flows and its client keeps up, the upstream's socket feeds the client's without a task in between.
    `ended`: the last event was seen; a body that is here whole then needs no look at its end.
    """
    limit_s = live.relay.config.streaming_timeout_s
    write = live.exchange.write_part if live.exchange is not None else None
    while data := await answer.read_some(limit_s):
        out = turn(data)
        if ended() and answer.ended:
            return out
        if out:
            await live.stream_out(out)
        if not ended() and write is not None and live.head_sent and isinstance(answer, Answer):
            await answer.pour(partial(_pass_on, live, turn, ended, write), limit_s)
            await live.keep_pace()
    return b""


def _pass_on(
    live: "LiveCall",
    turn: Callable[[bytes], bytes],
    ended: Callable[[], bool],
    write: Callable[[bytes], bool],
    data: bytes,
) -> bool:
    """False: the task must see to the end, or wait for the client."""
    out = turn(data)
    if out:
        live.last_out_s = time.monotonic()
        return write(out) and not ended()
    return not ended()


def _with_usage(live: "LiveCall", rest: bytes, usage: TokenUsage) -> bytes:
    """The chunk that the client asked for and the upstream did not send, before the end mark. The id is ours."""
    facts = StreamContext(id=live.request_id, model=live.wanted.model, created_s=live.started_ms // 1000)
    writer = get_dialect(live.dialect).event_writer(facts)
    writer.write(neutral.Start(model=live.sent.model))
    writer.write(neutral.UsageEvent(usage))
    last = rest.rfind(b"data:")
    return rest[:last] + writer.close() if last >= 0 and rest[last:].strip().endswith(b"[DONE]") else rest


def _check_first(live: "LiveCall", frames: bytes) -> None:
    """A stream that begins with an error is a failed attempt: the client has seen nothing yet."""
    first = first_payload(frames)
    if first is not None and get_wire(live.sent.wire).meter().is_error_event(first):
        raise failed_with(live, get_dialect(live.dialect).read_error(0, first))


def _without_secrets(live: "LiveCall", frames: bytes) -> bytes:
    """Error events in the middle of a passed-through stream lose what belongs to the operator; every other byte stays."""
    meter = get_wire(live.sent.wire).meter()
    if not any(meter.is_error_event(payload) for payload in payloads(frames)):
        return frames
    view, provider = live.channel.view, live.channel.provider
    text = frames.decode("utf-8", "surrogateescape")
    clean = scrub(text, key=view.key, base_url=view.base_url or provider.base_url)
    return clean.encode("utf-8", "surrogateescape")


async def translate_stream(live: "LiveCall", answer: UpstreamAnswer) -> None:
    """Events of one dialect become those of another. Raises AttemptFailed before the first byte only."""
    reader = open_reader(live.sent)
    whole_frames = live.sent.framing == "websocket"
    writer = _open_writer(live)
    counter = StreamCounter(live.wanted.model)
    usage: TokenUsage | None = None
    held = b""
    finished = cut = False
    broken: neutral.UpstreamError | None = None
    live.progress = lambda: usage or live.estimate(counter.tokens)

    def turn(events: list[neutral.Event]) -> bytes:
        nonlocal usage, finished
        out = []
        for event in events:
            if isinstance(event, neutral.UsageEvent):
                usage = event.usage
            elif isinstance(event, neutral.Finished):
                finished = True
            elif isinstance(event, neutral.Failed):
                if not live.head_sent:
                    raise failed_with(live, event.error)
                event = neutral.Failed(shown(live, event.error))
            elif text := neutral.event_text(event):
                counter.feed(text)
            out.append(writer.write(event))
        return b"".join(out)

    def take(data: bytes) -> bytes:
        nonlocal held
        out = turn(reader.read(data) if whole_frames else reader.feed(data))
        if finished:
            held += out
            return b""
        return out

    try:
        await _carry(live, answer, take, lambda: False)
    except UpstreamBroken as error:
        if not live.head_sent:
            raise AttemptFailed(0, 502, "The upstream broke off its answer.") from None
        cut, broken = True, live.ended_by or (STREAM_TIMEOUT if isinstance(error, UpstreamSilent) else None)
    held += turn(reader.close())
    if usage is None:
        usage = live.estimate(counter.tokens)
        held += writer.write(neutral.UsageEvent(usage))
    held += writer.error(broken) if broken is not None and not finished else writer.close()
    await live.settle(usage, 200, cut=cut or not finished)
    await live.end_stream(held)


def _open_writer(live: "LiveCall") -> EventWriter:
    client = get_dialect(live.dialect)
    request = client.read_request(live.body, path_model=live.wanted.model, stream=live.place.stream)
    live.writer = client.event_writer(
        StreamContext(
            id=live.request_id,
            model=live.wanted.model,
            created_s=live.started_ms // 1000,
            include_usage=request.include_usage,
            json_array=live.place.json_array,
            rewrite_model=live.call.settings.return_requested_model,
            prompt_estimate=estimate_prompt(len(live.body)),
            request=request,
        )
    )
    return live.writer


async def stream_whole(live: "LiveCall", body: bytes) -> None:
    """A plain answer where the client asked for a stream: its events, at once. Raises AttemptFailed."""
    try:
        answer = read_chat(live.sent, body)
    except BadAnswer as bad:
        raise failed_with(live, bad.error, learnt=learn_from(live, 200, body)) from None
    events = unfold(answer)
    writer = _open_writer(live)
    usage = answer.usage
    if usage is None:
        counter = StreamCounter(live.wanted.model)
        for event in events:
            if text := neutral.event_text(event):
                counter.feed(text)
        usage = live.estimate(counter.tokens)
        events.append(neutral.UsageEvent(usage))
    out = b"".join(map(writer.write, events)) + writer.close()
    await live.settle(usage, 200)
    await live.end_stream(out)
