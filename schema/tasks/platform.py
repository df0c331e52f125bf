"""The face of a task platform: what a submit means, what goes upstream, what an answer says. No IO, no clock, no money.

A new platform is one module that implements `Platform`, and one line in `registry.py`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

HIDDEN = "[removed]"
_BINARY_FIELDS = frozenset({"base64", "base64Array", "maskBase64", "sourceBase64", "targetBase64", "input_reference"})
_STORED_TEXT_MAX = 4096  # characters of one field of a stored request


class TaskRefused(Exception):
    """Our own refusal of a submit; nothing went upstream. `code` is the platform's public word."""

    def __init__(self, code: str, message: str = "", *, status: int = 400) -> None:
        super().__init__(message or code)
        self.code, self.message, self.status = code, message or code, status


class Settings(Struct, frozen=True):
    """What options and the channel say about platforms."""

    notify_hook: bool = False  # let the client's hook reach the upstream
    account_filter: bool = False
    clear_modes: bool = False  # remove --fast, --relax and --turbo from prompts
    pass_mode: bool = False  # of the channel: forward the speed as a path prefix


class Submit(Struct, frozen=True, kw_only=True):
    """One validated submit."""

    platform: str
    action: str
    model: str  # decides routing
    price_models: tuple[str, ...]  # the first with a price counts
    path: str  # below the base URL, with its query
    body: dict[str, Any]
    mode: str = ""
    origin_id: str = ""  # upstream id of the caller's own task that this one continues; "" for none
    needs_success: bool = False  # the origin must have ended well, where the operator asks for that
    free: bool = False
    prompt: str = ""
    times: int = 1  # of the price: seconds of a video
    needs_price: bool = False  # refused where the operator has set no price; others cost 0.1 USD then
    form: bytes = b""  # the request as it came, where it was a form; `body` holds its text fields
    content_type: str = "application/json"


class UpstreamRequest(Struct, frozen=True):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


class Reading(Struct, frozen=True, kw_only=True):
    """What an upstream says about one task. None: it said nothing about this. Times in ms."""

    upstream_id: str
    status: str | None = None
    progress: int | None = None  # percent
    fail_reason: str | None = None
    image_url: str | None = None
    start_ms: int | None = None
    finish_ms: int | None = None
    result: dict[str, Any] | None = None


class Accepted(Struct, frozen=True, kw_only=True):
    upstream_id: str
    code: int = 1
    reading: Reading | None = None  # known at once: an upload, a task that already ran
    body: bytes = b""  # for the client


class Declined(Struct, frozen=True, kw_only=True):
    """The upstream did not take the task; the hold is released."""

    reason: str
    status: int  # HTTP status for the client
    body: bytes
    code: int = 0
    disable_channel: bool = False  # no account is left there


class TaskView(Struct, frozen=True, kw_only=True):
    """A stored task as the writers need it. Times in ms."""

    upstream_id: str
    action: str
    status: str
    progress: int
    submit_ms: int
    start_ms: int = 0
    finish_ms: int = 0
    model: str = ""
    prompt: str = ""
    fail_reason: str = ""
    image_url: str = ""
    result: dict[str, Any] = {}


class Platform(Protocol):
    name: str
    channel_types: frozenset[int]
    deadline_ms: int  # from submit to EXPIRED
    retries: bool  # may a refused submit go to another channel?
    ids_max: int  # ids in one poll

    def read_submit(self, path: str, body: dict[str, Any], mode: str = "") -> Submit:
        """`path` below the platform's prefix. Raises TaskRefused."""

    def write_submit(self, submit: Submit, base_url: str, key: str, settings: Settings) -> UpstreamRequest: ...

    def read_submit_answer(self, submit: Submit, status: int, body: bytes) -> Accepted | Declined: ...

    def write_poll(self, base_url: str, key: str, ids: list[str]) -> UpstreamRequest: ...

    def read_poll(self, body: bytes) -> list[Reading]:
        """Ids that were not asked for are the caller's to drop. Raises ValueError when this is no answer of the platform."""

    def write_task(self, task: TaskView) -> dict[str, Any]:
        """The task as clients of the platform read it."""

    def write_error(self, error: TaskRefused) -> bytes: ...


def stored_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request without pictures and hooks, short enough to keep."""

    def short(name: str, value: Any) -> Any:
        if name in _BINARY_FIELDS or name == "notifyHook":
            return HIDDEN
        if isinstance(value, str):
            return HIDDEN if value.startswith("data:") else value[:_STORED_TEXT_MAX]
        return value

    return {name: short(name, value) for name, value in body.items()}


def read_object(body: bytes) -> dict[str, Any]:
    """Raises ValueError unless the bytes are a JSON object."""
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def text(value: object) -> str:
    """A text field of a sloppy sender; anything but text counts as absent."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """A number of a sloppy sender, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value == value and abs(value) < 1e18:
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19 else None


def percent(value: object) -> int | None:
    """`"37%"`, `37` and `"37"` to 37; None when it says nothing."""
    number = whole(value.strip().removesuffix("%") if isinstance(value, str) else value)
    return None if number is None else min(100, max(0, number))


def join_url(base_url: str, path: str) -> str:
    """Raises TaskRefused for a channel without a base URL: there is no default host for these platforms."""
    if not base_url.strip():
        raise TaskRefused("do_request_failed", "the channel has no base URL", status=500)
    return base_url.strip().rstrip("/") + path
