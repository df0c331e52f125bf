"""AWS's binary event framing: bytes cut anywhere to JSON payloads that a dialect reads.

Layout, big-endian: total length u32, headers length u32, CRC32 of these 8 bytes, headers, payload, CRC32 of all before.
A header: name length u8, name, type u8 (7 = text), value length u16, value.
Source: Amazon Transcribe and Smithy documentation, "Event stream encoding" (application/vnd.amazon.eventstream).
"""

import base64
import struct
import zlib

import msgspec
from msgspec import Struct

MESSAGE_BYTES_MAX = 16 * 1024 * 1024  # AWS's own limit is 16 MB
_PRELUDE = struct.Struct(">III")
_OVERHEAD = 16  # prelude 12, final checksum 4
_WIDTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # header types of fixed width, in bytes


class FrameBroken(ValueError):
    """Wrong checksum or impossible length: the connection cannot be used on."""


class Message(Struct, frozen=True):
    headers: dict[str, str]
    payload: bytes


class MessageReader:
    """`feed` returns whole messages. Raises FrameBroken."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Message]:
        pending = self._pending + data
        found: list[Message] = []
        while len(pending) >= _PRELUDE.size:
            total, headers_size, checksum = _PRELUDE.unpack_from(pending)
            if zlib.crc32(pending[:8]) != checksum or not _OVERHEAD + headers_size <= total <= MESSAGE_BYTES_MAX:
                raise FrameBroken("the event stream's prelude is broken")
            if len(pending) < total:
                break
            if zlib.crc32(pending[: total - 4]) != int.from_bytes(pending[total - 4 : total], "big"):
                raise FrameBroken("the event stream's message is broken")
            start = _PRELUDE.size
            headers = _read_headers(pending[start : start + headers_size])
            found.append(Message(headers, pending[start + headers_size : total - 4]))
            pending = pending[total:]
        self._pending = pending
        return found


def _read_headers(raw: bytes) -> dict[str, str]:
    """Text headers; others are stepped over."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        name, kind, at = raw[at + 1 : name_end].decode(), raw[name_end], name_end + 1
        if kind in _WIDTHS:
            at += _WIDTHS[kind]
            continue
        size = int.from_bytes(raw[at : at + 2], "big")
        if kind == 7:
            headers[name] = raw[at + 2 : at + 2 + size].decode()
        at += 2 + size
    return headers


def write_message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with text headers; for tests and stand-in providers."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", _OVERHEAD + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


class _Chunk(Struct, frozen=True):
    bytes: str = ""


class _Fault(Struct, frozen=True):
    message: str | None = None


# :exception-type -> type and status in Claude's words
EXCEPTIONS = {
    "throttlingException": ("rate_limit_error", 429),
    "validationException": ("invalid_request_error", 400),
    "accessDeniedException": ("permission_error", 403),
    "resourceNotFoundException": ("not_found_error", 404),
    "serviceQuotaExceededException": ("rate_limit_error", 429),
    "serviceUnavailableException": ("overloaded_error", 529),
    "modelNotReadyException": ("overloaded_error", 529),
    "modelTimeoutException": ("timeout_error", 504),
}


class EventStreamReader:
    """Bedrock's messages to the JSON that a dialect reads: InvokeModel's chunks hold Claude's events in base64; Converse's
    events are wrapped as `{"<event type>": payload}`; exceptions become Claude's error event."""

    def __init__(self) -> None:
        self._messages = MessageReader()

    def feed(self, data: bytes) -> list[bytes]:
        return [_payload_of(message) for message in self._messages.feed(data)]

    def close(self) -> list[bytes]:
        return []


def _payload_of(message: Message) -> bytes:
    kind = message.headers.get(":message-type", "event")
    if kind in ("exception", "error"):
        name = message.headers.get(":exception-type") or message.headers.get(":error-code", "")
        return _error(name, message)
    event = message.headers.get(":event-type", "")
    if event == "chunk":
        return base64.b64decode(msgspec.json.decode(message.payload, type=_Chunk).bytes)
    return msgspec.json.encode({event: msgspec.Raw(message.payload or b"{}")})


def _error(name: str, message: Message) -> bytes:
    try:
        text = msgspec.json.decode(message.payload, type=_Fault).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = None
    text = text or message.headers.get(":error-message") or name or "the upstream broke the answer off"
    kind = EXCEPTIONS.get(name[:1].lower() + name[1:], ("api_error", 500))[0]
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": text}})
