"""Plain answers: read whole, put into the client's dialect, settled, then sent."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.relay.failures import AttemptFailed, failed_with, learn_from
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


async def collect_stream(live: "LiveCall", answer: UpstreamAnswer) -> ClientAnswer:
    """The upstream sends events although the client wants one answer. Raises AttemptFailed."""
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
        return finish_events(call, events, id=live.request_id)
    except BadAnswer as bad:
        raise failed_with(live, bad.error) from None


def read_plain(live: "LiveCall", body: bytes, content_type: str) -> ClientAnswer:
    """An answer that is here whole. Raises AttemptFailed."""
    try:
        return finish_answer(live.call, live.sent, body, content_type, id=live.request_id)
    except BadAnswer as bad:
        raise failed_with(live, bad.error, learnt=learn_from(live, 200, body)) from None


async def settle_and_send(live: "LiveCall", done: ClientAnswer) -> None:
    """In this order: what the client sees is paid for."""
    usage = done.usage or live.estimate(_completion_tokens(live, done.text))
    if live.wanted.pictures is not None:
        usage = _price_pictures(live, usage, done)
    await live.settle(usage, 200)
    if not live.answer_at_once(200, done.content_type, done.body):
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
