"""Asking how many tokens a prompt has: Claude's count_tokens and Gemini's countTokens, answered from a local count.

Sources: Anthropic API reference, count message tokens; Gemini API reference, countTokens.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode, read_object
from schema.dialects.claude.request_reader import read_request as read_claude
from schema.dialects.errors import DialectError
from schema.dialects.gemini.request_reader import read_request as read_gemini


class Countable(Struct, frozen=True):
    """What a tokenizer needs of a request. Pictures and files are counted by their own arithmetic."""

    texts: tuple[str, ...]  # system, texts, thinking, calls with their arguments, results
    tools: tuple[str, ...]  # name, description and schema of each
    roles: tuple[str, ...]  # of the turns, in order
    images: tuple[neutral.Image, ...] = ()
    audios: int = 0
    documents: tuple[neutral.Document, ...] = ()


def read_count_request(dialect: str, body: bytes, *, path_model: str = "") -> neutral.Request:
    """`claude` or `gemini`. Gemini's may wrap a whole generateContent request."""
    if dialect == "claude":
        return read_claude(body, path_model=path_model)
    members = read_object(body)
    wrapped = members.get("generateContentRequest", members.get("generate_content_request"))
    if wrapped is not None and not isinstance(wrapped, dict):
        raise DialectError("generateContentRequest must be an object", param="generateContentRequest")
    return read_gemini(encode(wrapped) if wrapped is not None else body, path_model=path_model)


def write_count(dialect: str, tokens: int) -> bytes:
    return encode({"input_tokens": tokens} if dialect == "claude" else {"totalTokens": tokens})


class _Count(Struct, frozen=True, rename="camel"):
    total_tokens: int | None = None
    input_tokens: int | None = msgspec.field(default=None, name="input_tokens")


def read_count(body: bytes) -> int | None:
    """The provider's own count; None when the answer has none."""
    try:
        answer = msgspec.json.decode(body, type=_Count)
    except UNREADABLE:
        return None
    return answer.input_tokens if answer.input_tokens is not None else answer.total_tokens


def countable(request: neutral.Request) -> Countable:
    texts = [text.text for text in request.system]
    images: list[neutral.Image] = []
    documents: list[neutral.Document] = []
    audios = 0
    for block in _blocks(request):
        match block:
            case neutral.Text() | neutral.Thinking():
                texts.append(block.text)
            case neutral.ToolCall():
                texts += [block.name, block.arguments]
            case neutral.Image():
                images.append(block)
            case neutral.Document():
                documents.append(block)
            case neutral.Audio():
                audios += 1
    return Countable(
        tuple(texts),
        tuple([_tool_text(tool) for tool in request.tools]),
        tuple([turn.role for turn in request.turns]),
        tuple(images),
        audios,
        tuple(documents),
    )


def _blocks(request: neutral.Request) -> list[neutral.Block]:
    found: list[neutral.Block] = []
    for turn in request.turns:
        for block in turn.blocks:
            found += block.content if isinstance(block, neutral.ToolResult) else (block,)
    return found


def _tool_text(tool: neutral.Tool) -> str:
    if isinstance(tool, neutral.ServerTool):
        return tool.kind
    schema: Any = tool.parameters
    return f"{tool.name}{tool.description}{neutral.json_text(schema) if schema else ''}"
