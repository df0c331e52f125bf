"""Neutral events to a generateContent stream, as server-sent events or as one JSON array.

Source: Gemini API reference, streamGenerateContent. A functionCall part goes out whole; finishReason and usageMetadata
stand in the last event.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.gemini.answer import write_citations, write_finish
from schema.dialects.gemini.errors import error_object
from schema.dialects.gemini.usage import write_usage
from schema.dialects.ids import derived_id
from schema.dialects.sse import COMMENT_PING
from schema.usage import TokenUsage

_encode = msgspec.json.Encoder().encode
_HEAD = b'{"candidates":[{"content":{"role":"model","parts":['


class _Call:
    __slots__ = ("parts", "signature", "start")

    def __init__(self, start: neutral.ToolStart) -> None:
        self.start = start
        self.parts: list[str] = []
        self.signature = ""


class EventWriter:
    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._id, self._model = ctx.id, ctx.model
        self._open, self._close = (b"", b"") if ctx.json_array else (b"data: ", b"\n\n")
        self._sent = False
        self._failed = False
        self._calls: dict[tuple[int, int], _Call] = {}  # begun, not yet whole
        self._usage: TokenUsage | None = None
        self._finish: dict[int, str] = {}  # candidate -> finishReason
        self._prepare()

    def _prepare(self) -> None:
        named = _encode({"modelVersion": self._model, "responseId": self._id})[1:]
        self._tail = b"," + named + self._close
        self._text_end = b'}]},"index":0}]' + self._tail

    def write(self, event: neutral.Event) -> bytes:
        if type(event) is neutral.TextDelta and event.choice == 0:
            if not event.text:
                return b""
            return self._frame(_HEAD + b'{"text":' + _encode(event.text) + self._text_end)
        match event:
            case neutral.TextDelta() if event.text:
                return self._part({"text": event.text}, event.choice)
            case neutral.ThinkingDelta() if event.text:
                return self._part({"text": event.text, "thought": True}, event.choice)
            case neutral.Start():
                if not self._sent:
                    self._id = event.id or self._id
                    if not self._ctx.rewrite_model:
                        self._model = event.model or self._model
                    self._prepare()
            case neutral.ToolStart():
                self._calls.setdefault((event.choice, event.i), _Call(event))
            case neutral.ToolArgs():
                call = self._calls.get((event.choice, event.i))
                if call is not None:
                    call.parts.append(event.text)
            case neutral.Signature() if event.tool >= 0:
                call = self._calls.get((event.choice, event.tool))
                if call is not None:
                    call.signature = event.signature
            case neutral.ToolStop():
                return self._call(event.choice, event.i)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                out = self._pending_calls(event.choice)
                self._finish[event.choice] = write_finish(event.reason)
                return out
            case neutral.Failed():
                return self._failure(event.error)
            case _:
                return self._media(event)
        return b""

    def _media(self, event: neutral.Event) -> bytes:
        match event:
            case neutral.ImageOut() if event.data:
                return self._part({"inlineData": {"mimeType": event.media_type, "data": event.data}}, event.choice)
            case neutral.ImageOut():
                return self._part({"fileData": {"mimeType": event.media_type, "fileUri": event.url}}, event.choice)
            case neutral.AudioOut() if event.data:
                return self._part({"inlineData": {"mimeType": "audio/pcm", "data": event.data}}, event.choice)
            case neutral.AudioOut() if event.transcript:
                return self._part({"text": event.transcript}, event.choice)
            case neutral.CitationOut():
                grounding = write_citations([event.citation])
                content = {"role": "model", "parts": []}
                return self._event([{"content": content, "index": event.choice, "groundingMetadata": grounding}])
        return b""

    def close(self) -> bytes:
        """The last event: finish reasons and usage. Also ends the array."""
        if self._failed:
            return b""
        out = b"".join([self._call(*place) for place in tuple(self._calls)])
        finishes = self._finish or ({} if self._sent or out else {0: ""})
        candidates: list[dict[str, Any]] = []
        for choice, reason in finishes.items():
            ended = {"finishReason": reason} if reason else {}
            candidates.append({"content": {"role": "model", "parts": [{"text": ""}]}} | ended | {"index": choice})
        usage = {"usageMetadata": write_usage(self._usage)} if self._usage else {}
        if candidates or usage:
            out += self._event(candidates, usage)
        return out + (b"]" if self._ctx.json_array else b"")

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error)

    def ping(self) -> bytes:
        return b"\n" if self._ctx.json_array and self._sent else b"" if self._ctx.json_array else COMMENT_PING

    def _call(self, choice: int, i: int) -> bytes:
        call = self._calls.pop((choice, i), None)
        if call is None:
            return b""
        call_id = call.start.id or derived_id("call_", self._id, f"{choice}/{i}")
        args = neutral.arguments_object("".join(call.parts) or "{}")
        part: dict[str, Any] = {"functionCall": {"id": call_id, "name": call.start.name, "args": args}}
        return self._part(part | ({"thoughtSignature": call.signature} if call.signature else {}), choice)

    def _pending_calls(self, choice: int) -> bytes:
        return b"".join([self._call(*place) for place in tuple(self._calls) if place[0] == choice])

    def _part(self, part: dict[str, Any], choice: int) -> bytes:
        return self._event([{"content": {"role": "model", "parts": [part]}, "index": choice}])

    def _event(self, candidates: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        return self._frame(_encode({"candidates": candidates} | (more or {}))[:-1] + self._tail)

    def _frame(self, event: bytes) -> bytes:
        """The event in its framing; `event` already has its tail."""
        first, self._sent = not self._sent, True
        if not self._ctx.json_array:
            return self._open + event
        return (b"[" if first else b",\n") + event

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        self._failed = True
        body = _encode({"error": error_object(error.status, error.code, error.message)})
        if not self._ctx.json_array:
            return b"data: " + body + b"\n\n"
        return (b"," if self._sent else b"[") + body + b"]"
