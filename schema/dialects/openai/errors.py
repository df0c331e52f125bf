"""OpenAI's error envelope, written; and the many envelopes of OpenAI-like servers, read.

Source: OpenAI API guide, error codes; FastAPI (`detail`); observed members of compatible servers.
"""

from typing import Any

import msgspec

from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import STATUS_OF_TYPE, words_of
from schema.dialects.neutral import UpstreamError

_TEXT_MEMBERS = ("message", "msg", "err", "error_msg", "detail", "errorMsg", "Message")


def write_error(
    status: int, code: str, message: str, *, type: str | None = None, param: str | None = None, request_id: str
) -> bytes:
    text = f"{message} (request id: {request_id})" if request_id else message
    return encode(
        {
            "error": {
                "message": text,
                "type": type or words_of(status).openai,
                "param": param or None,
                "code": code or None,
            }
        }
    )


def read_error(status: int, body: bytes) -> UpstreamError:
    """Any error body to one shape. The text of what is not JSON is not shown to clients: it may be a proxy's page."""
    nothing = UpstreamError(
        f"bad response status code {status}", "upstream_error", "bad_response_status_code", "", status
    )
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return nothing
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return nothing
    if value.get("error"):
        return error_of(value["error"], status=status)
    nested = [
        value,
        value.get("header"),
        (value.get("response") or {}).get("error") if isinstance(value.get("response"), dict) else None,
    ]
    for place in nested:
        for name in _TEXT_MEMBERS:
            text = place.get(name) if isinstance(place, dict) else None
            if isinstance(text, str) and text:
                return UpstreamError(
                    text, "upstream_error", _word(value.get("code")) or "bad_response_status_code", "", status
                )
    return nothing


def error_of(error: Any, *, status: int) -> UpstreamError:
    """The member `error`: an object or a text. `status` 0 = it came inside a 200: find the natural one."""
    if not isinstance(error, dict):
        return UpstreamError(str(error), "upstream_error", "", "", status or 502)
    message, kind = _word(error.get("message") or error.get("msg")), _word(error.get("type"))
    code = _word(error.get("status") or error.get("code"))
    return UpstreamError(
        message or kind or code or "the upstream reported an error",
        kind or "upstream_error",
        code,
        _word(error.get("param")),
        status or natural_status(kind, code, error.get("code")),
    )


def natural_status(kind: str, code: str, number: Any = None) -> int:
    """HTTP status for an error inside a 200: by its words, or a number that is a status; else 502."""
    for word in (kind, code):
        if word in STATUS_OF_TYPE:
            return STATUS_OF_TYPE[word]
    text = str(number or "")
    return int(text) if text.isdigit() and 400 <= int(text) < 600 else 502


def _word(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
