"""Structs of Messages requests, answers and stream events: only the members we use.

Source: Anthropic API reference, Messages, create and streaming; the official Python SDK's types.
"""

from typing import Any

from msgspec import Struct

from schema.dialects.claude.usage import Usage


class Source(Struct, frozen=True):
    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Any = None


class Block(Struct, frozen=True):
    type: str = "text"
    text: str | None = None
    source: Any = None  # Source; search_result has plain text here
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    title: str | None = None
    citations: Any = None
    cache_control: dict[str, Any] | None = None


class Message(Struct, frozen=True):
    role: str = ""
    content: str | list[Block] | None = None


class ToolSpec(Struct, frozen=True):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None


class ToolChoice(Struct, frozen=True):
    type: str = "auto"
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingWish(Struct, frozen=True):
    type: str = ""
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(Struct, frozen=True):
    type: str = ""
    schema: dict[str, Any] | None = None


class OutputConfig(Struct, frozen=True):
    effort: str | None = None
    format: OutputFormat | None = None


class Metadata(Struct, frozen=True):
    user_id: str | None = None


class MessagesRequest(Struct, frozen=True):
    model: str = ""
    messages: list[Message] | None = None
    system: str | list[Block] | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingWish | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: Metadata | None = None


# --- answers ---


class AnswerBlock(Struct, frozen=True):
    """Also `content_block` of a stream's content_block_start."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    citations: list[dict[str, Any]] | None = None


class Answer(Struct, frozen=True):
    id: str | None = None
    type: str | None = None
    model: str | None = None
    content: list[AnswerBlock] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    error: Any = None


class Delta(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class StreamEvent(Struct, frozen=True):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: AnswerBlock | None = None
    message: Answer | None = None
    usage: Usage | None = None
    error: Any = None
