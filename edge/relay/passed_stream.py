"""A stream that client and upstream speak alike: its bytes go on as they are, the last ones leave after the call is settled."""

from typing import TYPE_CHECKING

import structlog

from edge.relay.failures import AttemptFailed, failed_with
from edge.relay.flow import STREAM_TIMEOUT, carry
from edge.relay.watch import StreamTooWild, StreamWatch, first_payload, payloads
from edge.upstream.face import UpstreamAnswer
from edge.upstream.http1 import UpstreamBroken, UpstreamSilent
from schema.counting import StreamCounter
from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.gemini.array import ArrayFrames
from schema.dialects.providers.scrub import scrub
from schema.dialects.providers.wires import get_wire
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

log = structlog.get_logger(__name__)

_STREAM_BROKEN = neutral.UpstreamError(
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
_OPENAI = ("openai", "completions")


class PassedStream:
    """One stream. A task carries all of it (`run`), or callbacks hand parts to `turn` and leave what is unusual to `run`."""

    __slots__ = ("_array", "_live", "_meter", "left", "watch")

    def __init__(self, live: "LiveCall") -> None:
        self._live = live
        self._array = ArrayFrames() if live.place.json_array else None
        self.left = b""  # of what `turn` returned: not sent yet
        meter = self._meter = get_wire(live.sent.wire).meter()
        self.watch = StreamWatch(
            meter,
            end_marks=_END_MARKS.get(live.dialect, ()),
            hide_usage=live.dialect in _OPENAI and not live.wanted.include_usage,
            count=StreamCounter(live.wanted.model).count,
        )
        live.progress = self.usage_so_far

    def usage_so_far(self) -> TokenUsage:
        """As the upstream told it, else counted here."""
        return self.watch.usage or self._live.estimate(self.watch.completion_tokens())

    def turn(self, data: bytes) -> bytes:
        """What the client is sent of `data`. Raises StreamTooWild, and AttemptFailed where the stream begins with an error."""
        live = self._live
        out = self.watch.feed(data)
        if not out:
            return out
        suspicious = b'"error"' in out
        if not live.head_sent and (suspicious or not self._meter.names_errors):
            self._check_first(out)
        if suspicious:
            out = self._without_secrets(out)
        return out if self._array is None else b"".join(map(self._array.frame, payloads(out)))

    def last_of_whole(self, usage: TokenUsage) -> bytes:
        """What was held back of a stream that came to its end."""
        live, watch = self._live, self.watch
        rest = watch.close() + watch.held
        return self._with_usage(rest, usage) if live.wanted.include_usage and not watch.usage_shown else rest

    async def run(self, answer: UpstreamAnswer, error: Exception | None = None) -> None:
        """All that is still to come. Raises AttemptFailed before the first byte only. `error`: what `turn` raised."""
        live, watch = self._live, self.watch
        cut = False
        broken: neutral.UpstreamError | None = None
        left, self.left = self.left, b""
        try:
            if error is not None:
                raise error
            if left and not answer.ended:
                await live.stream_out(left)
                left = b""
            left += await carry(live, answer, self.turn, lambda: watch.ended)
        except (UpstreamBroken, StreamTooWild) as problem:
            if not live.head_sent:
                raise AttemptFailed(0, 502, "The upstream broke off its answer.") from None
            reason = type(problem).__name__
            log.info("stream_cut", request_id=live.request_id, channel=live.channel.id, reason=reason)
            cut, broken = True, live.ended_by or (STREAM_TIMEOUT if isinstance(problem, UpstreamSilent) else None)
        rest = watch.close() + watch.held
        if not live.head_sent and not left:
            if not rest:
                raise AttemptFailed(0, 502, "The upstream sent an empty stream.")
            self._check_first(rest)
        complete = watch.said_all()
        usage = self.usage_so_far()
        await live.settle(usage, 200, cut=cut or not complete)
        if broken is not None and not watch.ended:
            rest = self._error(broken)
        elif cut and not complete and live.dialect in ("claude", "responses"):
            rest = self._error(_STREAM_BROKEN)
        elif not watch.ended and live.dialect in _OPENAI:
            rest += b"data: [DONE]\n\n"
        elif live.wanted.include_usage and not watch.usage_shown and live.dialect in _OPENAI:
            rest = self._with_usage(rest, usage)
        if self._array is not None:
            rest = b"".join(map(self._array.frame, payloads(rest))) + self._array.close()
        await live.end_stream(left + rest)

    def _facts(self) -> StreamContext:
        live = self._live
        return StreamContext(id=live.request_id, model=live.wanted.model, created_s=live.started_ms // 1000)

    def _error(self, error: neutral.UpstreamError) -> bytes:
        return get_dialect(self._live.dialect).event_writer(self._facts()).error(error)

    def _with_usage(self, rest: bytes, usage: TokenUsage) -> bytes:
        """The chunk that the client asked for and the upstream did not send, before the end mark. The id is ours."""
        writer = get_dialect(self._live.dialect).event_writer(self._facts())
        writer.write(neutral.Start(model=self._live.sent.model))
        writer.write(neutral.UsageEvent(usage))
        last = rest.rfind(b"data:")
        return rest[:last] + writer.close() if last >= 0 and rest[last:].strip().endswith(b"[DONE]") else rest

    def _check_first(self, frames: bytes) -> None:
        """A stream that begins with an error is a failed attempt: the client has seen nothing yet."""
        live = self._live
        first = first_payload(frames)
        if first is not None and self._meter.is_error_event(first):
            raise failed_with(live, get_dialect(live.dialect).read_error(0, first))

    def _without_secrets(self, frames: bytes) -> bytes:
        """Error events in the middle lose what belongs to the operator; every other byte stays."""
        if not any(map(self._meter.is_error_event, payloads(frames))):
            return frames
        view, provider = self._live.channel.view, self._live.channel.provider
        text = frames.decode("utf-8", "surrogateescape")
        clean = scrub(text, key=view.key, base_url=view.base_url or provider.base_url)
        return clean.encode("utf-8", "surrogateescape")
