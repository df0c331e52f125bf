"""Events as a client or a provider writes them."""

import base64
import json
from typing import Any


def event(kind: str, **members: Any) -> bytes:
    return json.dumps({"type": kind, **members}).encode()


def audio(seconds: int) -> str:
    """pcm16 silence, base64."""
    return base64.b64encode(b"\0" * 48_000 * seconds).decode()
