"""Moderations: the text that is judged (and counted), and the body with another model.

Source: OpenAI API reference, Moderations.
"""

from typing import Any

from msgspec import Struct

from schema.dialects.body import edit_members, read_object, read_struct
from schema.dialects.errors import DialectError

DEFAULT_MODEL = "text-moderation-stable"  # for routing, when the client names none


class ModerationRequest(Struct, frozen=True):
    model: str
    texts: tuple[str, ...]
    images: int = 0


class _Wish(Struct, frozen=True):
    model: str | None = None
    input: Any = None


def read_request(body: bytes) -> ModerationRequest:
    """Raises DialectError for an absent or empty input."""
    wish = read_struct(read_object(body), _Wish)
    items = wish.input if isinstance(wish.input, list) else [wish.input]
    texts = [item for item in items if isinstance(item, str)]
    parts = [item for item in items if isinstance(item, dict)]
    texts += [str(part["text"]) for part in parts if part.get("type") == "text" and part.get("text")]
    images = sum(part.get("type") == "image_url" for part in parts)
    if not images and not any(texts):
        raise DialectError("field input is required", param="input")
    return ModerationRequest(wish.model or DEFAULT_MODEL, tuple(texts), images)


def edit_request(body: bytes, model: str) -> bytes:
    members = read_object(body)
    return edit_members(body, {} if members.get("model") == model else {"model": model})
