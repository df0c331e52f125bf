"""Names of wire formats to their readers: the dialects of chat, and the formats that only providers speak.

Also the errors that providers put into a 200: `in_band_error`.
"""

import re
from functools import cache
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, Meter
from schema.dialects.neutral import UpstreamError
from schema.dialects.openai.errors import error_of
from schema.dialects.registry import NAMES, get_dialect
from schema.usage import TokenUsage


class Wire(Protocol):
    """The reading half of a dialect."""

    def read_answer(self, body: bytes) -> neutral.Answer: ...

    def event_reader(self) -> EventReader: ...

    def meter(self) -> Meter: ...


class Formats:
    """Wire formats that no client speaks, by name; filled by the providers' own modules."""

    held: dict[str, Wire] = {}


@cache
def get_wire(name: str) -> Wire:
    """Raises KeyError for an unknown name. `meter` is for pass-through, which only dialects of clients have."""
    return get_dialect(name) if name in NAMES else Formats.held[name]


class NoMeter:
    """For formats that are always translated: nothing is watched."""

    markers: tuple[bytes, ...] = ()
    last_tells = True
    names_errors = True

    def read_usage(self, payload: bytes) -> TokenUsage | None:
        return None

    def merge(self, known: TokenUsage | None, new: TokenUsage) -> TokenUsage:
        return new

    def read_text(self, payload: bytes) -> str:
        return ""

    def usage_of_answer(self, body: bytes) -> TokenUsage | None:
        return None

    def text_of_answer(self, body: bytes) -> str:
        return ""

    def is_error_event(self, payload: bytes) -> bool:
        return False

    def is_end_event(self, payload: bytes) -> bool:
        return False

    def is_usage_only(self, payload: bytes) -> bool:
        return False

    def shows_usage(self, payload: bytes) -> bool:
        return True


class _BaseResp(Struct, frozen=True):
    status_code: int = 0
    status_msg: str = ""


class _Suspect(Struct, frozen=True):
    """What an error inside a 200 looks like, at whichever provider."""

    error: Any = None
    base_resp: _BaseResp | None = None  # MiniMax
    error_code: int | None = None  # Baidu
    error_msg: str | None = None
    code: Any = None  # Ali, Zhipu, SiliconFlow, Coze
    message: Any = None
    msg: str | None = None
    success: bool | None = None  # Cloudflare, Zhipu
    errors: list[Any] | None = None
    choices: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Suspect).decode
_has_mark = re.compile(rb'"(?:error|base_resp"|code"|success")').search  # one pass instead of four

# MiniMax's numbers. Source: platform.minimaxi.com, error codes
_MINIMAX = {
    1000: (500, "unknown_error"),
    1001: (504, "timeout"),
    1002: (429, "rate_limit_exceeded"),
    1004: (401, "invalid_api_key"),
    1008: (403, "insufficient_quota"),
    1013: (500, "internal_error"),
    1026: (400, "content_filter"),
    1027: (400, "content_filter"),
    1039: (429, "rate_limit_exceeded"),
    2013: (400, "invalid_params"),
    2049: (401, "invalid_api_key"),
}
# Baidu's. Source: cloud.baidu.com, Qianfan error codes
_BAIDU = {
    4: 429,
    6: 403,
    13: 401,
    14: 401,
    17: 429,
    18: 429,
    19: 429,
    100: 401,
    110: 401,
    111: 401,
    336003: 400,
    336007: 400,
    336100: 503,
    336103: 400,
    336501: 429,
    336502: 429,
    336503: 429,
}


def in_band_error(body: bytes) -> UpstreamError | None:
    """The error in a body with status 200, with its natural status; None for an answer. Ordinary answers cost one scan."""
    head = body if len(body) < 4096 else body[:2048] + body[-2048:]
    if _has_mark(head) is None:
        return None
    try:
        held = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # not of any provider's error shape: the answer's reader judges it
    if held.error:
        return error_of(held.error, status=0)
    if held.base_resp is not None and held.base_resp.status_code:
        return minimax_error(held.base_resp.status_code, held.base_resp.status_msg)
    if held.error_code:
        return baidu_error(held.error_code, held.error_msg or "")
    if held.success is False:
        return _from_errors(held)
    if (
        held.code not in (None, "", 0, 200, "0", "200", 20000, "Success")
        and not _there(held.choices)
        and not _there(held.output)
    ):
        text = held.message if isinstance(held.message, str) else held.msg
        if text:
            return _coded(str(held.code), text)
    return None


def _there(member: msgspec.Raw) -> bool:
    return bytes(member) not in (b"", b"null")


def minimax_error(code: int, text: str) -> UpstreamError:
    status, word = _MINIMAX.get(code, (502, str(code)))
    return UpstreamError(text or "the upstream reported an error", "minimax_error", word, "", status)


def baidu_error(code: int, text: str) -> UpstreamError:
    return UpstreamError(text or "the upstream reported an error", "baidu_error", str(code), "", _BAIDU.get(code, 502))


def _from_errors(held: _Suspect) -> UpstreamError:
    first = held.errors[0] if held.errors else {}
    text = first.get("message") if isinstance(first, dict) else None
    code = first.get("code") if isinstance(first, dict) else held.code
    return _coded(str(code or ""), text or held.msg or "the upstream reported an error")


# words in a provider's code -> HTTP status; the first that fits
_WORDS = (
    (("apikey", "api_key", "authfailure", "unauthorized", "signature"), 401),
    (("accessdenied", "arrearage", "forbidden"), 403),
    (("throttling", "ratelimit", "rate_limit", "requestlimit", "limitexceeded", "quota"), 429),
    (("inspection", "invalidparameter", "invalid_parameter", "badrequest", "unsupported", "contentfilter"), 400),
    (("notfound", "not_found"), 404),
    (("internal", "timeout"), 500),
)


def status_of_word(code: str) -> int:
    """Natural status of a provider's textual code; 502 when it says nothing."""
    plain = code.lower()
    if plain.isdigit() and 400 <= int(plain) < 600:
        return int(plain)
    return next((status for words, status in _WORDS if any(word in plain for word in words)), 502)


def _coded(code: str, text: str) -> UpstreamError:
    return UpstreamError(text, "upstream_error", code, "", status_of_word(code))
