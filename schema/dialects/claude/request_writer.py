"""The neutral form to a Messages request.

Sources: Anthropic API reference, Messages; extended and adaptive thinking guides (what may not be combined with thinking,
which models take a budget and which an effort, which refuse sampling members).
"""

import base64
import re
from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.ids import safe_tool_id
from schema.dialects.openai.request_writer import effort_of, schema_sentence
from schema.dialects.suffixes import CLAUDE_BUDGET_MIN, claude_thinking
from schema.dialects.system_prompt import with_system_prompt
from schema.dialects.turns import ends_in_unthought_tool_turn, merge_neighbours, tool_names

_TEXT_ONLY = frozenset({"text"})
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_EFFORT_BUDGET = {"low": 1280, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16_384}  # tokens
_ROOM = 1024  # tokens left for the answer beside the thinking budget
_decode_any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    return encode(request_members(request, target, dropped))


def request_members(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> dict[str, Any]:
    """The body as a dict, for hosts that put it into something else."""
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, _TEXT_ONLY, target.name)
    options, turns = target.claude, merge_neighbours(request.turns)
    body: dict[str, Any] = {}
    if options.anthropic_version:
        body["anthropic_version"] = options.anthropic_version
    else:
        body["model"] = target.model
    body["max_tokens"] = request.max_tokens or default_max_tokens(
        options.default_max_tokens, request.model, target.model
    )
    system = _system(request)
    if system:
        body["system"] = system
    body["messages"] = _messages(turns, target, keep_thinking=request.dialect == "claude")
    if request.stream and options.keep_stream:
        body["stream"] = True
    stops = [stop for stop in request.sampling.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    _write_tools(body, request, target, dropped)
    wish = target.reasoning or request.reasoning
    if request.dialect != "claude" and ends_in_unthought_tool_turn(turns):
        wish = None
    _write_thinking(body, wish, target)
    _write_sampling(body, request.sampling, target.model)
    if request.user:
        body["metadata"] = {"user_id": request.user}
    unknown = ("frequency_penalty", "presence_penalty", "seed", "n", "logprobs", "top_logprobs", "logit_bias")
    note_dropped(request, dropped, *unknown)
    return body


def default_max_tokens(defaults: Any, *names: str) -> int:
    """Option claude.default_max_tokens: by model name, else its entry `default`."""
    for name in names:
        if name in defaults:
            return int(defaults[name])
    return int(defaults.get("default", 8192))


def _system(request: neutral.Request) -> str | list[dict[str, Any]]:
    texts = list(request.system)
    sentence = schema_sentence(request.response_format) if request.response_format else ""
    if sentence:
        texts.append(neutral.Text(sentence))
    if any(text.cache_control for text in texts):
        return [_text(text) for text in texts]
    return "\n\n".join([text.text for text in texts])


def _messages(turns: list[neutral.Turn], target: Target, *, keep_thinking: bool) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in turns:
        content = [part for block in turn.blocks for part in _block(block, target, keep_thinking=keep_thinking)]
        if len(content) > 1:
            content = [part for part in content if part["type"] != "text" or part["text"].strip()]
        if not content or (content[0]["type"] == "text" and not content[0]["text"].strip()):
            content = [{"type": "text", "text": "..."}]
        plain = len(content) == 1 and content[0].keys() == {"type", "text"}
        messages.append({"role": turn.role, "content": content[0]["text"] if plain else content})
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": "..."})
    if messages[-1]["role"] == "assistant" and isinstance(messages[-1]["content"], str):
        messages[-1]["content"] = messages[-1]["content"].rstrip()  # a prefill must not end in blanks
    return messages


def _block(block: neutral.Block, target: Target, *, keep_thinking: bool) -> list[dict[str, Any]]:
    """Zero or one content block."""
    match block:
        case neutral.Text():
            return [_text(block)]
        case neutral.Image():
            return [_marked({"type": "image", "source": _image_source(block, target)}, block.cache_control)]
        case neutral.Document():
            return [_document(block, target)]
        case neutral.ToolCall():
            call = {"type": "tool_use", "id": safe_tool_id(block.id), "name": block.name, "input": _input(block)}
            return [_marked(call, block.cache_control)]
        case neutral.ToolResult():
            return [_tool_result(block, target)]
        case neutral.Thinking():
            if not keep_thinking:
                return []
            if block.redacted:
                return [{"type": "redacted_thinking", "data": block.redacted}]
            return (
                [{"type": "thinking", "thinking": block.text, "signature": block.signature}] if block.signature else []
            )
        case neutral.Audio():
            raise Unsupported("input_audio", target.name)


def _marked(block: dict[str, Any], cache_control: neutral.Json | None) -> dict[str, Any]:
    return block | {"cache_control": cache_control} if cache_control else block


def _text(block: neutral.Text) -> dict[str, Any]:
    return _marked({"type": "text", "text": block.text}, block.cache_control)


def _image_source(image: neutral.Image, target: Target) -> dict[str, Any]:
    if image.url and target.claude.url_sources:
        return {"type": "url", "url": image.url}
    if not image.data:
        raise Unsupported("images by URL" if image.url else "images by file id", target.name)
    if image.media_type not in _IMAGE_TYPES:
        raise Unsupported(f"images of type {image.media_type or 'unknown'}", target.name)
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def _document(document: neutral.Document, target: Target) -> dict[str, Any]:
    source: dict[str, Any]
    if document.text:
        source = {"type": "text", "media_type": "text/plain", "data": document.text}
    elif document.url and target.claude.url_sources:
        source = {"type": "url", "url": document.url}
    elif document.data and document.media_type == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": document.data}
    elif document.data and (document.media_type.startswith("text/") or document.media_type == "application/json"):
        source = {"type": "text", "media_type": "text/plain", "data": decoded_text(document.data)}
    elif document.file_id:
        raise Unsupported("files by id", target.name)
    else:
        raise Unsupported(f"files of type {document.media_type or 'unknown'}", target.name)
    block: dict[str, Any] = {"type": "document", "source": source}
    if document.filename:
        block["title"] = document.filename
    return _marked(block, document.cache_control)


def decoded_text(data: str) -> str:
    """Text of base64 content. Raises DialectError for what is not base64."""
    try:
        return base64.b64decode(data, validate=True).decode(errors="replace")
    except ValueError:
        raise DialectError("file_data is not base64", param="file") from None


def _input(call: neutral.ToolCall) -> msgspec.Raw:
    """The arguments as they are, once they are seen to be an object."""
    try:
        _decode_any(call.arguments)
    except UNREADABLE:
        raise DialectError(
            f"arguments of tool call {call.name!r} are not a JSON object", param="tool_calls.function.arguments"
        ) from None
    return msgspec.Raw(call.arguments.encode())


def _tool_result(result: neutral.ToolResult, target: Target) -> dict[str, Any]:
    parts = [written for part in result.content for written in _block(part, target, keep_thinking=False)]
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": safe_tool_id(result.id)}
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        block["content"] = parts[0]["text"]
    elif parts:
        block["content"] = parts
    if result.is_error:
        block["is_error"] = True
    return _marked(block, result.cache_control)


def _write_tools(body: dict[str, Any], request: neutral.Request, target: Target, dropped: list[str] | None) -> None:
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, neutral.ServerTool):
            if tool.kind == "web_search" and "no_server_tools" not in target.quirks:
                tools.append({"type": "web_search_20250305", "name": "web_search"})
            elif dropped is not None:
                dropped.append(f"tools: {tool.kind}")
            continue
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        written["input_schema"] = {"type": "object", "properties": {}} | (tool.parameters or {})
        tools.append(_marked(written, tool.cache_control))
    if not tools:
        _write_past_tools(body, request)
        return
    body["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return
    wanted: dict[str, Any] = {"type": {"required": "any", "named": "tool"}.get(choice.mode, choice.mode)}
    if choice.mode == "named":
        wanted["name"] = choice.name
    if choice.parallel is False and choice.mode != "none":
        wanted["disable_parallel_tool_use"] = True
    if choice.explicit or len(wanted) > 1:
        body["tool_choice"] = wanted


def _write_past_tools(body: dict[str, Any], request: neutral.Request) -> None:
    """A history with calls needs their tools defined (Bedrock refuses it otherwise), even if none may be used now."""
    names = dict.fromkeys(tool_names(request.turns).values())
    if names:
        body["tools"] = [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in names]
        body["tool_choice"] = {"type": "none"}


def _write_thinking(body: dict[str, Any], wish: neutral.Reasoning | None, target: Target) -> None:
    """Thinking excludes temperature, top_k and a forced tool; `max_tokens` must leave room beside the budget."""
    if wish is None or wish.mode in ("", "off") or wish.effort in ("none", "minimal"):
        return
    body.update(thinking_members(wish, target, body["max_tokens"]))
    choice = body.get("tool_choice")
    if choice is not None and choice["type"] in ("any", "tool"):
        choice["type"] = "auto"
        choice.pop("name", None)


def thinking_members(wish: neutral.Reasoning, target: Target, max_tokens: int) -> dict[str, Any]:
    """`thinking`, and the members that go with it, for a model that shall think."""
    if wants_adaptive(target.model):
        adaptive: dict[str, Any] = {"type": "adaptive"}
        if wish.include_thoughts is not False:
            adaptive["display"] = "summarized"
        effort = "max" if wish.effort == "max" else effort_of(wish)
        return {"thinking": adaptive} | ({"output_config": {"effort": effort}} if effort else {})
    if wish.budget_tokens is None and not wish.effort:
        limit, budget = claude_thinking(max_tokens, target.claude.thinking_share)
    else:
        given = wish.budget_tokens if wish.budget_tokens is not None else _EFFORT_BUDGET.get(wish.effort, 4096)
        budget = max(given, CLAUDE_BUDGET_MIN)
        enough = max_tokens > budget if wish.budget_tokens is not None else max_tokens >= budget + _ROOM
        limit = max_tokens if enough else budget + _ROOM
    return {"max_tokens": limit, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _write_sampling(body: dict[str, Any], sampling: neutral.Sampling, model: str) -> None:
    version = version_of(model)
    if version >= (4, 7):
        return  # these models refuse all three
    thinks = "thinking" in body
    if thinks:
        body["temperature"] = 1.0
    elif sampling.temperature is not None:
        body["temperature"] = min(sampling.temperature, 1.0)
    if sampling.top_p is not None and not thinks and not (version >= (4, 1) and "temperature" in body):
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None and not thinks:
        body["top_k"] = sampling.top_k


_VERSION = re.compile(r"(?<![0-9])([0-9]{1,2})(?:[.-]([0-9]{1,2}))?(?![0-9])")


def version_of(model: str) -> tuple[int, int]:
    """(major, minor) in a Claude name: claude-3-7-sonnet-20250219, claude-opus-4-1, anthropic.claude-sonnet-5; (0, 0) if none."""
    name = model.partition("claude")[2] or model
    if name.startswith("-mythos-preview"):
        return 5, 0
    found = _VERSION.search(name)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def wants_adaptive(model: str) -> bool:
    """From 4.7 on, models refuse a thinking budget and take an effort instead."""
    return version_of(model) >= (4, 7)
