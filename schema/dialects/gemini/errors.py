"""Google's error envelope, read and written.

Source: Google API design guide, errors (google.rpc.Status); Gemini API troubleshooting guide.
"""

from typing import Any

from schema.dialects.body import encode
from schema.dialects.errors import words_of
from schema.dialects.neutral import UpstreamError
from schema.dialects.openai import errors as openai_errors


def write_error(
    status: int, code: str, message: str, *, type: str | None = None, param: str | None = None, request_id: str
) -> bytes:
    return encode({"error": error_object(status, code, message, request_id=request_id)})


def error_object(status: int, code: str, message: str, *, request_id: str = "") -> dict[str, Any]:
    """`code` is HTTP's number in Google's words; ours goes into `details`, as an ErrorInfo."""
    text = f"{message} (request id: {request_id})" if request_id else message
    error: dict[str, Any] = {"code": status, "message": text, "status": words_of(status).gemini}
    if code:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}
        error["details"] = [info]
    return error


def read_error(status: int, body: bytes) -> UpstreamError:
    """An object, or (JSON array streams) a list of one."""
    return openai_errors.read_error(status, body)


def error_of(error: Any) -> UpstreamError:
    return openai_errors.error_of(error, status=0)
