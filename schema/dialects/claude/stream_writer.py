"""Neutral events to a Messages stream: message_start, blocks one after the other, message_delta, message_stop.

Source: Anthropic docs, streaming messages. Blocks never overlap and count 0, 1, 2 …; every one is closed.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.claude.answer import image_text, write_citation, write_finish
from schema.dialects.claude.errors import write_error
from schema.dialects.claude.usage import write_usage
from schema.dialects.ids import derived_id, prefixed
from schema.dialects.sse import write_event
from schema.dialects.tool_order import ToolEvent, ToolQueue
from schema.usage import TokenUsage

_encode = msgspec.json.Encoder().encode
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_MEMBER = {"text": b'"text_delta","text":', "thinking": b'"thinking_delta","thinking":'}
_END = b"}}\n\n"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


class EventWriter:
    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._started = False
        self._index = -1  # of the block that is open, or was last
        self._open = ""  # kind of the open block; '' = none
        self._prefix = b""  # of the open block's text deltas
        self._tools = ToolQueue()
        self._usage: TokenUsage | None = None
        self._finish: neutral.Finished | None = None
        self._failed = False
        self._id = prefixed("msg_", "", ctx.id)

    def write(self, event: neutral.Event) -> bytes:
        kind = type(event)
        if kind is neutral.TextDelta:
            if self._open == "text" and event.choice == 0:  # type: ignore[union-attr]
                return self._prefix + _encode(event.text) + _END  # type: ignore[union-attr]
            return self._text("text", event)
        if kind is neutral.ThinkingDelta:
            if self._open == "thinking" and event.choice == 0:  # type: ignore[union-attr]
                return self._prefix + _encode(event.text) + _END  # type: ignore[union-attr]
            return self._text("thinking", event)
        if getattr(event, "choice", 0):
            return b""  # Claude has one choice
        match event:
            case neutral.ToolStart() | neutral.ToolArgs() | neutral.ToolStop():
                return b"".join([self._tool(ordered) for ordered in self._tools.write(event)])
            case neutral.Start():
                return self._start(event)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                self._finish = event
                return self._close_block()
            case neutral.Signature():
                return self._signature(event)
            case neutral.CitationOut():
                citation = {"type": "citations_delta", "citation": write_citation(event.citation)}
                return self._switch("text") + self._delta(citation)
            case neutral.ImageOut():
                shown = image_text(event.url, event.media_type, event.data)
                return self._switch("text") + self._delta({"type": "text_delta", "text": shown})
            case neutral.AudioOut() if event.transcript:
                return self._switch("text") + self._delta({"type": "text_delta", "text": event.transcript})
            case neutral.Failed():
                return self._failure(event.error)
        return b""

    def close(self) -> bytes:
        """Usage and stop reason go out here, so that the upstream's last word on usage is in."""
        if self._failed:
            return b""
        out = self._start(neutral.Start()) + self._close_block()
        finish = self._finish
        reason = write_finish(finish.reason, finish.stop_sequence) if finish else None
        delta = {
            "stop_reason": reason,
            "stop_sequence": finish.stop_sequence if finish and reason == "stop_sequence" else None,
        }
        usage = write_usage(self._usage or TokenUsage(input_text=self._ctx.prompt_estimate))
        ending = {"type": "message_delta", "delta": delta, "usage": usage}
        return (
            out
            + write_event(b"message_delta", _encode(ending))
            + write_event(b"message_stop", b'{"type":"message_stop"}')
        )

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error)

    def ping(self) -> bytes:
        return PING

    def _start(self, event: neutral.Start) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._id = prefixed("msg_", event.id, self._ctx.id)
        usage = self._usage or TokenUsage(input_text=self._ctx.prompt_estimate)
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._ctx.model if self._ctx.rewrite_model else event.model or self._ctx.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(usage) | {"output_tokens": 1},
        }
        return write_event(b"message_start", _encode({"type": "message_start", "message": message})) + PING

    def _text(self, kind: str, event: neutral.Event) -> bytes:
        assert isinstance(event, neutral.TextDelta | neutral.ThinkingDelta)
        if event.choice or not event.text:
            return b""
        return self._switch(kind) + self._prefix + _encode(event.text) + _END

    def _switch(self, kind: str) -> bytes:
        """Make sure that a block of this kind is open."""
        if self._open == kind:
            return b""
        empty = (
            {"type": "text", "text": ""} if kind == "text" else {"type": "thinking", "thinking": "", "signature": ""}
        )
        return self._open_block(kind, empty)

    def _open_block(self, kind: str, block: dict[str, Any]) -> bytes:
        out = self._start(neutral.Start()) + self._close_block()
        self._index += 1
        self._open = kind
        self._prefix = _DELTA % self._index + _MEMBER.get(kind, b"")
        return out + write_event(
            b"content_block_start",
            _encode({"type": "content_block_start", "index": self._index, "content_block": block}),
        )

    def _close_block(self) -> bytes:
        """End the open block; tool calls that still wait for their turn come out first."""
        if not self._open:
            return b""
        if self._open == "tool":
            out = b"".join([self._tool(event) for event in self._tools.flush()])
            if not self._open:
                return out
        self._open = ""
        return write_event(b"content_block_stop", b'{"type":"content_block_stop","index":%d}' % self._index)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        body = {"type": "content_block_delta", "index": self._index, "delta": delta}
        return write_event(b"content_block_delta", _encode(body))

    def _signature(self, event: neutral.Signature) -> bytes:
        if event.redacted:
            return (
                self._open_block("redacted", {"type": "redacted_thinking", "data": event.signature})
                + self._close_block()
            )
        if event.tool >= 0 or self._open != "thinking":
            return b""
        return self._delta({"type": "signature_delta", "signature": event.signature})

    def _tool(self, event: ToolEvent) -> bytes:
        """Events of one call after the other, as the queue lets them out."""
        if isinstance(event, neutral.ToolArgs):
            return self._prefix + b'"input_json_delta","partial_json":' + _encode(event.text) + _END
        if isinstance(event, neutral.ToolStart):
            call_id = event.id or derived_id("toolu_", self._id, event.i)
            return self._open_block("tool", {"type": "tool_use", "id": call_id, "name": event.name, "input": {}})
        self._open = ""
        return write_event(b"content_block_stop", b'{"type":"content_block_stop","index":%d}' % self._index)

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        self._failed = True
        body = write_error(error.status, error.code, error.message, type=error.type, request_id="")
        return write_event(b"error", body)
