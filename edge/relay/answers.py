"""Plain answers: read whole, put into the client's dialect, settled, then sent."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.relay.failures import AttemptFailed, failed_with, learn_from, read_all
from edge.relay.wanted import TALKS
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import UpstreamBroken
from schema.counting import count_text
from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.dialects.providers.answers import ClientAnswer, finish_answer, finish_events, open_reader
from schema.pricing import price_image
from schema.usage import TokenUsage

if TYPE_CHECKING:
    from edge.relay.live import LiveCall


async def answer_plain(live: "LiveCall", answer: UpstreamAnswer, content_type: str, streamed: bool) -> None:
    """`streamed`: the upstream sends events although the client wants one answer. Raises AttemptFailed."""
    if not streamed:
        await finish_plain(live, await read_all(live, answer), content_type)
        return
    reader = open_reader(live.sent)
    whole_frames = live.sent.framing == "websocket"
    events: list[neutral.Event] = []
    try:
        while data := await answer.read_some(live.relay.config.streaming_timeout_s):
            events += reader.read(data) if whole_frames else reader.feed(data)
    except UpstreamBroken:
        raise AttemptFailed(0, 502, "The upstream broke off its answer.") from None
    events += reader.close()
    call = replace(live.call, body=live.body, now_s=live.started_ms // 1000)
    try:
        done = finish_events(call, events, id=live.request_id)
    except BadAnswer as bad:
        raise failed_with(live, bad.error) from None
    await _answer_with(live, done)


async def finish_plain(live: "LiveCall", body: bytes, content_type: str) -> None:
    """An answer that is here whole. Raises AttemptFailed."""
    try:
        done = finish_answer(live.call, live.sent, body, content_type, id=live.request_id)
    except BadAnswer as bad:
        raise failed_with(live, bad.error, learnt=learn_from(live, 200, body)) from None
    await _answer_with(live, done)


async def _answer_with(live: "LiveCall", done: ClientAnswer) -> None:
    usage = done.usage or live.estimate(_completion_tokens(live, done.text))
    if live.wanted.pictures is not None:
        usage = _price_pictures(live, usage, done)
    await live.settle(usage, 200)
    await live.answer_with(200, done.content_type, done.body)


def _completion_tokens(live: "LiveCall", text: str) -> int:
    """Text that a recording was turned into is what the call was for, not an answer to pay for."""
    return count_text(live.sent.model or live.wanted.model, text) if live.mode in TALKS and text else 0


def _price_pictures(live: "LiveCall", usage: TokenUsage, done: ClientAnswer) -> TokenUsage:
    """Models that report tokens and have a ratio are priced by tokens; the others by the pictures that came."""
    asked = live.wanted.pictures
    assert asked is not None
    if done.usage is not None and not live.base_price.per_call:
        live.price = live.base_price
        return usage
    count = min(done.images, asked.count) if done.images else asked.count
    live.price = price_image(
        live.base_price, upstream_model=live.sent.model, size=asked.size, quality=asked.quality, count=count
    )
    return TokenUsage(input_text=count)
