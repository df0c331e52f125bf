"""Answers that need no call: browsers asking what they may send, and addresses that nothing stands behind."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from edge.relay.request_id import new_request_id
from schema.dialects.registry import get_dialect

Send = Callable[[dict[str, Any]], Awaitable[None]]
ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"*, Authorization"),  # the wildcard does not stand for Authorization
    (b"access-control-max-age", b"86400"),
]


async def answer_preflight(send: Send) -> None:
    """Source: Fetch standard, "CORS protocol". Keys are sent by scripts, never by cookies, so every origin may ask."""
    await send({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
    await send({"type": "http.response.body", "body": b""})


async def refuse_address(send: Send, status: int, method: str, path: str) -> None:
    """404 unknown, 405 known but not with this method, or 426 a WebSocket's address."""
    name = new_request_id(time.time_ns())
    text = f"{path} takes WebSockets only" if status == 426 else f"Invalid URL ({method} {path})"
    body = get_dialect("openai").write_error(status, "", text, type="invalid_request_error", request_id=name)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        ANY_ORIGIN,
        (b"x-oneapi-request-id", name.encode()),
        *([(b"allow", b"POST, OPTIONS")] if status == 405 else []),
        *([(b"upgrade", b"websocket")] if status == 426 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
