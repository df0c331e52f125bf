"""Server-sent events by the standard: bytes cut anywhere to whole events, and back.

Source: WHATWG HTML, "Server-sent events", parsing an event stream (BOM, CR / LF / CRLF, multi-line data, comments).
"""

EVENT_BYTES_MAX = 16 * 1024 * 1024  # one event; more is not a chat stream


class EventTooLong(ValueError):
    """An event exceeded EVENT_BYTES_MAX before its blank line came."""


class FrameReader:
    """`feed` returns the data of each whole event, as bytes without the framing; `close` what a blank line never ended.

    Events without data (comments, pings of proxies) are skipped. Event names are not kept: every dialect repeats them
    in the data.
    """

    __slots__ = ("_pending", "_started")

    def __init__(self) -> None:
        self._pending = b""
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Raises EventTooLong."""
        if not self._started:
            data = self._begin(data)
            if not self._started:
                return []
        if self._pending:
            data = self._pending + data
        # A CR at the very end may be half of a CRLF: wait for what follows it.
        if b"\r" in data:
            held = b""
            if data.endswith(b"\r"):
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *frames, self._pending = data.split(b"\n\n")
        if len(self._pending) > EVENT_BYTES_MAX:
            raise EventTooLong(len(self._pending))
        return [payload for frame in frames if (payload := _data_of(frame)) is not None]

    def close(self) -> list[bytes]:
        """The last event, if the stream ended without its blank line (some providers do)."""
        frame, self._pending = self._pending.replace(b"\r", b"\n"), b""
        return [payload for part in frame.split(b"\n\n") if (payload := _data_of(part)) is not None]

    def _begin(self, data: bytes) -> bytes:
        """Take the byte order mark off, even if it comes in pieces."""
        data, self._pending = self._pending + data, b""
        if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
            self._pending = data
            return b""
        self._started = True
        return data.removeprefix(b"\xef\xbb\xbf")


def _data_of(frame: bytes) -> bytes | None:
    """Data of one frame, None when it has none."""
    if frame.startswith(b"data: ") and b"\n" not in frame:  # nearly every frame of OpenAI's and Gemini's streams
        return frame[6:]
    lines = []
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def write_data(payload: bytes) -> bytes:
    """One unnamed event; `payload` must have no line break (JSON never has one)."""
    return b"data: " + payload + b"\n\n"


def write_event(name: bytes, payload: bytes) -> bytes:
    return b"event: " + name + b"\ndata: " + payload + b"\n\n"


COMMENT_PING = b": ping\n\n"
