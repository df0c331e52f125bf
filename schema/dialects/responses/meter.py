"""Watching a passed-through Responses stream: usage stands in the last event, inside `response`."""

import msgspec
from msgspec import Struct

from schema.dialects.body import UNREADABLE
from schema.dialects.responses import wire
from schema.dialects.responses.usage import read_usage
from schema.usage import TokenUsage

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_TEXT_KINDS = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.function_call_arguments.delta",
)


class _Inner(Struct, frozen=True):
    usage: wire.Usage | None = None


class _Event(Struct, frozen=True):
    """Also a whole answer, whose usage stands at the top."""

    type: str = ""
    response: _Inner | None = None
    usage: wire.Usage | None = None


_decode = msgspec.json.Decoder(_Event, strict=False).decode
_decode_delta = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode
_decode_answer = msgspec.json.Decoder(wire.Response, strict=False).decode


class ResponsesMeter:
    markers: tuple[bytes, ...] = (b'"usage":{', b'"usage": {')
    last_tells = True
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        event = self._event(payload)
        if event is None:
            return None
        return read_usage(event.usage or (event.response.usage if event.response else None))

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return new

    def read_text(self, payload: bytes) -> str:
        try:
            event = _decode_delta(payload)
        except UNREADABLE:
            return ""
        if event.type == "response.output_item.added" and event.item is not None:
            return event.item.name or ""
        return event.delta if event.type in _TEXT_KINDS and isinstance(event.delta, str) else ""

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        return self.read_usage(body)

    def text_of_answer(self, body: bytes) -> str:
        try:
            response = _decode_answer(body)
        except UNREADABLE:
            return ""
        texts: list[str] = []
        for item in response.output or ():
            texts += [part.text for part in item.summary or ()]
            texts += [part.text or "" for part in item.content or () if isinstance(part, wire.Part)]
            texts += [item.name or "", item.arguments or ""]
        return "".join(texts)

    def is_error_event(self, payload: bytes) -> bool:
        event = self._event(payload) if b'"error"' in payload else None
        return event is not None and event.type in ("error", "response.failed")

    def is_end_event(self, payload: bytes) -> bool:
        event = self._event(payload) if b'"response.' in payload else None
        return event is not None and event.type in _ENDS

    def is_usage_only(self, payload: bytes) -> bool:
        return False

    def shows_usage(self, payload: bytes) -> bool:
        return True

    def _event(self, payload: bytes) -> _Event | None:
        try:
            return _decode(payload)
        except UNREADABLE:
            return None
