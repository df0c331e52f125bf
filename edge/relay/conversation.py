"""The name of a conversation whose client tells none: its first messages, which every later turn repeats."""

import zlib
from typing import Any

import msgspec
from msgspec import Struct

FIRST_MAX = 2  # messages: the system prompt and the first question
BYTES_MAX = 4096  # of them


class _Turns(Struct, frozen=True):
    messages: list[msgspec.Raw] | None = None  # OpenAI, Claude
    contents: list[msgspec.Raw] | None = None  # Gemini
    input: Any = None  # Responses


_read = msgspec.json.Decoder(_Turns).decode


def name_conversation(body: bytes) -> str:
    """Equal for the turns of one conversation; '' where nothing can be told. Never raises: affinity is a wish."""
    try:
        turns = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    first = (turns.messages or turns.contents or [])[:FIRST_MAX]
    told = b"".join(bytes(one) for one in first)
    if not told and isinstance(turns.input, list):
        told = msgspec.json.encode(turns.input[:FIRST_MAX])
    return f"first:{zlib.crc32(told[:BYTES_MAX]):08x}:{min(len(told), BYTES_MAX)}" if told else ""
