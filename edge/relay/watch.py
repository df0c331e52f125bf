"""Watches a stream that is passed through: whole events go on at once, usage is picked up, the end is held back.

The last event must not leave before the call is settled, so everything from the end event on stays in `held`. Text is
counted only when the upstream sends no usage: raw events wait in a small buffer and are counted when it is full.
"""

from collections.abc import Callable

from schema.dialects.base import Meter
from schema.usage import TokenUsage

RAW_BYTES_MAX = 32 * 1024  # uncounted events kept per stream; a burst of 100 chunks fits and is never decoded
EVENT_BYTES_MAX = 16 * 1024 * 1024  # one event; more is not a chat stream


class StreamTooWild(Exception):
    """An event without end."""


def payloads(frames: bytes) -> list[bytes]:
    """The data of whole events."""
    found = []
    for frame in frames.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].lstrip() for line in frame.split(b"\n") if line.startswith(b"data:")]
        if lines:
            found.append(b"\n".join(lines))
    return found


def first_payload(frames: bytes) -> bytes | None:
    """The data of the first event that has some; a burst of a hundred is not taken apart for it."""
    start = 0
    while start < len(frames):
        _, end = _frame_around(frames, start)
        found = payloads(frames[start:end])
        if found:
            return found[0]
        start = end
    return None


def _event_start(frames: bytes, at: int) -> int:
    """Where the event that byte `at` lies in begins: after the last blank line before it."""
    start = frames.rfind(b"\n\n", 0, at) + 2
    if start < 2:
        start = 0
    other = frames.rfind(b"\r\n\r\n", start, at)  # a later one only: bursts are long, and this runs per mark
    return start if other < 0 else other + 4


def _frame_around(frames: bytes, at: int) -> tuple[int, int]:
    """Bounds of the event that byte `at` lies in, its blank line included."""
    end = frames.find(b"\n\n", at) + 2
    if end < 2:
        end = len(frames)
    other = frames.find(b"\r\n\r\n", at, end)
    return _event_start(frames, at), end if other < 0 else other + 4


class StreamWatch:
    """One stream. `hide_usage`: drop the usage-only chunk that the client did not ask for."""

    def __init__(
        self, meter: Meter, *, end_marks: tuple[bytes, ...], hide_usage: bool, count: Callable[[str], int]
    ) -> None:
        self.usage: TokenUsage | None = None
        self.held = b""  # from the end event on
        self.ended = False  # the end event was seen
        self.relayed_bytes = 0
        self.usage_shown = False  # where a client of the dialect looks for it
        self._meter, self._marks, self._end_marks = meter, meter.markers, end_marks
        self._hide_usage, self._count = hide_usage, count
        self._one_look = meter.last_tells and not hide_usage
        self._partial = b""
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._counted = 0

    def feed(self, data: bytes) -> bytes:
        """What may leave now. Raises StreamTooWild."""
        if self.ended:
            self.held += data
            self._look(data)
            return b""
        if self._partial:
            data = self._partial + data
        cut = data.rfind(b"\n\n")
        width = 2
        if cut < 0:
            cut, width = data.rfind(b"\r\n\r\n"), 4
        if cut < 0:
            if len(data) > EVENT_BYTES_MAX:
                raise StreamTooWild(len(data))
            self._partial = data
            return b""
        whole, self._partial = data[: cut + width], data[cut + width :]
        if self._one_look:
            self._look_at_last(whole)
        else:
            whole = self._look(whole)
        start = self._find_end(whole)
        if start >= 0:
            self.ended = True
            self.held = whole[start:] + self._partial
            self._partial = b""
            whole = whole[:start]
        self._keep(whole)
        self.relayed_bytes += len(whole)
        return whole

    def _find_end(self, frames: bytes) -> int:
        """Where the event begins that ends the stream; -1: it is not here."""
        for mark in self._end_marks:
            if mark.startswith(b"data:"):  # of a line of its own: a model may well talk of streams
                at = frames.rfind(mark)  # nothing comes after it: a search from the end finds it at once
                while at > 0 and frames[at - 1 : at] != b"\n":
                    at = frames.rfind(mark, 0, at)
            else:
                at = frames.find(mark)
            if at >= 0:
                return _event_start(frames, at)
        return -1

    def close(self) -> bytes:
        """The upstream has ended: what never got its blank line."""
        rest, self._partial = self._partial, b""
        if rest:
            self._look(rest)
        return rest

    def said_all(self) -> bool:
        """Some servers leave the end mark out: an answer whose last event tells why it ended is complete."""
        if self.ended or not self._raw:
            return self.ended
        return any(map(self._meter.is_end_event, payloads(self._raw[-1])[-1:]))

    def completion_tokens(self) -> int:
        """Tokens of the text relayed so far, counted here."""
        self._flush()
        return self._counted

    def _look_at_last(self, frames: bytes) -> None:
        """As `_look`; found at once by a search from the end, which a burst of a hundred events has at its end."""
        at = -1
        for mark in self._marks:
            at = max(at, frames.rfind(mark, max(at, 0)))
        if at >= 0 and not self._read(payloads(frames[slice(*_frame_around(frames, at))])):
            self._look(frames)

    def _look(self, frames: bytes) -> bytes:
        """Decode the events that hold a mark, and no others: a burst brings a hundred events in one read.

        Returns `frames` without the extra chunk of usage, where that is to be hidden: it is an event of its own, and every other
        byte stays.
        """
        for mark in self._marks:
            at = frames.find(mark)
            while at >= 0:
                start, end = _frame_around(frames, at)
                found = payloads(frames[start:end])
                self._read(found)
                if self._hide_usage and found and self._meter.is_usage_only(found[0]):
                    frames, end = frames[:start] + frames[end:], start
                at = frames.find(mark, end)
        return frames

    def _read(self, found: list[bytes]) -> bool:
        """Is there usage in these events?"""
        told = False
        for payload in found:
            usage = self._meter.read_usage(payload)
            if usage is not None:
                told = True
                self.usage = self._meter.merge(self.usage, usage)
                self.usage_shown = self.usage_shown or self._meter.shows_usage(payload)
        return told

    def _keep(self, whole: bytes) -> None:
        if whole:
            self._raw.append(whole)
            self._raw_bytes += len(whole)
            if self._raw_bytes > RAW_BYTES_MAX:
                self._flush()

    def _flush(self) -> None:
        """All at once: to ask after each event how many tokens there are now took a third of a paced stream."""
        raw, self._raw, self._raw_bytes = self._raw, [], 0
        text = "".join(self._meter.read_text(payload) for frames in raw for payload in payloads(frames))
        if text:
            self._counted = self._count(text)
