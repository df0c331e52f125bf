"""Errors of dialects, and the words that each client dialect has for a status.

DialectError               the client's request cannot be read or carried over: our answer, never retried
└── Unsupported                a feature the target cannot express                    400 unsupported_feature
BadAnswer                  the upstream's answer is an error inside a 200, or no answer at all
"""

from typing import NamedTuple

from schema.dialects.neutral import UpstreamError


class DialectError(Exception):
    """A refusal to be written in the client's dialect. `code` is public and never changes; `param` names the member."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request", param: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message, status, code, param


class Unsupported(DialectError):
    """`feature` is the client's name for what the target cannot express."""

    def __init__(self, feature: str, target: str) -> None:
        super().__init__(f"{feature} is not supported by {target}", code="unsupported_feature", param=feature)
        self.feature = feature


class BadAnswer(Exception):
    """Carries what the retry policy and the error writer need."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error.message)
        self.error = error


class ErrorWords(NamedTuple):
    openai: str
    claude: str
    gemini: str


_WORDS = {
    400: ErrorWords("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    401: ErrorWords("authentication_error", "authentication_error", "UNAUTHENTICATED"),
    403: ErrorWords("permission_error", "permission_error", "PERMISSION_DENIED"),
    404: ErrorWords("not_found_error", "not_found_error", "NOT_FOUND"),
    413: ErrorWords("request_too_large", "request_too_large", "INVALID_ARGUMENT"),
    422: ErrorWords("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    429: ErrorWords("rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    499: ErrorWords("request_cancelled", "api_error", "CANCELLED"),
    500: ErrorWords("server_error", "api_error", "INTERNAL"),
    503: ErrorWords("overloaded_error", "overloaded_error", "UNAVAILABLE"),
    504: ErrorWords("upstream_error", "api_error", "DEADLINE_EXCEEDED"),
    529: ErrorWords("overloaded_error", "overloaded_error", "UNAVAILABLE"),
}


def words_of(status: int) -> ErrorWords:
    """The error type each dialect uses for an HTTP status; unknown ones fall to their class."""
    found = _WORDS.get(status)
    if found is not None:
        return found
    if 400 <= status < 500:
        return _WORDS[400]
    return ErrorWords("upstream_error", "api_error", "INTERNAL")


# error.type of Claude, error.status of Google and common words -> HTTP status, for errors inside a 200
STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "invalid_api_key": 401,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
