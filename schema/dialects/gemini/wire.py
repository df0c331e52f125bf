"""Structs of generateContent requests and answers: only the members we use.

Source: Gemini API reference, generateContent; google-genai SDK types. The API takes snake_case names as well as camelCase:
`camel_members` brings the former into the latter.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Blob(Struct, frozen=True, rename="camel"):
    mime_type: str = ""
    data: str = ""


class FileData(Struct, frozen=True, rename="camel"):
    mime_type: str | None = None
    file_uri: str = ""


class FunctionCall(Struct, frozen=True):
    name: str = ""
    args: dict[str, Any] | None = None
    id: str | None = None


class FunctionResponse(Struct, frozen=True):
    name: str = ""
    response: Any = None
    id: str | None = None


class ExecutableCode(Struct, frozen=True):
    language: str | None = None
    code: str = ""


class CodeResult(Struct, frozen=True):
    outcome: str | None = None
    output: str | None = None


class Part(Struct, frozen=True, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeResult | None = None


class Content(Struct, frozen=True):
    role: str | None = None
    parts: list[Part] | Part | None = None


class Declaration(Struct, frozen=True, rename="camel"):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class ToolSpec(Struct, frozen=True, rename="camel"):
    function_declarations: list[Declaration] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None


class CallingConfig(Struct, frozen=True, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Struct, frozen=True, rename="camel"):
    function_calling_config: CallingConfig | None = None


class ThinkingConfig(Struct, frozen=True, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(Struct, frozen=True, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: Any = None
    response_modalities: list[str] | None = None
    thinking_config: ThinkingConfig | None = None


class GenerateRequest(Struct, frozen=True, rename="camel"):
    contents: list[Content] | Content | str | None = None
    system_instruction: Content | str | None = None
    tools: list[ToolSpec] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    model: str | None = None


# --- answers ---


class ModalityCount(Struct, frozen=True, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class Usage(Struct, frozen=True, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None


class WebChunk(Struct, frozen=True):
    uri: str | None = None
    title: str | None = None


class GroundingChunk(Struct, frozen=True):
    web: WebChunk | None = None


class Grounding(Struct, frozen=True, rename="camel"):
    grounding_chunks: list[GroundingChunk] | None = None


class Candidate(Struct, frozen=True, rename="camel"):
    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    grounding_metadata: Grounding | None = None


class PromptFeedback(Struct, frozen=True, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class GenerateAnswer(Struct, frozen=True, rename="camel"):
    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


def parts_of(content: Content | None) -> list[Part]:
    if content is None or content.parts is None:
        return []
    return content.parts if isinstance(content.parts, list) else [content.parts]


# Members below these names belong to the client: their spelling is not ours to change.
_OPEN = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)


def camel_members(value: Any) -> Any:
    """snake_case member names to camelCase, everywhere but inside the client's own data."""
    if isinstance(value, list):
        return [camel_members(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed: dict[str, Any] = {}
    for name, held in value.items():
        camel = _camel(name) if "_" in name else name
        renamed[camel] = held if camel in _OPEN else camel_members(held)
    return renamed


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join([word.capitalize() for word in rest])


decode_answer = msgspec.json.Decoder(GenerateAnswer, strict=False).decode
