"""The one shape of a console reply: success, message, data, and for errors a stable code with its facts."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")


class Refusal(Exception):
    """A console request that is answered with a failure envelope. `status` 200 is a business error, as clients know it."""

    def __init__(self, code: str, message: str, *, status: int = 200, **params: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.params = code, message, status, params


class Bare(Struct, Generic[T]):
    """A reply without `message`, as some routes of the predecessors answer."""

    success: bool
    data: T


_encode = msgspec.json.Encoder().encode


def write_success(data: Any = msgspec.UNSET, message: str = "") -> bytes:
    """A reply that worked; the member `data` is absent when no data is given, and null when None is."""
    body: dict[str, Any] = {"success": True, "message": message}
    if data is not msgspec.UNSET:
        body["data"] = data
    return _encode(body)


def write_failure(message: str, *, code: str, params: Mapping[str, Any] | None = None) -> bytes:
    """A refusal. `message` is for people, `code` (snake_case) never changes, `params` are the facts behind it."""
    return _encode({"success": False, "message": message, "code": code, "params": dict(params or {})})
