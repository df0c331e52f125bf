"""Pictures and files by URL: which ones a request names, and the same request with their content put in."""

import base64
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from schema.dialects.neutral import Audio, Block, Document, Image, Request, ToolResult, Turn


class Fetched(Struct, frozen=True):
    """Content of a URL, fetched by the shell under its guard."""

    data: str  # base64
    media_type: str  # as sniffed from the bytes, else as declared


AnyBlock = TypeVar("AnyBlock", bound=Block)


def urls_of(request: Request, *, images: bool = True, documents: bool = True) -> list[str]:
    """Distinct URLs in order of appearance."""
    found: dict[str, None] = {}
    for turn in request.turns:
        for block in _flat(turn.blocks):
            if (isinstance(block, Image) and images and block.url) or (
                isinstance(block, Document | Audio) and documents and block.url
            ):
                found[block.url] = None
    return list(found)


def put_files(request: Request, files: Mapping[str, Fetched]) -> Request:
    """The request with every URL that `files` knows replaced by its content."""
    if not files:
        return request
    turns = tuple(
        Turn(turn.role, tuple(_filled(block, files) for block in turn.blocks), turn.name) for turn in request.turns
    )
    return msgspec.structs.replace(request, turns=turns)


def _flat(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, ToolResult):
            yield from block.content


def _filled(block: AnyBlock, files: Mapping[str, Fetched]) -> AnyBlock:
    if isinstance(block, ToolResult):
        return msgspec.structs.replace(block, content=tuple(_filled(part, files) for part in block.content))
    if isinstance(block, Image | Document | Audio) and block.url in files:
        content = files[block.url]
        return msgspec.structs.replace(block, url="", data=content.data, media_type=content.media_type)
    return block


def split_data_uri(uri: str) -> tuple[str, str] | None:
    """(media type, base64) of a `data:` URI, None for anything else. A media type may be ''."""
    if not uri.startswith("data:"):
        return None
    head, comma, data = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        return None
    return head[5:-7].split(";")[0], data


_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


def sniff_base64(data: str) -> str:
    """Media type by the magic bytes of base64 content; '' when unknown."""
    try:
        head = base64.b64decode(data[:16])
    except ValueError:
        return ""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "")
    return next((media_type for magic, media_type in _MAGIC if head.startswith(magic)), "")
