"""Uploads as multipart/form-data: which fields there are, and the same body with another `model`, without copying the file.

Source: RFC 7578; RFC 2046 §5.1.1 (boundaries). Order of the parts and their headers stay the client's.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from schema.dialects.errors import DialectError

HEADER_BYTES_MAX = 16 * 1024  # of one part; more is no form
PARTS_MAX = 256  # of one form
_NAME = re.compile(r'(?<![\w*])name="((?:[^"\\]|\\.)*)"|(?<![\w*])name=([^\s;"]+)')
_FILENAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"')


class Part(Struct, frozen=True):
    """`start` and `end` bound the content in the body."""

    name: str
    filename: str | None  # None: an ordinary field
    content_type: str
    start: int
    end: int


def boundary_of(content_type: str) -> bytes:
    """Raises DialectError when the header is no form's."""
    kind, _, rest = content_type.partition(";")
    found = re.search(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', rest, re.IGNORECASE)
    if kind.strip().lower() != "multipart/form-data" or found is None:
        raise DialectError("multipart/form-data with a boundary is required", param="Content-Type")
    return (found[1] or found[2]).encode()


def read_parts(body: bytes, boundary: bytes) -> list[Part]:
    """All parts in their order. Raises DialectError for what is no well-formed form."""
    mark = b"--" + boundary
    parts: list[Part] = []
    at = 0
    if not body.startswith(mark):  # a preamble may stand before the first boundary
        at = body.find(b"\r\n" + mark) + 2
        if at < 2:
            raise DialectError("the form has no parts", param="body")
    while True:
        at += len(mark)
        if body.startswith(b"--", at):
            return parts
        head_end = body.find(b"\r\n\r\n", at, at + HEADER_BYTES_MAX)
        next_mark = -1 if head_end < 0 else body.find(b"\r\n" + mark, head_end + 2)
        if next_mark < 0 or len(parts) >= PARTS_MAX:
            raise DialectError("the form is cut off or malformed", param="body")
        parts.append(_part(body[at:head_end], min(head_end + 4, next_mark), next_mark))
        at = next_mark + 2


def _part(head: bytes, start: int, end: int) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    name_found, file_found = _NAME.search(disposition), _FILENAME.search(disposition)
    if name_found is None:
        raise DialectError("a part of the form has no name", param="body")
    filename = file_found[1] if file_found else None
    return Part(name_found[1] or name_found[2] or "", filename, headers.get("content-type", ""), start, end)


def field(body: bytes, parts: list[Part], name: str) -> str | None:
    """Text of the first ordinary field of that name."""
    found = next((part for part in parts if part.name == name and part.filename is None), None)
    return body[found.start : found.end].decode("utf-8", "replace") if found else None


def find_file(parts: list[Part], name: str = "file") -> Part | None:
    return next((part for part in parts if part.name == name and part.filename is not None), None)


def replace_fields(
    body: bytes, parts: list[Part], changes: Mapping[str, str], boundary: bytes
) -> list[bytes | memoryview]:
    """Pieces of the body with fields set, to be sent one after the other; the file's bytes are not copied.

    A field that the form lacks is put in front.
    """
    pieces: list[bytes | memoryview] = []
    known = {part.name for part in parts if part.filename is None}
    for name, value in changes.items():
        if name not in known:
            head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % (boundary, name.encode())
            pieces.append(head + value.encode() + b"\r\n")
    view, at = memoryview(body), 0
    for part in parts:
        if part.filename is None and part.name in changes:
            pieces += [view[at : part.start], changes[part.name].encode()]
            at = part.end
    pieces.append(view[at:])
    return pieces
