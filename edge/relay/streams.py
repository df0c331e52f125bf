"""Streams whose events are translated: those of one dialect become those of another; the last ones leave after the call is settled."""

from typing import TYPE_CHECKING

from edge.relay.failures import AttemptFailed, failed_with, learn_from, shown
from edge.relay.flow import STREAM_TIMEOUT, carry
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import UpstreamBroken, UpstreamSilent
from schema.counting import StreamCounter, estimate_prompt
from schema.dialects import neutral
from schema.dialects.base import EventWriter, StreamContext
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import unfold
from schema.dialects.providers.answers import open_reader, read_chat
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage

if TYPE_CHECKING:
    from edge.relay.live import LiveCall


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
        await carry(live, answer, take, lambda: False)
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
