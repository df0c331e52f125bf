"""Parallel tool calls in single file: for dialects whose blocks never overlap (Claude, Responses, Gemini, Cohere)."""

import msgspec

from schema.dialects.body import UNREADABLE
from schema.dialects.neutral import ToolArgs, ToolStart, ToolStop

ToolEvent = ToolStart | ToolArgs | ToolStop


class _Call:
    __slots__ = ("done", "parts", "start")

    def __init__(self, start: ToolStart) -> None:
        self.start = start
        self.parts: list[str] = []
        self.done = False


class ToolQueue:
    """Events go in as they come, possibly interleaved, and come out call after call: start, args…, stop.

    The front call streams through at once. A later one waits until the front's stop, or until its arguments are whole
    JSON when the next call begins (many providers never say that a call ended). A call without arguments gets `{}`.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}  # insertion order is output order; the first one is out already

    def write(self, event: ToolEvent) -> list[ToolEvent]:
        if isinstance(event, ToolArgs):
            call = self._calls.get(event.i)
            if call is None or not event.text:
                return []
            call.parts.append(event.text)
            return [event] if self._is_front(event.i) else []
        if isinstance(event, ToolStart):
            if event.i in self._calls:
                return []
            self._calls[event.i] = _Call(event)
            if len(self._calls) == 1:
                return [event]
            front = next(iter(self._calls))
            return self._leave() if _is_whole("".join(self._calls[front].parts)) else []
        call = self._calls.get(event.i)
        if call is None:
            return []
        call.done = True
        return self._leave() if self._is_front(event.i) else []

    def flush(self) -> list[ToolEvent]:
        """Everything that waits, each call ended."""
        events: list[ToolEvent] = []
        while self._calls:
            events += self._leave()
        return events

    def _is_front(self, i: int) -> bool:
        return next(iter(self._calls)) == i

    def _leave(self) -> list[ToolEvent]:
        """End the front call, bring out the next one with what it has gathered, and go on while those are done."""
        events: list[ToolEvent] = []
        while self._calls:
            i, call = next(iter(self._calls.items()))
            del self._calls[i]
            if not call.parts:
                events.append(ToolArgs(i, "{}", call.start.choice))
            events.append(ToolStop(i, call.start.choice))
            if not self._calls:
                break
            i, call = next(iter(self._calls.items()))
            events.append(call.start)
            if call.parts:
                events.append(ToolArgs(i, "".join(call.parts), call.start.choice))
            if not call.done:
                break
        return events


def _is_whole(arguments: str) -> bool:
    """Are these all the arguments? Only an object that parses is."""
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except UNREADABLE:
        return False
