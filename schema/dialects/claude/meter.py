"""Watching a passed-through Messages stream: message_start tells the input, message_delta the output."""

import msgspec
from msgspec import Struct

from schema.dialects.body import UNREADABLE
from schema.dialects.claude import wire
from schema.dialects.claude.usage import Usage, merge_usage, read_usage
from schema.dialects.neutral import json_text
from schema.usage import TokenUsage


class _Message(Struct, frozen=True):
    usage: Usage | None = None


class _Event(Struct, frozen=True):
    """Also a whole answer: its usage stands where message_delta has it."""

    type: str = ""
    usage: Usage | None = None
    message: _Message | None = None


_decode = msgspec.json.Decoder(_Event, strict=False).decode
_decode_delta = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode
_decode_answer = msgspec.json.Decoder(wire.Answer, strict=False).decode


class MessagesMeter:
    markers: tuple[bytes, ...] = (b'"usage":{', b'"usage": {')
    last_tells = False
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        try:
            event = _decode(payload)
        except UNREADABLE:
            return None
        usage = event.usage or (event.message.usage if event.message else None)
        return read_usage(usage) if usage else None

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return merge_usage(known, new)

    def read_text(self, payload: bytes) -> str:
        try:
            event = _decode_delta(payload)
        except UNREADABLE:
            return ""
        if event.delta is not None:
            return event.delta.text or event.delta.thinking or event.delta.partial_json or ""
        block = event.content_block
        return (block.name or block.text or block.thinking or "") if block is not None else ""

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        return self.read_usage(body)

    def text_of_answer(self, body: bytes) -> str:
        try:
            answer = _decode_answer(body)
        except UNREADABLE:
            return ""
        return "".join(
            (block.text or block.thinking or "") + (block.name or "") + (json_text(block.input) if block.input else "")
            for block in answer.content or ()
        )

    def is_error_event(self, payload: bytes) -> bool:
        return b'"error"' in payload and self._type(payload) == "error"

    def is_end_event(self, payload: bytes) -> bool:
        return b'"message_stop"' in payload and self._type(payload) == "message_stop"

    def is_usage_only(self, payload: bytes) -> bool:
        return False

    def shows_usage(self, payload: bytes) -> bool:
        return True

    def _type(self, payload: bytes) -> str:
        try:
            return _decode(payload).type
        except UNREADABLE:
            return ""
