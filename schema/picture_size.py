"""Width and height of a picture from its first bytes: PNG, GIF, JPEG and WebP, without decoding it.

Sources: PNG 1.2 (IHDR), GIF89a (logical screen), JPEG T.81 (SOFn segments), RFC 9649 (WebP).
"""

import base64
import struct

HEAD_BYTES = 64 * 1024  # of a picture that are looked at; a JPEG may carry a thumbnail before its size


def size_of_base64(data: str) -> tuple[int, int] | None:
    """(width, height) in pixels of base64 content; None for what is no picture that we know."""
    try:
        return size_of(base64.b64decode(data[: HEAD_BYTES // 3 * 4]))
    except ValueError:
        return None


def size_of(head: bytes) -> tuple[int, int] | None:
    """`head`: the first HEAD_BYTES of a picture, or all of it. A side of zero counts as unknown."""
    try:
        found = _read(head)
    except (struct.error, IndexError):
        return None
    return found if found and min(found) > 0 else None


def _read(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from("!II", head, 16)
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", head, 6)
        return width, height
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at < len(head):
        if head[at] != 0xFF:
            return None
        mark = head[at + 1]
        if mark == 0xFF:  # fill byte
            at += 1
            continue
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from("!HH", head, at + 5)
            return width, height
        alone = mark == 0x01 or 0xD0 <= mark <= 0xD8
        at += 2 if alone else 2 + struct.unpack_from("!H", head, at + 2)[0]
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if len(head) < (25 if kind == b"VP8L" else 30):
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
