"""Structs of Cohere's v2 chat: requests, answers and stream events.

Source: Cohere API reference, Chat v2 and Chat with streaming v2; the official Python SDK's types. Counts are floats there.
"""

from typing import Any

from msgspec import Struct

from schema.dialects.openai.wire import FunctionSpec, ImageUrl
from schema.dialects.openai.wire import ToolCall as ToolCall


class Part(Struct, frozen=True):
    type: str = "text"
    text: str | None = None
    thinking: str | None = None
    image_url: ImageUrl | None = None
    document: dict[str, Any] | None = None


class Message(Struct, frozen=True):
    role: str = ""
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None
    tool_call_id: str | None = None


class ToolSpec(Struct, frozen=True):
    type: str = "function"
    function: FunctionSpec | None = None


class Format(Struct, frozen=True):
    type: str = "text"
    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


class ThinkingWish(Struct, frozen=True):
    type: str = ""
    token_budget: int | None = None


class ChatRequest(Struct, frozen=True):
    model: str = ""
    messages: list[Message] | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    p: float | None = None
    k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] | None = None
    logprobs: bool | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: str | None = None
    response_format: Format | None = None
    thinking: ThinkingWish | None = None


# --- answers ---


class Counts(Struct, frozen=True):
    input_tokens: float | None = None
    output_tokens: float | None = None


class Usage(Struct, frozen=True):
    billed_units: Counts | None = None
    tokens: Counts | None = None
    cached_tokens: float | None = None


class Source(Struct, frozen=True):
    id: str | None = None
    document: dict[str, Any] | None = None


class Citation(Struct, frozen=True):
    start: int | None = None
    end: int | None = None
    text: str | None = None
    sources: list[Source] | None = None


class AnswerMessage(Struct, frozen=True):
    """Of a plain answer. Stream deltas have single objects where this has lists."""

    content: list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None
    citations: list[Citation] | None = None


class Answer(Struct, frozen=True):
    id: str | None = None
    message: AnswerMessage | str | None = None  # text: an error
    finish_reason: str | None = None
    usage: Usage | None = None


class DeltaMessage(Struct, frozen=True):
    content: Part | list[Part] | None = None
    tool_calls: ToolCall | list[ToolCall] | None = None
    tool_plan: str | None = None
    citations: Citation | list[Citation] | None = None


class Delta(Struct, frozen=True):
    message: DeltaMessage | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    error: str | None = None


class StreamEvent(Struct, frozen=True):
    type: str = ""
    id: str | None = None
    index: int | None = None
    delta: Delta | None = None
