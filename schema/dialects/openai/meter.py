"""Watching a passed-through Chat Completions stream: usage where it is, text where usage is missing."""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects.body import UNREADABLE
from schema.dialects.openai import wire
from schema.dialects.openai.answer import text_of
from schema.dialects.openai.usage import Usage, read_usage
from schema.usage import TokenUsage


class _Choice(Struct, frozen=True):
    usage: Usage | None = None
    finish_reason: str | None = None


class _Chunk(Struct, frozen=True):
    usage: Usage | None = None
    choices: list[_Choice] | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Answer(Struct, frozen=True):
    """A whole answer. Whatever might be an error, at any provider, is only noticed: see `wires.in_band_error`."""

    usage: Usage | None = None
    choices: list[_Choice] | None = None
    error: Any = None
    base_resp: Any = None
    error_code: Any = None
    code: Any = None
    success: Any = None


_decode = msgspec.json.Decoder(_Chunk, strict=False).decode
_decode_answer = msgspec.json.Decoder(_Answer, strict=False).decode
_decode_whole = msgspec.json.Decoder(wire.ChatAnswer, strict=False).decode


class ChatMeter:
    markers: tuple[bytes, ...] = (b'"usage":{', b'"usage": {')  # not "usage":null, which every chunk may have
    last_tells = True
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        chunk = self._chunk(payload)
        if chunk is None:
            return None
        found = read_usage(chunk.usage)
        for choice in chunk.choices or () if found is None else ():
            found = found or read_usage(choice.usage)
        return found

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return new

    def read_text(self, payload: bytes) -> str:
        """Text, reasoning, and names and arguments of tools, of a chunk or of a whole answer."""
        try:
            chunk = _decode_whole(payload)
        except UNREADABLE:
            return ""
        parts: list[str] = []
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if choice.text:
                parts.append(choice.text)
            if delta is None:
                continue
            parts += [text_of(delta.content), delta.reasoning_content or delta.reasoning or "", delta.refusal or ""]
            for call in delta.tool_calls or ():
                if call.function is not None:
                    arguments = call.function.arguments
                    parts += [call.function.name or "", arguments if isinstance(arguments, str) else ""]
        return "".join(parts)

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        return self.read_usage(body)

    def usage_of_good_answer(self, body: bytes) -> TokenUsage | None:
        """The usage of an answer without any sign of an error, found in one look; None: look closer."""
        try:
            held = _decode_answer(body)
        except UNREADABLE:
            return None
        if not held.error is held.base_resp is held.error_code is held.code is held.success is None:
            return None
        return read_usage(held.usage)

    def text_of_answer(self, body: bytes) -> str:
        return self.read_text(body)

    def is_error_event(self, payload: bytes) -> bool:
        if b'"error"' not in payload:
            return False
        chunk = self._chunk(payload)
        return chunk is not None and bytes(chunk.error) not in (b"", b"null")

    def is_end_event(self, payload: bytes) -> bool:
        if payload[:6] == b"[DONE]":
            return True
        chunk = self._chunk(payload) if b'"finish_reason"' in payload else None
        return chunk is not None and any(choice.finish_reason for choice in chunk.choices or ())

    def is_usage_only(self, payload: bytes) -> bool:
        chunk = self._chunk(payload)
        return chunk is not None and chunk.choices == [] and chunk.usage is not None

    def shows_usage(self, payload: bytes) -> bool:
        chunk = self._chunk(payload)
        return chunk is not None and chunk.usage is not None

    def _chunk(self, payload: bytes) -> _Chunk | None:
        try:
            return _decode(payload)
        except UNREADABLE:
            return None
