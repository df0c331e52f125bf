"""Structs of Responses requests, answers and stream events: only the members we use.

Source: OpenAI API reference, Responses and Responses streaming; the official Python SDK's types.
"""

from typing import Any

from msgspec import Struct

from schema.dialects.openai.wire import InputAudio


class Part(Struct, frozen=True):
    type: str = "input_text"
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: InputAudio | None = None
    annotations: list[dict[str, Any]] | None = None


class SummaryPart(Struct, frozen=True):
    text: str = ""


class Item(Struct, frozen=True):
    """Of the input as of the output."""

    type: str = "message"
    role: str | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None  # custom_tool_call
    output: str | list[Part] | None = None
    summary: list[SummaryPart] | None = None
    encrypted_content: str | None = None
    result: str | None = None  # image_generation_call: base64


class ToolSpec(Struct, frozen=True):
    type: str = "function"
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: dict[str, Any] | None = None  # of a custom tool's input: {type, syntax, definition}


class ReasoningWish(Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None


class Format(Struct, frozen=True):
    type: str = "text"
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextWish(Struct, frozen=True):
    format: Format | None = None
    verbosity: str | None = None


class ResponsesRequest(Struct, frozen=True):
    model: str = ""
    input: str | list[Item] | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningWish | None = None
    text: TextWish | None = None
    user: str | None = None
    store: bool | None = None


# --- answers ---


class InputDetails(Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(Struct, frozen=True):
    reasoning_tokens: int | None = None


class Usage(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Incomplete(Struct, frozen=True):
    reason: str | None = None


class Response(Struct, frozen=True):
    id: str | None = None
    object: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Item] | None = None
    usage: Usage | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


class StreamEvent(Struct, frozen=True):
    type: str = ""
    delta: Any = None  # text; some providers' own events have objects here
    output_index: int = 0
    summary_index: int = 0
    item: Item | None = None
    arguments: str | None = None
    annotation: dict[str, Any] | None = None
    response: Response | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    error: Any = None
