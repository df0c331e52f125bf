"""Watching a passed-through Cohere stream: usage stands in message-end."""

import msgspec

from schema.dialects.body import UNREADABLE
from schema.dialects.cohere import wire
from schema.dialects.cohere.answer import read_usage
from schema.dialects.cohere.stream import EventReader
from schema.dialects.neutral import TextDelta, ThinkingDelta, ToolArgs
from schema.usage import TokenUsage

_decode = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode
_decode_answer = msgspec.json.Decoder(wire.Answer, strict=False).decode


class CohereMeter:
    markers: tuple[bytes, ...] = (b'"usage"',)
    last_tells = True
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        event = self._event(payload)
        return read_usage(event.delta.usage) if event is not None and event.delta is not None else None

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return new

    def read_text(self, payload: bytes) -> str:
        events = EventReader().read(payload)
        return "".join([event.text for event in events if isinstance(event, TextDelta | ThinkingDelta | ToolArgs)])

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        try:
            return read_usage(_decode_answer(body).usage)
        except UNREADABLE:
            return None

    def text_of_answer(self, body: bytes) -> str:
        try:
            message = _decode_answer(body).message
        except UNREADABLE:
            return ""
        if not isinstance(message, wire.AnswerMessage):
            return ""
        texts = [message.tool_plan or ""] + [
            (part.text or "") + (part.thinking or "") for part in message.content or ()
        ]
        for call in message.tool_calls or ():
            arguments = call.function.arguments if call.function else None
            name = call.function.name if call.function else None
            texts += [name or "", arguments if isinstance(arguments, str) else ""]
        return "".join(texts)

    def is_error_event(self, payload: bytes) -> bool:
        event = self._event(payload) if b'"message-end"' in payload else None
        return event is not None and event.delta is not None and bool(event.delta.error)

    def is_end_event(self, payload: bytes) -> bool:
        event = self._event(payload) if b'"message-end"' in payload else None
        return event is not None and event.type == "message-end"

    def is_usage_only(self, payload: bytes) -> bool:
        return False

    def shows_usage(self, payload: bytes) -> bool:
        return True

    def _event(self, payload: bytes) -> wire.StreamEvent | None:
        try:
            return _decode(payload)
        except UNREADABLE:
            return None
