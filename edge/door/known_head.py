"""The head that a client says again with every request: what the parser made of it is kept, and only the body's length is new.

A client keeps its connection, its key and the twenty headers of its library; of two heads in a row only the digits of
`content-length` differ. Such a head is recognised by two comparisons of bytes, where the parser would call us for each header.
Nothing is decided here: a head is known only when the parser has read the very same bytes before, on the same connection.
"""

from typing import Any

from msgspec import Struct

from edge.door.exchange import Headers

HEAD_BYTES_MAX = 4096  # of a head that is kept, one per connection; clients with more are parsed each time
DIGITS_MAX = 15  # of a length; beyond it the parser decides
_NOT_FOUND = -1, b""
_LENGTH = b"\r\ncontent-length: "


class KnownHead(Struct):
    """A head without a body's length; what the parser made of it. Only `plan` may change."""

    before: bytes  # up to the digits of the length
    after: bytes  # from the end of the digits to the blank line
    scope: dict[str, Any]  # without headers
    headers: Headers
    length_at: int  # place of content-length among the headers
    plan: Any = None  # what the application has found out from the head alone: the same bytes say the same

    def find_end(self, data: bytes) -> tuple[int, bytes]:
        """Where the body begins in `data`, which begins with this head, and the digits of its length.

        -1: it begins with another one, or not whole.
        """
        before = self.before
        if not data.startswith(before):
            return _NOT_FOUND
        start = len(before)
        digits_end = data.find(b"\r", start, start + DIGITS_MAX + 1)
        if digits_end < 0 or not data.startswith(self.after, digits_end):
            return _NOT_FOUND
        digits = data[start:digits_end]
        return (digits_end + len(self.after), digits) if digits.isdigit() else _NOT_FOUND

    def scope_with(self, length: bytes) -> dict[str, Any]:
        """The ASGI scope of a request whose body has this length."""
        headers = self.headers.copy()
        headers[self.length_at] = (b"content-length", length)
        return {**self.scope, "headers": headers}


def learn_head(data: bytes, scope: dict[str, Any]) -> KnownHead | None:
    """From a request whose head the parser has accepted and after which the connection stays. None: its like is always parsed.

    `data`: what was read, beginning with the head.
    """
    headers: Headers = scope["headers"]
    lengths = [place for place, (name, _) in enumerate(headers) if name == b"content-length"]
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) + 4
    start = data[:end].lower().find(_LENGTH) + len(_LENGTH)
    digits_end = data.find(b"\r", start)
    if (
        len(lengths) != 1
        or end < 4
        or start < len(_LENGTH)
        or data[start:digits_end] != headers[lengths[0]][1]
        or scope["http_version"] != "1.1"
        or not _UNUSUAL.isdisjoint(name for name, _ in headers)
    ):
        return None
    kept = {**scope, "headers": []}
    return KnownHead(data[:start], data[digits_end:end], kept, headers.copy(), lengths[0])


_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
