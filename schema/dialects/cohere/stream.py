"""Cohere v2 chat streams, read and written.

Source: Cohere API reference, Chat with streaming v2.
"""

from typing import Any, TypeVar

import msgspec

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.body import UNREADABLE
from schema.dialects.cohere import wire
from schema.dialects.cohere.answer import (
    read_citation,
    read_finish,
    read_usage,
    write_citation,
    write_finish,
    write_usage,
)
from schema.dialects.ids import derived_id
from schema.dialects.sse import FrameReader, write_event
from schema.dialects.tool_order import ToolEvent, ToolQueue
from schema.usage import TokenUsage

_decode = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode
_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


class EventReader:
    """State of one stream: tool calls come one after the other."""

    def __init__(self) -> None:
        self.finished = False
        self.skipped = 0
        self._frames = FrameReader()
        self._count = 0  # calls begun
        self._open = self._some_arguments = False

    def feed(self, data: bytes) -> list[neutral.Event]:
        frames = self._frames.feed(data)
        if len(frames) == 1:
            return self.read(frames[0])
        return [event for payload in frames for event in self.read(payload)]

    def close(self) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        for payload in self._frames.close():
            events += self.read(payload)
        return events + self._stop()

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            event = _decode(payload)
        except UNREADABLE:
            self.skipped += 1
            return []
        delta = event.delta or wire.Delta()
        message = delta.message or wire.DeltaMessage()
        match event.type:
            case "content-delta" | "content-start":
                return _content(message.content)
            case "tool-plan-delta":
                return [neutral.ThinkingDelta(message.tool_plan)] if message.tool_plan else []
            case "tool-call-start":
                return self._start_call(_one(message.tool_calls))
            case "tool-call-delta":
                return self._arguments(_one(message.tool_calls))
            case "tool-call-end":
                return self._stop()
            case "citation-start":
                citation = _one(message.citations)
                return [neutral.CitationOut(read_citation(citation))] if citation is not None else []
            case "message-start":
                return [neutral.Start(event.id or "")]
            case "message-end":
                return self._finish(delta)
        return []

    def _start_call(self, call: wire.ToolCall | None) -> list[neutral.Event]:
        if call is None or call.function is None:
            return []
        events = self._stop()
        self._open, self._some_arguments = True, False
        events.append(neutral.ToolStart(self._count, call.id or "", call.function.name or ""))
        self._count += 1
        return events + self._arguments(call)

    def _arguments(self, call: wire.ToolCall | None) -> list[neutral.Event]:
        text = call.function.arguments if call is not None and call.function is not None else None
        if not self._open or not isinstance(text, str) or not text:
            return []
        self._some_arguments = True
        return [neutral.ToolArgs(self._count - 1, text)]

    def _stop(self) -> list[neutral.Event]:
        if not self._open:
            return []
        self._open = False
        stop = neutral.ToolStop(self._count - 1)
        return [stop] if self._some_arguments else [neutral.ToolArgs(self._count - 1, "{}"), stop]

    def _finish(self, delta: wire.Delta) -> list[neutral.Event]:
        if delta.error or delta.finish_reason in ("ERROR", "TIMEOUT"):
            reason = (delta.finish_reason or "error").lower()
            message = delta.error or "the upstream broke the answer off"
            return [neutral.Failed(neutral.UpstreamError(message, "upstream_error", reason))]
        events = self._stop()
        usage = read_usage(delta.usage)
        if usage is not None:
            events.append(neutral.UsageEvent(usage))
        self.finished = True
        return [*events, neutral.Finished(read_finish(delta.finish_reason or ""))]


def _one(held: T | list[T] | None) -> T | None:
    return (held[0] if held else None) if isinstance(held, list) else held


def _content(held: wire.Part | list[wire.Part] | None) -> list[neutral.Event]:
    part = _one(held)
    if part is None:
        return []
    if part.thinking:
        return [neutral.ThinkingDelta(part.thinking)]
    return [neutral.TextDelta(part.text)] if part.text else []


class EventWriter:
    """message-start, contents and calls one after the other, message-end."""

    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._id = ctx.id
        self._started = self._failed = False
        self._open = ""  # text, thinking or tool
        self._index = -1
        self._tools = ToolQueue()
        self._usage: TokenUsage | None = None
        self._finish: neutral.Finish | None = None
        self._citations = 0

    def write(self, event: neutral.Event) -> bytes:
        if getattr(event, "choice", 0):
            return b""  # Cohere has one choice
        match event:
            case neutral.TextDelta():
                return self._text("text", event.text)
            case neutral.ThinkingDelta():
                return self._text("thinking", event.text)
            case neutral.ToolStart() | neutral.ToolArgs() | neutral.ToolStop():
                return b"".join([self._tool(ordered) for ordered in self._tools.write(event)])
            case neutral.Start():
                return self._start(event.id)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                self._finish = event.reason
                return self._close_content()
            case neutral.CitationOut():
                return self._citation(event.citation)
            case neutral.Failed():
                return self._failure(event.error)
        return b""

    def close(self) -> bytes:
        if self._failed:
            return b""
        delta: dict[str, Any] = {"finish_reason": write_finish(self._finish)}
        if self._usage is not None:
            delta["usage"] = write_usage(self._usage)
        return self._start("") + self._close_content() + _event("message-end", {"delta": delta})

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error)

    def ping(self) -> bytes:
        return b": ping\n\n"

    def _start(self, id: str) -> bytes:
        if self._started:
            return b""
        self._started, self._id = True, id or self._id
        return _event("message-start", {"id": self._id, "delta": {"message": {"role": "assistant"}}})

    def _text(self, kind: str, text: str) -> bytes:
        if not text:
            return b""
        out = b""
        if self._open != kind:
            out = self._start("") + self._close_content()
            self._open, self._index = kind, self._index + 1
            content = {"type": kind, kind: ""}
            out += self._message("content-start", {"content": content})
        return out + self._message("content-delta", {"content": {kind: text}})

    def _message(self, kind: str, message: dict[str, Any]) -> bytes:
        return _event(kind, {"index": self._index, "delta": {"message": message}})

    def _close_content(self) -> bytes:
        out = b""
        if self._open == "tool":
            out = b"".join([self._tool(event) for event in self._tools.flush()])
        elif self._open:
            out = _event("content-end", {"index": self._index})
        self._open = ""
        return out

    def _tool(self, event: ToolEvent) -> bytes:
        """Events of one call after the other, as the queue lets them out."""
        if isinstance(event, neutral.ToolArgs):
            return self._message("tool-call-delta", {"tool_calls": {"function": {"arguments": event.text}}})
        if isinstance(event, neutral.ToolStop):
            self._open = ""
            return _event("tool-call-end", {"index": self._index})
        out = self._start("") + self._close_content()
        self._open, self._index = "tool", self._index + 1
        call_id = event.id or derived_id("call_", self._id, event.i)
        call = {"id": call_id, "type": "function", "function": {"name": event.name, "arguments": ""}}
        return out + self._message("tool-call-start", {"tool_calls": call})

    def _citation(self, citation: neutral.Citation) -> bytes:
        place, self._citations = self._citations, self._citations + 1
        message = {"citations": write_citation(citation)}
        begun = _event("citation-start", {"index": place, "delta": {"message": message}})
        return self._start("") + begun + _event("citation-end", {"index": place})

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        self._failed = True
        delta = {"finish_reason": "ERROR", "error": error.message}
        return self._start("") + _event("message-end", {"delta": delta})


def _event(kind: str, members: dict[str, Any]) -> bytes:
    return write_event(kind.encode(), _encode({"type": kind, **members}))
