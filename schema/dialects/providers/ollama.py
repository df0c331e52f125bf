"""Ollama: OpenAI's paths for chat, its own for embeddings, and its native chat when `setting.ollama_native` is on.

Source: github.com/ollama/ollama/blob/main/docs/api.md and docs/openai.md.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import embeddings, neutral
from schema.dialects.base import OpenAIOptions, Target
from schema.dialects.body import encode
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.files import Fetched, put_files, urls_of
from schema.dialects.openai.errors import error_of
from schema.dialects.providers.answers import read_embed_request
from schema.dialects.providers.base import Call, ChannelView, NeedsFiles
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.plain_text import Format, SSEReader, given
from schema.dialects.providers.template import Draft
from schema.dialects.providers.wires import Formats
from schema.dialects.registry import get_dialect
from schema.dialects.system_prompt import with_system_prompt
from schema.usage import TokenUsage


class OllamaProvider(OpenAILike):
    def __init__(self) -> None:
        options = OpenAIOptions(developer_role=False, reasoning_prefixes=(), top_k=True)
        super().__init__("ollama", Quirks("Ollama", "http://localhost:11434", modes=CHAT_EMBED, options=options))

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if draft.path.startswith("/api/"):
            return (channel.base_url or self.base_url).rstrip("/").removesuffix("/v1") + draft.path
        return super().address(draft, call, channel)

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        body = embeddings.write_ollama_request(read_embed_request(call), call.upstream_model)
        return Draft(body, path="/api/embed", wire="ollama", model=call.upstream_model)

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        if not channel.setting.get("ollama_native"):
            return super().chat(call, channel, files)
        client = get_dialect(call.client_dialect)
        request = client.read_request(call.body, path_model=call.upstream_model, stream=call.stream)
        wanted = [url for url in urls_of(request) if url not in (files or {})]
        if wanted:
            return NeedsFiles(tuple(wanted))
        target = self.target(call, channel)
        body = write_native(with_system_prompt(put_files(request, files or {}), target.system_prompt), target)
        return Draft(
            body, path="/api/chat", wire="ollama", framing="json_lines", stream=call.stream, model=target.model
        )


def write_native(request: neutral.Request, target: Target) -> bytes:
    messages: list[dict[str, Any]] = [{"role": "system", "content": text.text} for text in request.system]
    for turn in request.turns:
        messages += _messages(turn, target)
    sampling = request.sampling
    options = given(
        seed=sampling.seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        num_predict=request.max_tokens,
        stop=list(sampling.stop) or None,
    )
    extra = request.extra.get("options")
    body: dict[str, Any] = {"model": target.model, "messages": messages, "stream": request.stream}
    if isinstance(extra, dict):
        options |= extra
    if options:
        body["options"] = options
    functions = [tool for tool in request.tools if isinstance(tool, neutral.Function)]
    if functions:
        body["tools"] = [{"type": "function", "function": _function(function)} for function in functions]
    if request.response_format is not None and request.response_format.kind != "text":
        body["format"] = request.response_format.schema or "json"
    if request.reasoning is not None and request.reasoning.mode in ("on", "off"):
        body["think"] = request.reasoning.mode == "on"
    return encode(body)


def _function(function: neutral.Function) -> dict[str, Any]:
    parameters = function.parameters or {"type": "object", "properties": {}}
    return {"name": function.name, "description": function.description, "parameters": parameters}


def _messages(turn: neutral.Turn, target: Target) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    message: dict[str, Any] = {"role": turn.role, "content": neutral.text_of(turn.blocks)}
    images, calls = [], []
    for block in turn.blocks:
        match block:
            case neutral.Image(data=str(data)) if data:
                images.append(data)
            case neutral.ToolCall():
                function = {"name": block.name, "arguments": neutral.arguments_object(block.arguments)}
                calls.append({"function": function})
            case neutral.ToolResult():
                text = neutral.text_of(block.content)
                results.append({"role": "tool", "content": text, "tool_name": block.name})
            case neutral.Text() | neutral.Thinking():
                pass
            case _:
                raise Unsupported(type(block).__name__.lower(), target.name)
    if images:
        message["images"] = images
    if calls:
        message["tool_calls"] = calls
    return results + ([message] if message["content"] or images or calls else [])


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: Any = None


class _Call(Struct, frozen=True):
    function: _Function = _Function()


class _Message(Struct, frozen=True):
    content: str = ""
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(Struct, frozen=True):
    model: str = ""
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Line).decode


def _usage(line: _Line) -> TokenUsage | None:
    if not line.prompt_eval_count and not line.eval_count:
        return None
    return TokenUsage(input_text=line.prompt_eval_count or 0, output_text=line.eval_count or 0)


def _finish(line: _Line, called: bool) -> neutral.Finish:
    return "tool_calls" if called else "length" if line.done_reason == "length" else "stop"


def read_answer(body: bytes) -> neutral.Answer:
    try:
        line = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        line = _Line(error="the upstream's answer cannot be read")
    if line.error or line.message is None:
        raise BadAnswer(error_of(line.error or "the upstream's answer has no message", status=0))
    blocks: list[neutral.Block] = []
    if line.message.thinking:
        blocks.append(neutral.Thinking(line.message.thinking))
    if line.message.content:
        blocks.append(neutral.Text(line.message.content))
    calls = line.message.tool_calls or []
    for at, call in enumerate(calls):
        blocks.append(neutral.ToolCall(f"call_{at}_{call.function.name}", call.function.name, _arguments(call)))
    choice = neutral.Choice(tuple(blocks), _finish(line, bool(calls)))
    return neutral.Answer(model=line.model, choices=(choice,), usage=_usage(line))


def _arguments(call: _Call) -> str:
    held = call.function.arguments
    return held if isinstance(held, str) else neutral.json_text(held or {})


class LineReader(SSEReader):
    """One JSON line is one piece; calls come whole."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._count = 0

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            line = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if line.error:
            return [neutral.Failed(error_of(line.error, status=0))]
        events: list[neutral.Event] = [] if self._started else [neutral.Start(model=line.model)]
        self._started = True
        if line.message is not None:
            if line.message.thinking:
                events.append(neutral.ThinkingDelta(line.message.thinking))
            if line.message.content:
                events.append(neutral.TextDelta(line.message.content))
            for call in line.message.tool_calls or ():
                i, self._count = self._count, self._count + 1
                name = call.function.name
                events += [
                    neutral.ToolStart(i, f"call_{i}_{name}", name),
                    neutral.ToolArgs(i, _arguments(call)),
                    neutral.ToolStop(i),
                ]
        if line.done:
            self.finished = True
            usage = _usage(line)
            if usage is not None:
                events.append(neutral.UsageEvent(usage))
            events.append(neutral.Finished(_finish(line, self._count > 0)))
        return events


Formats.held["ollama"] = Format(read_answer, LineReader)
