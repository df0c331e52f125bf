"""Structs of Chat Completions requests and answers: only the members we use.

Source: OpenAI API reference, Chat; DeepSeek (reasoning_content), OpenRouter (reasoning, cache_control), Google's
OpenAI-compatible face (extra_content.google.thought_signature).
"""

from typing import Any

from msgspec import Struct

from schema.dialects.openai.usage import Usage


class ImageUrl(Struct, frozen=True):
    url: str = ""
    detail: str | None = None


class InputAudio(Struct, frozen=True):
    data: str = ""
    format: str = ""


class FilePart(Struct, frozen=True):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class Part(Struct, frozen=True):
    type: str = "text"
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FilePart | None = None
    refusal: str | None = None
    cache_control: dict[str, Any] | None = None


class FunctionCall(Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(Struct, frozen=True):
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    index: int | None = None
    extra_content: dict[str, Any] | None = None


class Message(Struct, frozen=True):
    role: str = ""
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class FunctionSpec(Struct, frozen=True):
    name: str = ""
    description: str | None = None
    parameters: Any = None
    strict: bool | None = None


class ToolSpec(Struct, frozen=True):
    type: str = "function"
    function: FunctionSpec | None = None
    cache_control: dict[str, Any] | None = None


class JsonSchema(Struct, frozen=True):
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True):
    type: str = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class ReasoningWish(Struct, frozen=True):
    """OpenRouter's `reasoning`."""

    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class ThinkingWish(Struct, frozen=True):
    """`thinking` as Claude, DeepSeek, Zhipu and Volcano write it."""

    type: str = ""
    budget_tokens: int | None = None


class ChatRequest(Struct, frozen=True):
    model: str = ""
    messages: list[Message] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, Any] | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionSpec] | None = None
    function_call: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningWish | None = None
    thinking: ThinkingWish | None = None
    modalities: list[str] | None = None
    user: str | None = None
    web_search_options: dict[str, Any] | None = None


# --- answers ---


class Annotation(Struct, frozen=True):
    type: str = ""
    url_citation: dict[str, Any] | None = None


class AnswerAudio(Struct, frozen=True):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class AnswerImage(Struct, frozen=True):
    image_url: ImageUrl | None = None


class AnswerMessage(Struct, frozen=True):
    """Also a stream's delta."""

    role: str | None = None
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    annotations: list[Annotation] | None = None
    audio: AnswerAudio | None = None
    images: list[AnswerImage] | None = None


class AnswerChoice(Struct, frozen=True):
    index: int | None = None
    message: AnswerMessage | None = None
    delta: AnswerMessage | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    usage: Usage | None = None  # Moonshot puts a stream's usage here
    text: str | None = None  # legacy completions


class ChatAnswer(Struct, frozen=True):
    """Also a stream's chunk."""

    id: str | int | None = None
    model: str | None = None
    created: Any = None  # Unix s; servers also send fractions and text
    choices: list[AnswerChoice] | None = None
    usage: Usage | None = None
    error: Any = None
    citations: list[Any] | None = None  # Perplexity: URLs

    @property
    def created_s(self) -> int:
        return int(self.created) if isinstance(self.created, int | float) else 0
