"""Counting model tokens here: offline, with the byte-pair tables shipped in `schema/encodings`, loaded at first use."""

import base64
import gzip
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tiktoken

from schema.picture_size import size_of_base64

_FOLDER = Path(__file__).parent / "encodings"
_O200K = ("gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "o1", "o3", "o4")
_lock = threading.Lock()
_loaded: dict[str, tiktoken.Encoding] = {}
PIECE_MAX = 20_000  # characters encoded at once: the encoder is quadratic in long runs without a blank
CARRY_MAX = 64  # characters a stream counter keeps back, because the next chunk may change how they split
REPLY_TOKENS, MESSAGE_TOKENS, NAME_TOKENS = 3, 3, 1
AUDIO_PART_TOKENS, FILE_PART_TOKENS, CLAUDE_IMAGE_TOKENS = 100, 5000, 1000


class _Way:
    approximate = False


def approximate(wanted: bool) -> None:
    """Option ApproximateTokenEnabled, of the whole process: 0.38 token for a byte of text, as One API guesses."""
    _Way.approximate = wanted


def encoding_name(model: str) -> str:
    return "o200k_base" if model.startswith(_O200K) else "cl100k_base"


def load_encoding(name: str) -> tiktoken.Encoding:
    """The encoder; loading one takes about 0.3 s and 45 MB, once a process. Thread-safe."""
    found = _loaded.get(name)
    if found is None:
        with _lock:
            found = _loaded.get(name) or _read_encoding(name)
            _loaded[name] = found
    return found


def _read_encoding(name: str) -> tiktoken.Encoding:
    ranks: dict[bytes, int] = {}
    for line in gzip.decompress((_FOLDER / f"{name}.tiktoken.gz").read_bytes()).splitlines():
        token, _, rank = line.partition(b" ")
        ranks[base64.b64decode(token)] = int(rank)
    special = {"<|endoftext|>": 100257} if name == "cl100k_base" else {"<|endoftext|>": 199999}
    pattern = _CL100K_PATTERN if name == "cl100k_base" else _O200K_PATTERN
    encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    ranks.clear()  # its core has them as well; nothing that we ask of it looks into this second copy
    return encoding


_CL100K_PATTERN = r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
_O200K_PATTERN = "|".join(
    [
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    ]
)


def count_text(model: str, text: str) -> int:
    """Model tokens of a text; special tokens in it count as ordinary text. About 1 MB/s: keep long ones off the loop."""
    if not text:
        return 0
    if _Way.approximate:
        return len(text.encode("utf-8", "replace")) * 38 // 100
    encoder = load_encoding(encoding_name(model))
    return sum(
        len(encoder.encode_ordinary(text[at : at + PIECE_MAX].encode("utf-8", "replace").decode()))
        for at in range(0, len(text), PIECE_MAX)
    )


def estimate_prompt(body_bytes: int) -> int:
    """A quick guess of the prompt from the length of the request body: one token per 3 bytes, for holds alone."""
    return body_bytes // 3 + 16


class StreamCounter:
    """Counts a text that arrives in chunks, holding at most `CARRY_MAX` characters of it."""

    __slots__ = ("_carry", "_model", "_tokens")

    def __init__(self, model: str) -> None:
        self._model, self._tokens, self._carry = model, 0, ""

    def feed(self, text: str) -> None:
        self._carry += text
        if len(self._carry) <= CARRY_MAX:
            return
        cut = max(
            self._carry.rfind(" "), self._carry.rfind("\n"), 0
        )  # words begin with their blank: a cut there is exact
        if len(self._carry) - cut > CARRY_MAX:  # one very long word: cut it, at most one token too many
            cut = len(self._carry)
        self._tokens += count_text(self._model, self._carry[:cut])
        self._carry = self._carry[cut:]

    def count(self, text: str) -> int:
        """Tokens so far, those of `text` included."""
        self.feed(text)
        return self.tokens

    @property
    def tokens(self) -> int:
        """Tokens so far, the part kept back included."""
        return self._tokens + count_text(self._model, self._carry)


def count_messages(model: str, messages: Iterable[dict[str, Any]], *, media_tokens: int | None = None) -> int:
    """Prompt tokens of a chat in OpenAI's form. Pictures count `media_tokens` each; None = by their size (`picture_tokens`).

    Tool calls inside messages count by name and arguments.
    """
    total = REPLY_TOKENS
    for message in messages:
        total += MESSAGE_TOKENS + count_text(model, str(message.get("role", "")))
        content = message.get("content")
        if message.get("name") and content:
            total += NAME_TOKENS + count_text(model, str(message["name"]))
        if isinstance(content, str):
            total += count_text(model, content)
        elif isinstance(content, list):
            total += sum(_count_part(model, part, media_tokens) for part in content if isinstance(part, dict))
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {} if isinstance(call, dict) else {}
            total += count_text(model, str(function.get("name", "")) + str(function.get("arguments", "")))
    return total


def _count_part(model: str, part: dict[str, Any], media_tokens: int | None) -> int:
    match part.get("type"):
        case "text" | "input_text" | "output_text":
            return count_text(model, str(part.get("text", "")))
        case "image_url" | "input_image":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            detail = image.get("detail", "") if isinstance(image, dict) else part.get("detail", "")
            head, _, data = str(url or "").partition(";base64,")
            return picture_tokens(model, data if head.startswith("data:") else "", str(detail), media_tokens)
        case "input_audio":
            return AUDIO_PART_TOKENS
        case "file" | "input_file":
            return FILE_PART_TOKENS
    return 0


def image_tokens(model: str, width: int, height: int, detail: str = "") -> int:
    """Tokens of a picture by size in pixels. Source: OpenAI's guide to vision, tile models: fit into 2048 x 2048, shrink
    the short side to 768, count tiles of 512. Raises ValueError when a side is not positive."""
    if width <= 0 or height <= 0:
        raise ValueError("the picture has no size")
    if model == "glm-4v":
        return 1047
    if detail == "low":
        return 85
    base, tile = (2833, 5667) if model.startswith("gpt-4o-mini") else (85, 170)
    short, long = float(min(width, height)), float(max(width, height))
    if long > 2048:
        short, long = short * 2048 / long, 2048.0
    if short > 768:
        short, long = 768.0, long * 768 / short
    return math.ceil(round(short, 6) / 512) * math.ceil(round(long, 6) / 512) * tile + base


def picture_tokens(model: str, data: str, detail: str, media_tokens: int | None = None) -> int:
    """Of a picture in a prompt, without the network: `data` is its base64, '' for one by URL, whose size is unknown.

    `media_tokens`: what every picture counts, where the operator does not want them measured.
    """
    if detail == "low":
        return 85
    if media_tokens is not None:
        return media_tokens
    size = size_of_base64(data) if data else None
    return image_tokens(model, *size, detail) if size else unmeasured_image_tokens(model)


def unmeasured_image_tokens(model: str) -> int:
    """Tokens of a picture whose size is not looked at: three times the base."""
    return 3 * (2833 if model.startswith("gpt-4o-mini") else 85)


def transcription_tokens(seconds: float) -> int:
    """Prompt tokens of an uploaded recording: 1000 a minute, seconds rounded up."""
    return math.floor(math.ceil(seconds) * 1000 / 60 + 0.5)


def realtime_audio_seconds(audio_bytes: int, audio_format: str) -> float:
    """pcm16 has 24 000 samples of 2 bytes a second; G.711 and what we do not know 8000 of 1."""
    return audio_bytes / 48_000 if audio_format == "pcm16" else audio_bytes / 8000


def realtime_audio_tokens(seconds: float, *, output: bool) -> int:
    """Audio tokens of speech: 1666.67 a minute in, 833.33 out."""
    return int(seconds / 60 * 200 / 0.24) if output else int(seconds / 60 * 100 / 0.06)
