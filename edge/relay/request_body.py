"""The body of a request: read whole within the limit, unpacked when the client sent it compressed."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from edge.relay.refusal import Refused

_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(
    receive: Callable[[], Awaitable[dict[str, Any]]], headers: Mapping[bytes, bytes], bytes_max: int
) -> bytes:
    """Raises Refused: 413 too large (unpacked size counts), 415 packing unknown, 400 not unpackable, 499 the client left."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > bytes_max:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(499, "client_gone", "The client left before its request was complete.")
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body"):
            break
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    packing = headers.get(b"content-encoding")
    return body if packing is None else _unpack(body, packing.decode("latin-1").strip().lower(), bytes_max)


async def drain(receive: Callable[[], Awaitable[dict[str, Any]]], bytes_max: int, within_s: float) -> None:
    """Read what a refused client still sends: cutting it off in the middle, most clients would never see the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while size <= bytes_max:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return


def _unpack(body: bytes, packing: str, bytes_max: int) -> bytes:
    if packing in ("", "identity"):
        return body
    window = _WINDOWS.get(packing)
    if window is None:
        raise Refused(415, "unsupported_encoding", "The body may be sent as it is, or with gzip or deflate.")
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(body, bytes_max + 1)
    except zlib.error:
        raise Refused(400, "invalid_request", f"The request body is not valid {packing}.") from None
    if len(found) > bytes_max:
        raise _too_large()
    if not unpacker.eof:
        raise Refused(400, "invalid_request", f"The request body is not valid {packing}.")
    return found


def _too_large() -> Refused:
    return Refused(413, "request_too_large", "The request body is larger than this gateway allows.")
