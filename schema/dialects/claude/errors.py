"""Claude's error envelope, read and written.

Source: Anthropic API reference, errors.
"""

from typing import Any

from schema.dialects.body import encode
from schema.dialects.errors import STATUS_OF_TYPE, words_of
from schema.dialects.neutral import UpstreamError
from schema.dialects.openai import errors as openai_errors

_CLAUDE_TYPES = frozenset(name for name in STATUS_OF_TYPE if name.islower() and name.endswith(("_error", "_large")))


def write_error(
    status: int, code: str, message: str, *, type: str | None = None, param: str | None = None, request_id: str
) -> bytes:
    """The type is always one of Claude's own: its SDKs choose their exception by it."""
    text = f"{message} (request id: {request_id})" if request_id else message
    kind = type if type in _CLAUDE_TYPES and type != "server_error" else words_of(status).claude
    body: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": text}}
    if request_id:
        body["request_id"] = request_id
    return encode(body)


def read_error(status: int, body: bytes) -> UpstreamError:
    """Claude's envelope is read as any other: `error` with `type` and `message`."""
    return openai_errors.read_error(status, body)


def error_of(error: Any, *, status: int) -> UpstreamError:
    return openai_errors.error_of(error or {}, status=status)
