"""Watching a passed-through generateContent stream: every event repeats the totals so far, the last one counts."""

import msgspec
from msgspec import Struct

from schema.dialects.body import UNREADABLE
from schema.dialects.gemini import wire
from schema.dialects.gemini.usage import read_usage
from schema.dialects.neutral import json_text
from schema.usage import TokenUsage


class _Candidate(Struct, frozen=True, rename="camel"):
    finish_reason: str | None = None


class _Event(Struct, frozen=True, rename="camel"):
    usage_metadata: wire.Usage | None = None
    candidates: list[_Candidate] | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Event, strict=False).decode


class GenerateMeter:
    markers: tuple[bytes, ...] = (b'"usageMetadata"',)
    last_tells = True
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        event = self._event(payload)
        return read_usage(event.usage_metadata) if event is not None else None

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return new

    def read_text(self, payload: bytes) -> str:
        try:
            answer = wire.decode_answer(payload)
        except UNREADABLE:
            return ""
        texts: list[str] = []
        for candidate in answer.candidates or ():
            for part in wire.parts_of(candidate.content):
                texts.append(part.text or "")
                if part.function_call is not None:
                    texts += [part.function_call.name, json_text(part.function_call.args or {})]
        return "".join(texts)

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        return self.read_usage(body)

    def text_of_answer(self, body: bytes) -> str:
        return self.read_text(body)

    def is_error_event(self, payload: bytes) -> bool:
        if b'"error"' not in payload:
            return False
        event = self._event(payload)
        return event is not None and bytes(event.error) not in (b"", b"null")

    def is_end_event(self, payload: bytes) -> bool:
        event = self._event(payload) if b'"finishReason"' in payload else None
        return event is not None and any(candidate.finish_reason for candidate in event.candidates or ())

    def is_usage_only(self, payload: bytes) -> bool:
        return False

    def shows_usage(self, payload: bytes) -> bool:
        return True

    def _event(self, payload: bytes) -> _Event | None:
        try:
            return _decode(payload)
        except UNREADABLE:
            return None
