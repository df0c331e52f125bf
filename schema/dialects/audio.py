"""Speech and transcription: what a request asks for, how long an uploaded recording is, and the text of an answer.

Sources: OpenAI API reference, Audio; mutagen's documentation (headers of MP3, MP4, Ogg, FLAC, WAV); Matroska/WebM: RFC 9559.
"""

import io
import math
import struct
import wave
from typing import Any

import msgspec
import mutagen
from msgspec import Struct

from schema.dialects import multipart
from schema.dialects.body import UNREADABLE, edit_members, encode, read_object, read_struct
from schema.dialects.errors import DialectError

_BYTES_PER_S = 16_000  # 128 kbit/s: the guess for recordings whose header says nothing


class SpeechRequest(Struct, frozen=True):
    model: str
    input: str
    voice: str = ""
    response_format: str = "mp3"
    speed: float = 1.0
    stream_format: str = ""  # sse: events instead of audio bytes


class TranscriptionRequest(Struct, frozen=True):
    """`parts` describe the client's form, which is sent on as it is but for `model`."""

    model: str
    parts: list[multipart.Part]
    file: multipart.Part
    response_format: str = "json"
    stream: bool = False
    language: str = ""
    prompt: str = ""


class Duration(Struct, frozen=True):
    seconds: float
    estimated: bool = False  # no header told it: guessed from the size

    @property
    def prompt_tokens(self) -> int:
        """1 000 tokens a minute, of whole seconds. Source: billing rules, transcription."""
        return round(math.ceil(self.seconds) / 60 * 1000)


class _Speech(Struct, frozen=True):
    model: str = ""
    input: str = ""
    voice: Any = None  # a name, or an object with an id
    response_format: str | None = None
    speed: float | None = None
    stream_format: str | None = None


def read_speech_request(body: bytes) -> SpeechRequest:
    wish = read_struct(read_object(body), _Speech)
    if not wish.model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.input:
        raise DialectError("input is required", param="input")
    voice = wish.voice if isinstance(wish.voice, str) else ""
    return SpeechRequest(
        wish.model, wish.input, voice, wish.response_format or "mp3", wish.speed or 1.0, wish.stream_format or ""
    )


def edit_speech_request(body: bytes, model: str) -> bytes:
    members = read_object(body)
    return edit_members(body, {} if members.get("model") == model else {"model": model})


def read_transcription_request(body: bytes, content_type: str) -> TranscriptionRequest:
    """Raises DialectError when model or file is missing."""
    parts = multipart.read_parts(body, multipart.boundary_of(content_type))
    model = multipart.field(body, parts, "model")
    file = multipart.find_file(parts)
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if file is None:
        raise DialectError("file is required", param="file")
    stream = (multipart.field(body, parts, "stream") or "").lower() in ("true", "1")
    return TranscriptionRequest(
        model,
        parts,
        file,
        multipart.field(body, parts, "response_format") or "json",
        stream,
        multipart.field(body, parts, "language") or "",
        multipart.field(body, parts, "prompt") or "",
    )


# --- duration ---


def read_duration(recording: bytes | memoryview) -> Duration:
    """Length by the header, in process. Never fails: what cannot be read is estimated from its size."""
    view = memoryview(recording)
    head = bytes(view[:16])
    seconds: float | None = None
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        seconds = _wave_seconds(view)
    elif head[:4] == b"\x1a\x45\xdf\xa3":
        seconds = _matroska_seconds(bytes(view[: 64 * 1024]))
    if seconds is None:
        seconds = _mutagen_seconds(view)
    if seconds is not None and math.isfinite(seconds) and seconds > 0:
        return Duration(seconds)
    return Duration(len(view) / _BYTES_PER_S, estimated=True)


def _wave_seconds(view: memoryview) -> float | None:
    """PCM by the standard library; a streamed header that promises too much is cut to what is there."""
    try:
        with wave.open(io.BytesIO(view)) as sound:
            frame_bytes: int = sound.getnchannels() * sound.getsampwidth()
            frames = min(sound.getnframes(), len(view) // frame_bytes)
            return float(frames / sound.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None  # compressed WAV: mutagen may know


def _mutagen_seconds(view: memoryview) -> float | None:
    try:
        found = mutagen.File(io.BytesIO(view))
    except Exception:
        return None
    length = getattr(getattr(found, "info", None), "length", None)
    return float(length) if isinstance(length, int | float) else None


_DURATION, _TIMESTAMP_SCALE = b"\x44\x89", b"\x2a\xd7\xb1"  # element ids, RFC 9559 §5.1.2


def _matroska_seconds(head: bytes) -> float | None:
    """Duration element of a WebM's Info; recorders that stream leave it out."""
    at = head.find(_DURATION)
    if at < 0 or at + 3 > len(head):
        return None
    size = head[at + 2] & 0x7F
    raw = head[at + 3 : at + 3 + size]
    if size not in (4, 8) or len(raw) != size:
        return None
    (ticks,) = struct.unpack(">f" if size == 4 else ">d", raw)
    scale_at = head.find(_TIMESTAMP_SCALE)
    scale_ns = 1_000_000
    if 0 <= scale_at < len(head) - 4:
        scale_size = head[scale_at + 3] & 0x7F
        scale_ns = int.from_bytes(head[scale_at + 4 : scale_at + 4 + scale_size], "big") or scale_ns
    return float(ticks) * scale_ns / 1e9


# --- answers ---


class _Text(Struct, frozen=True):
    text: str = ""


def write_transcription(text: str, *, response_format: str) -> tuple[bytes, str]:
    """(body, content type) of a transcript that came from elsewhere: JSON, or plain text if asked."""
    if response_format in ("text", "srt", "vtt"):
        return text.encode() + b"\n", "text/plain; charset=utf-8"
    return encode({"text": text}), "application/json"


def text_of_transcription(body: bytes) -> str:
    """Transcript of an answer in any format, for counting."""
    try:
        return msgspec.json.decode(body, type=_Text).text
    except UNREADABLE:
        return body.decode("utf-8", "replace")
