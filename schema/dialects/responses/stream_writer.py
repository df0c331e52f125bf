"""Neutral events to a Responses stream: output items one after the other, every event numbered.

Source: OpenAI API reference, Responses streaming. There is no [DONE]; response.completed, .incomplete or .failed is the end.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.ids import derived_id, prefixed
from schema.dialects.responses.answer import (
    call_item,
    custom_input,
    custom_item,
    custom_names,
    message_item,
    reasoning_item,
    response_object,
    text_part,
    write_citation,
)
from schema.dialects.responses.usage import write_usage
from schema.dialects.sse import COMMENT_PING
from schema.dialects.tool_order import ToolEvent, ToolQueue
from schema.usage import TokenUsage

_encode = msgspec.json.Encoder().encode


class _Item:
    """The output item that is open."""

    __slots__ = ("annotations", "call_id", "delta", "encrypted", "id", "index", "kind", "name", "parts")

    def __init__(self, kind: str, id: str, index: int) -> None:
        self.kind, self.id, self.index = kind, id, index
        self.parts: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.name = self.call_id = self.encrypted = ""
        self.delta = b""  # template of its delta events, up to the sequence number


_DELTA_KIND = {
    "message": "response.output_text.delta",
    "reasoning": "response.reasoning_summary_text.delta",
    "call": "response.function_call_arguments.delta",
    "custom": "response.custom_tool_call_input.delta",
}
_ID_PREFIX = {"message": "msg_", "reasoning": "rs_", "call": "fc_", "custom": "ctc_"}


class EventWriter:
    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._id, self._model, self._created_s = prefixed("resp_", "", ctx.id), ctx.model, ctx.created_s
        self._sequence = 0
        self._started = self._failed = False
        self._item: _Item | None = None
        self._output: list[dict[str, Any]] = []  # items that are done
        self._tools = ToolQueue()
        self._custom = custom_names(ctx.request)
        self._usage: TokenUsage | None = None
        self._finish: neutral.Finish | None = None

    def write(self, event: neutral.Event) -> bytes:
        kind = type(event)
        if kind is neutral.TextDelta:
            return self._text("message", event.text, event.choice)  # type: ignore[union-attr]
        if kind is neutral.ThinkingDelta:
            return self._text("reasoning", event.text, event.choice)  # type: ignore[union-attr]
        if getattr(event, "choice", 0):
            return b""  # Responses have one choice
        match event:
            case neutral.ToolStart() | neutral.ToolArgs() | neutral.ToolStop():
                return b"".join([self._tool(ordered) for ordered in self._tools.write(event)])
            case neutral.Start():
                return self._start(event)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                self._finish = event.reason
                return self._close_item()
            case neutral.CitationOut():
                return self._citation(event.citation)
            case neutral.Signature() if event.redacted and self._item is not None and self._item.kind == "reasoning":
                self._item.encrypted = event.signature
            case neutral.ImageOut():
                return self._image(event)
            case neutral.AudioOut() if event.transcript:
                return self._text("message", event.transcript, 0)
            case neutral.Failed():
                return self._failure(event.error)
        return b""

    def close(self) -> bytes:
        if self._failed:
            return b""
        out = self._start(neutral.Start()) + self._close_item()
        response = self._response("")
        return out + self._event(f"response.{response['status']}", {"response": response})

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error)

    def ping(self) -> bytes:
        return COMMENT_PING

    def _event(self, kind: str, members: dict[str, Any]) -> bytes:
        body = _encode({"type": kind, "sequence_number": self._sequence, **members})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"

    def _response(self, status: str) -> dict[str, Any]:
        response = response_object(
            id=self._id,
            model=self._model,
            created_s=self._created_s,
            request=self._ctx.request,
            output=self._output,
            finish=self._finish,
            status=status,
        )
        if self._usage is not None and status != "in_progress":
            response["usage"] = write_usage(self._usage)
        return response

    def _start(self, event: neutral.Start) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._id = prefixed("resp_", event.id, self._ctx.id)
        self._created_s = event.created_s or self._created_s
        if not self._ctx.rewrite_model:
            self._model = event.model or self._model
        response = self._response("in_progress")
        begun = self._event("response.created", {"response": response})
        return begun + self._event("response.in_progress", {"response": response})

    def _text(self, kind: str, text: str, choice: int) -> bytes:
        if choice or not text:
            return b""
        out = b""
        item = self._item
        if item is None or item.kind != kind:
            out, item = self._open_item(kind)
        item.parts.append(text)
        out += item.delta + b"%d" % self._sequence + b',"delta":' + _encode(text) + b"}\n\n"
        self._sequence += 1
        return out

    def _open_item(self, kind: str, name: str = "", call_id: str = "") -> tuple[bytes, _Item]:
        out = self._start(neutral.Start()) + self._close_item()
        index = len(self._output)
        item = self._item = _Item(kind, derived_id(_ID_PREFIX[kind], self._id, index), index)
        item.name, item.call_id = name, call_id or derived_id("call_", self._id, index)
        place: dict[str, Any] = {"item_id": item.id, "output_index": index}
        out += self._event("response.output_item.added", {"output_index": index, "item": _shown(item, "in_progress")})
        if kind == "message":
            place["content_index"] = 0
            out += self._event("response.content_part.added", place | {"part": text_part("", [])})
            place["logprobs"] = []
        elif kind == "reasoning":
            place["summary_index"] = 0
            part = {"type": "summary_text", "text": ""}
            out += self._event("response.reasoning_summary_part.added", place | {"part": part})
        delta = _DELTA_KIND[kind]
        head = _encode({"type": delta, **place})[:-1]
        item.delta = b"event: " + delta.encode() + b"\ndata: " + head + b',"sequence_number":'
        return out, item

    def _close_item(self) -> bytes:
        """End the open item; tool calls that still wait for their turn come out first."""
        out = b""
        if self._item is not None and self._item.kind in ("call", "custom"):
            out = b"".join([self._tool(event) for event in self._tools.flush()])
        item, self._item = self._item, None
        return out if item is None else out + self._done(item)

    def _done(self, item: _Item) -> bytes:
        text = "".join(item.parts)
        place: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
        match item.kind:
            case "message":
                place["content_index"] = 0
                out = self._event("response.output_text.done", place | {"text": text, "logprobs": []})
                part = text_part(text, item.annotations)
                out += self._event("response.content_part.done", place | {"part": part})
            case "reasoning":
                place["summary_index"] = 0
                out = self._event("response.reasoning_summary_text.done", place | {"text": text})
                part = {"type": "summary_text", "text": text}
                out += self._event("response.reasoning_summary_part.done", place | {"part": part})
            case "custom":
                text = custom_input(text)
                out = self._event(_DELTA_KIND["custom"], place | {"delta": text}) if text else b""
                out += self._event("response.custom_tool_call_input.done", place | {"input": text})
            case _:
                done = place | {"name": item.name, "arguments": text}
                out = self._event("response.function_call_arguments.done", done)
        shown = _shown(item, "completed")
        self._output.append(shown)
        return out + self._event("response.output_item.done", {"output_index": item.index, "item": shown})

    def _tool(self, event: ToolEvent) -> bytes:
        """Events of one call after the other, as the queue lets them out."""
        if isinstance(event, neutral.ToolStart):
            return self._open_item("custom" if event.name in self._custom else "call", event.name, event.id)[0]
        if isinstance(event, neutral.ToolArgs):
            if self._item is not None and self._item.kind == "custom":
                self._item.parts.append(event.text)  # free text is taken out of the arguments when they are whole
                return b""
            return self._text("call", event.text, 0)
        item, self._item = self._item, None
        return b"" if item is None else self._done(item)

    def _citation(self, citation: neutral.Citation) -> bytes:
        out = b""
        item = self._item
        if item is None or item.kind != "message":
            out, item = self._open_item("message")
        item.annotations.append(write_citation(citation))
        place = {"item_id": item.id, "output_index": item.index, "content_index": 0}
        note = {"annotation_index": len(item.annotations) - 1, "annotation": item.annotations[-1]}
        return out + self._event("response.output_text.annotation.added", place | note)

    def _image(self, event: neutral.ImageOut) -> bytes:
        if not event.data:
            return self._text("message", f"![image]({event.url})", 0)
        out = self._start(neutral.Start()) + self._close_item()
        index = len(self._output)
        item = {"type": "image_generation_call", "id": derived_id("ig_", self._id, index)}
        begun = item | {"status": "in_progress", "result": None}
        out += self._event("response.output_item.added", {"output_index": index, "item": begun})
        done = item | {"status": "completed", "result": event.data}
        self._output.append(done)
        return out + self._event("response.output_item.done", {"output_index": index, "item": done})

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        self._failed = True
        out = self._start(neutral.Start())
        response = self._response("failed")
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        response["error"] = {"code": code, "message": error.message}
        return out + self._event("response.failed", {"response": response})


def _shown(item: _Item, status: str) -> dict[str, Any]:
    text = "".join(item.parts)
    match item.kind:
        case "message":
            content = [] if status == "in_progress" else [text_part(text, item.annotations)]
            return message_item(item.id, content, status)
        case "reasoning":
            return reasoning_item(item.id, text, item.encrypted)
        case "custom":
            return custom_item(item.id, item.call_id, item.name, custom_input(text) if status == "completed" else "")
    return call_item(item.id, item.call_id, item.name, text, status)
