"""Responses stream events to neutral events.

Source: OpenAI API reference, Responses streaming.
"""

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE
from schema.dialects.openai.errors import error_of
from schema.dialects.responses import wire
from schema.dialects.responses.answer import read_citation, read_finish
from schema.dialects.responses.usage import read_usage
from schema.dialects.sse import FrameReader

_decode = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode


class EventReader:
    """State of one stream: which output items are function calls."""

    def __init__(self) -> None:
        self.finished = False
        self.skipped = 0
        self._frames = FrameReader()
        self._calls: dict[int, int] = {}  # output index -> number of the open call
        self._some_arguments: set[int] = set()
        self._count = 0

    def feed(self, data: bytes) -> list[neutral.Event]:
        frames = self._frames.feed(data)
        if len(frames) == 1:
            return self.read(frames[0])
        return [event for payload in frames for event in self.read(payload)]

    def close(self) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        for payload in self._frames.close():
            events += self.read(payload)
        for index in tuple(self._calls):
            events += self._stop(index)
        return events

    def read(self, payload: bytes) -> list[neutral.Event]:
        """One event; [] for kinds that say nothing new and for what cannot be read."""
        try:
            event = _decode(payload)
        except UNREADABLE:
            self.skipped += 1
            return []
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                return [neutral.TextDelta(event.delta)] if isinstance(event.delta, str) and event.delta else []
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return [neutral.ThinkingDelta(event.delta)] if isinstance(event.delta, str) and event.delta else []
            case "response.function_call_arguments.delta":
                return self._arguments(event.output_index, event.delta)
            case "response.function_call_arguments.done" if event.output_index not in self._some_arguments:
                return self._arguments(event.output_index, event.arguments)
            case "response.reasoning_summary_part.added" if event.summary_index:
                return [neutral.ThinkingDelta("\n\n")]
            case "response.output_item.added":
                return self._begin(event)
            case "response.output_item.done":
                return self._end(event)
            case "response.output_text.annotation.added" if event.annotation:
                return [neutral.CitationOut(read_citation(event.annotation))]
            case "response.created":
                held = event.response or wire.Response()
                return [neutral.Start(held.id or "", held.model or "", int(held.created_at or 0))]
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._finish(event)
            case "error":
                return [neutral.Failed(error_of(event.error or msgspec.to_builtins(event), status=0))]
        return []

    def _begin(self, event: wire.StreamEvent) -> list[neutral.Event]:
        item = event.item
        if item is None or item.type != "function_call":
            return []
        number = self._calls[event.output_index] = self._count
        self._count += 1
        return [neutral.ToolStart(number, item.call_id or "", item.name or "")]

    def _arguments(self, index: int, text: object) -> list[neutral.Event]:
        if index not in self._calls or not isinstance(text, str) or not text:
            return []
        self._some_arguments.add(index)
        return [neutral.ToolArgs(self._calls[index], text)]

    def _end(self, event: wire.StreamEvent) -> list[neutral.Event]:
        item = event.item
        if item is None:
            return []
        if item.type == "function_call":
            missing = (
                []
                if event.output_index in self._some_arguments
                else self._arguments(event.output_index, item.arguments)
            )
            return missing + self._stop(event.output_index)
        if item.type == "reasoning" and item.encrypted_content:
            return [neutral.Signature(item.encrypted_content, redacted=True)]
        if item.type == "image_generation_call" and item.result:
            return [neutral.ImageOut(item.result)]
        return []

    def _stop(self, index: int) -> list[neutral.Event]:
        number = self._calls.pop(index, None)
        if number is None:
            return []
        stop = neutral.ToolStop(number)
        return [stop] if index in self._some_arguments else [neutral.ToolArgs(number, "{}"), stop]

    def _finish(self, event: wire.StreamEvent) -> list[neutral.Event]:
        response = event.response or wire.Response()
        if event.type == "response.failed":
            return [neutral.Failed(error_of(response.error or {"message": "the upstream's response failed"}, status=0))]
        events: list[neutral.Event] = []
        for index in tuple(self._calls):
            events += self._stop(index)
        usage = read_usage(response.usage)
        if usage is not None:
            events.append(neutral.UsageEvent(usage))
        status = response.status or event.type.removeprefix("response.")
        held = msgspec.structs.replace(response, status=status)
        self.finished = True
        return [*events, neutral.Finished(read_finish(held, called=self._count > 0))]
