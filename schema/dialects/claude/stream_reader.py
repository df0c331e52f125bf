"""Messages stream events to neutral events.

Source: Anthropic docs, streaming messages (event flow, delta kinds; usage in message_delta is cumulative).
"""

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE
from schema.dialects.claude import wire
from schema.dialects.claude.answer import read_citation, read_finish
from schema.dialects.claude.errors import error_of
from schema.dialects.claude.usage import Usage, merge_usage, read_usage
from schema.dialects.sse import FrameReader
from schema.usage import TokenUsage

_decode = msgspec.json.Decoder(wire.StreamEvent, strict=False).decode


class EventReader:
    """State of one stream: which blocks are tool calls, and what has been counted."""

    def __init__(self) -> None:
        self.finished = False
        self.skipped = 0
        self._frames = FrameReader()
        self._tools: dict[int, int] = {}  # block index -> number of the tool call
        self._some_arguments: set[int] = set()
        self._count = 0
        self._usage: TokenUsage | None = None

    def feed(self, data: bytes) -> list[neutral.Event]:
        frames = self._frames.feed(data)
        if len(frames) == 1:
            return self.read(frames[0])
        return [event for payload in frames for event in self.read(payload)]

    def close(self) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        for payload in self._frames.close():
            events += self.read(payload)
        for index in tuple(self._tools):
            events += self._stop(index)
        return events

    def read(self, payload: bytes) -> list[neutral.Event]:
        """One event; [] for pings, for kinds added after this was written, and for what cannot be read."""
        try:
            event = _decode(payload)
        except UNREADABLE:
            self.skipped += 1
            return []
        match event.type:
            case "content_block_delta":
                return self._delta(event.index, event.delta) if event.delta is not None else []
            case "content_block_start":
                return self._block_start(event.index, event.content_block)
            case "content_block_stop":
                return self._stop(event.index)
            case "message_start":
                return self._message_start(event.message or wire.Answer())
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                self.finished = True
            case "error":
                return [neutral.Failed(error_of(event.error, status=0))]
        return []

    def _message_start(self, message: wire.Answer) -> list[neutral.Event]:
        return [neutral.Start(message.id or "", message.model or ""), *self._counted(message.usage)]

    def _message_delta(self, event: wire.StreamEvent) -> list[neutral.Event]:
        events = self._counted(event.usage)
        if event.delta is not None and event.delta.stop_reason:
            for index in tuple(self._tools):
                events += self._stop(index)
            events.append(neutral.Finished(read_finish(event.delta.stop_reason), event.delta.stop_sequence))
            self.finished = True
        return events

    def _counted(self, usage: Usage | None) -> list[neutral.Event]:
        if usage is None:
            return []
        self._usage = merge_usage(self._usage, read_usage(usage))
        return [neutral.UsageEvent(self._usage)]

    def _block_start(self, index: int, block: wire.AnswerBlock | None) -> list[neutral.Event]:
        if block is None:
            return []
        match block.type:
            case "tool_use":
                number = self._tools[index] = self._count
                self._count += 1
                events: list[neutral.Event] = [neutral.ToolStart(number, block.id or "", block.name or "")]
                if block.input:  # some hosts send the whole input at once
                    self._some_arguments.add(index)
                    events.append(neutral.ToolArgs(number, neutral.json_text(block.input)))
                return events
            case "text" if block.text:
                return [neutral.TextDelta(block.text)]
            case "thinking" if block.thinking:
                return [neutral.ThinkingDelta(block.thinking)]
            case "redacted_thinking" if block.data:
                return [neutral.Signature(block.data, redacted=True)]
        return []

    def _delta(self, index: int, delta: wire.Delta) -> list[neutral.Event]:
        if delta.text:
            return [neutral.TextDelta(delta.text)]
        if delta.thinking:
            return [neutral.ThinkingDelta(delta.thinking)]
        if delta.partial_json and index in self._tools:
            self._some_arguments.add(index)
            return [neutral.ToolArgs(self._tools[index], delta.partial_json)]
        if delta.signature:
            return [neutral.Signature(delta.signature)]
        if delta.citation is not None:
            return [neutral.CitationOut(read_citation(delta.citation))]
        return []

    def _stop(self, index: int) -> list[neutral.Event]:
        number = self._tools.pop(index, None)
        if number is None:
            return []
        stop = neutral.ToolStop(number)
        return [stop] if index in self._some_arguments else [neutral.ToolArgs(number, "{}"), stop]
