"""Bedrock's Converse API, for the models of Amazon, Meta, Mistral, DeepSeek and others: one shape for all.

Source: docs.aws.amazon.com/bedrock/latest/APIReference: Converse, ConverseStream, ContentBlock, TokenUsage (input tokens exclude
cache reads and writes).
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, Meter, Target
from schema.dialects.body import encode
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.ids import safe_tool_id
from schema.dialects.openai.errors import error_of
from schema.dialects.openai.request_writer import schema_sentence
from schema.dialects.providers.wires import Formats, NoMeter
from schema.dialects.system_prompt import with_system_prompt
from schema.dialects.turns import merge_neighbours
from schema.usage import TokenUsage

_FINISH: dict[str, neutral.Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}


# --- request ---


def write_converse(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    """Model and streaming stand in the URL. Raises Unsupported."""
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, frozenset({"text"}), target.name)
    body: dict[str, Any] = {"messages": [_message(turn, target) for turn in merge_neighbours(request.turns)]}
    system = [{"text": text.text} for text in request.system]
    sentence = schema_sentence(request.response_format) if request.response_format else ""
    if sentence:
        system.append({"text": sentence})
    if system:
        body["system"] = system
    config = {
        "maxTokens": request.max_tokens,
        "temperature": request.sampling.temperature,
        "topP": request.sampling.top_p,
        "stopSequences": list(request.sampling.stop) or None,
    }
    config = {name: value for name, value in config.items() if value is not None}
    if config:
        body["inferenceConfig"] = config
    functions = [tool for tool in request.tools if isinstance(tool, neutral.Function)]
    if functions and not (request.tool_choice and request.tool_choice.mode == "none"):
        body["toolConfig"] = _tool_config(functions, request.tool_choice)
    note_dropped(
        request, dropped, "top_k", "seed", "n", "frequency_penalty", "presence_penalty", "logprobs", "logit_bias"
    )
    return encode(body)


def _tool_config(functions: list[neutral.Function], choice: neutral.ToolChoice | None) -> dict[str, Any]:
    specs = []
    for function in functions:
        spec: dict[str, Any] = {
            "name": function.name,
            "inputSchema": {"json": function.parameters or {"type": "object", "properties": {}}},
        }
        if function.description:
            spec["description"] = function.description
        specs.append({"toolSpec": spec})
    config: dict[str, Any] = {"tools": specs}
    if choice is not None and choice.explicit:
        match choice.mode:
            case "required":
                config["toolChoice"] = {"any": {}}
            case "named":
                config["toolChoice"] = {"tool": {"name": choice.name}}
    return config


def _message(turn: neutral.Turn, target: Target) -> dict[str, Any]:
    content = [piece for block in turn.blocks if (piece := _block(block, target)) is not None]
    return {"role": turn.role, "content": content or [{"text": "..."}]}


def _block(block: neutral.Block, target: Target) -> dict[str, Any] | None:
    match block:
        case neutral.Text():
            return {"text": block.text} if block.text else None
        case neutral.Image():
            kind = _IMAGES.get(block.media_type)
            if not block.data or kind is None:
                raise Unsupported(f"pictures of type {block.media_type or 'unknown'}", target.name)
            return {"image": {"format": kind, "source": {"bytes": block.data}}}
        case neutral.Document():
            return {"document": _document(block, target)}
        case neutral.ToolCall():
            value = neutral.arguments_object(block.arguments)
            return {"toolUse": {"toolUseId": safe_tool_id(block.id), "name": block.name, "input": value}}
        case neutral.ToolResult():
            pieces = [piece for part in block.content if (piece := _block(part, target)) is not None]
            result: dict[str, Any] = {"toolUseId": safe_tool_id(block.id), "content": pieces or [{"text": ""}]}
            return {"toolResult": result | ({"status": "error"} if block.is_error else {})}
        case neutral.Thinking():
            return None  # other models' thoughts are refused
    raise Unsupported("audio", target.name)


def _document(block: neutral.Document, target: Target) -> dict[str, Any]:
    kind = _DOCUMENTS.get(block.media_type) or ("txt" if block.text else None)
    if kind is None or not (block.data or block.text):
        raise Unsupported(f"files of type {block.media_type or 'unknown'}", target.name)
    name = "".join([char if char.isalnum() or char in " -()[]" else "-" for char in block.filename]) or "document"
    if block.data:
        return {"format": kind, "name": name, "source": {"bytes": block.data}}
    return {"format": kind, "name": name, "source": {"text": block.text}}


# --- answers ---


class _CacheDetail(Struct, frozen=True, rename="camel"):
    input_tokens: int = 0
    ttl: str = ""  # 5m or 1h


class _Usage(Struct, frozen=True, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[_CacheDetail] | None = None  # of what was written, by lifetime


class _ToolUse(Struct, frozen=True, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Any = None


class _ReasoningText(Struct, frozen=True):
    text: str = ""
    signature: str | None = None


class _Reasoning(Struct, frozen=True, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    text: str | None = None  # in streams
    signature: str | None = None


class _Block(Struct, frozen=True, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _Message(Struct, frozen=True):
    content: list[_Block] = []


class _Output(Struct, frozen=True):
    message: _Message | None = None


class _Answer(Struct, frozen=True, rename="camel"):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    message: str | None = None


class _Start(Struct, frozen=True, rename="camel"):
    start: _Block = _Block()
    content_block_index: int = 0


class _DeltaTool(Struct, frozen=True):
    input: str = ""


class _Delta(Struct, frozen=True, rename="camel"):
    text: str | None = None
    tool_use: _DeltaTool | None = None
    reasoning_content: _Reasoning | None = None


class _BlockDelta(Struct, frozen=True, rename="camel"):
    delta: _Delta = _Delta()
    content_block_index: int = 0


class _Stop(Struct, frozen=True, rename="camel"):
    content_block_index: int = 0


class _MessageStop(Struct, frozen=True, rename="camel"):
    stop_reason: str | None = None


class _Metadata(Struct, frozen=True):
    usage: _Usage | None = None


class _Event(Struct, frozen=True, rename="camel"):
    """A frame's payload under its event type; or an error, as `signing.eventstream` writes it."""

    message_start: Any = None
    content_block_start: _Start | None = None
    content_block_delta: _BlockDelta | None = None
    content_block_stop: _Stop | None = None
    message_stop: _MessageStop | None = None
    metadata: _Metadata | None = None
    error: Any = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def _usage(usage: _Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    written = usage.cache_write_input_tokens or 0
    hour = sum([max(part.input_tokens, 0) for part in usage.cache_details or () if part.ttl == "1h"])
    hour = min(hour, max(written, 0))
    return TokenUsage(
        input_text=usage.input_tokens,
        input_cached=usage.cache_read_input_tokens or 0,
        input_cache_write=written - hour,
        output_text=usage.output_tokens,
        input_cache_write_1h=hour,
    )


def read_answer(body: bytes) -> neutral.Answer:
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _Answer()
    if answer.output is None or answer.output.message is None:
        text = answer.message or "the upstream's answer cannot be read"
        raise BadAnswer(neutral.UpstreamError(text, "upstream_error", "bad_response_body"))
    blocks: list[neutral.Block] = []
    for block in answer.output.message.content:
        if block.reasoning_content is not None and block.reasoning_content.reasoning_text is not None:
            held = block.reasoning_content.reasoning_text
            blocks.append(neutral.Thinking(held.text, held.signature or ""))
        if block.text:
            blocks.append(neutral.Text(block.text))
        if block.tool_use is not None:
            call = block.tool_use
            arguments = neutral.json_text(call.input if call.input is not None else {})
            blocks.append(neutral.ToolCall(call.tool_use_id, call.name, arguments))
    finish = _FINISH.get(answer.stop_reason or "", "stop")
    return neutral.Answer(choices=(neutral.Choice(tuple(blocks), finish),), usage=_usage(answer.usage))


class ConverseReader:
    """Events of ConverseStream; the metadata with the usage comes after messageStop."""

    def __init__(self) -> None:
        self.finished = False
        self._calls: dict[int, int] = {}  # content block -> tool call
        self._filled: set[int] = set()

    def feed(self, data: bytes) -> list[neutral.Event]:
        return self.read(data)

    def close(self) -> list[neutral.Event]:
        return []

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            event = _decode_event(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if event.error:
            return [neutral.Failed(error_of(event.error, status=0))]
        if event.message_start is not None:
            return [neutral.Start()]
        if event.content_block_start is not None:
            return self._start(event.content_block_start)
        if event.content_block_delta is not None:
            return self._delta(event.content_block_delta)
        if event.content_block_stop is not None:
            return self._stop(event.content_block_stop.content_block_index)
        if event.message_stop is not None:
            self.finished = True
            return [neutral.Finished(_FINISH.get(event.message_stop.stop_reason or "", "stop"))]
        usage = _usage(event.metadata.usage) if event.metadata else None
        return [neutral.UsageEvent(usage)] if usage else []

    def _start(self, start: _Start) -> list[neutral.Event]:
        call = start.start.tool_use
        if call is None:
            return []
        i = self._calls[start.content_block_index] = len(self._calls)
        return [neutral.ToolStart(i, call.tool_use_id, call.name)]

    def _delta(self, held: _BlockDelta) -> list[neutral.Event]:
        delta = held.delta
        if delta.text:
            return [neutral.TextDelta(delta.text)]
        if delta.tool_use is not None and held.content_block_index in self._calls:
            i = self._calls[held.content_block_index]
            if delta.tool_use.input:
                self._filled.add(i)
                return [neutral.ToolArgs(i, delta.tool_use.input)]
        thoughts = delta.reasoning_content
        if thoughts is None:
            return []
        if thoughts.text:
            return [neutral.ThinkingDelta(thoughts.text)]
        return [neutral.Signature(thoughts.signature)] if thoughts.signature else []

    def _stop(self, block: int) -> list[neutral.Event]:
        i = self._calls.get(block)
        if i is None:
            return []
        empty: list[neutral.Event] = [] if i in self._filled else [neutral.ToolArgs(i, "{}")]
        return [*empty, neutral.ToolStop(i)]


class Converse:
    read_answer = staticmethod(read_answer)

    def event_reader(self) -> EventReader:
        return ConverseReader()

    def meter(self) -> Meter:
        return NoMeter()


Formats.held["converse"] = Converse()
