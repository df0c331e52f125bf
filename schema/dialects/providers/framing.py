"""Framings other than server-sent events, around any event reader: JSON lines, a JSON array, AWS's eventstream, WebSocket."""

from collections.abc import Callable

from schema.dialects import neutral
from schema.dialects.base import EventReader
from schema.dialects.providers.base import Framing
from schema.dialects.signing.eventstream import EventStreamReader

LINE_BYTES_MAX = 16 * 1024 * 1024  # one JSON line or array element


class LineReader:
    """JSON lines to their payloads; blank lines and a `data:` in front are skipped. `feed` raises ValueError beyond the limit."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > LINE_BYTES_MAX:
            raise ValueError(f"a line of {len(self._pending)} bytes")
        return [payload for line in lines if (payload := _plain(line))]

    def close(self) -> list[bytes]:
        line, self._pending = _plain(self._pending), b""
        return [line] if line else []


def _plain(line: bytes) -> bytes:
    return line.strip().removeprefix(b"data:").strip()


class ArrayReader:
    """The objects of one top-level JSON array, as they become whole."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._depth = 0
        self._in_text = self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        found: list[bytes] = []
        for byte in data:
            if self._depth:
                self._pending.append(byte)
            if self._in_text:
                self._step_text(byte)
            elif byte == 0x22:  # "
                self._in_text = True
            elif byte == 0x7B:  # {
                if not self._depth:
                    self._pending.append(byte)
                self._depth += 1
            elif byte == 0x7D and self._depth:  # }
                self._depth -= 1
                if not self._depth:
                    found.append(bytes(self._pending))
                    self._pending.clear()
        if len(self._pending) > LINE_BYTES_MAX:
            raise ValueError(f"an element of {len(self._pending)} bytes")
        return found

    def _step_text(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == 0x5C:  # backslash
            self._escaped = True
        elif byte == 0x22:
            self._in_text = False

    def close(self) -> list[bytes]:
        return []


class FramedReader:
    """Payloads of a framing, read by a dialect."""

    def __init__(self, reader: EventReader, frames: LineReader | ArrayReader | EventStreamReader) -> None:
        self._reader, self._frames = reader, frames

    @property
    def finished(self) -> bool:
        return self._reader.finished

    @finished.setter
    def finished(self, value: bool) -> None:
        self._reader.finished = value

    def feed(self, data: bytes) -> list[neutral.Event]:
        return [event for payload in self._frames.feed(data) for event in self._reader.read(payload)]

    def read(self, payload: bytes) -> list[neutral.Event]:
        return self._reader.read(payload)

    def close(self) -> list[neutral.Event]:
        events = [event for payload in self._frames.close() for event in self._reader.read(payload)]
        return events + self._reader.close()


_FRAMES: dict[Framing, Callable[[], LineReader | ArrayReader | EventStreamReader]] = {
    "json_lines": LineReader,
    "json_array": ArrayReader,
    "eventstream": EventStreamReader,
}


def framed(framing: Framing, reader: EventReader) -> EventReader:
    make = _FRAMES.get(framing)
    return FramedReader(reader, make()) if make else reader
