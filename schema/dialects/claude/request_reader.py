"""A Messages request to the neutral form.

Source: Anthropic API reference, Messages; tool reference (bash, text editor: the schemas that the model knows by name).
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.body import read_object, read_struct, rest_of
from schema.dialects.claude import wire
from schema.dialects.errors import DialectError
from schema.dialects.openai.request_reader import MAX_TOKENS_MAX

# Tools that the client runs and whose schema only Claude knows: for other models it is written out.
_CLIENT_TOOLS: dict[str, tuple[str, neutral.Json]] = {
    "bash": (
        "Run a command in a persistent bash session.",
        {
            "type": "object",
            "properties": {"command": {"type": "string"}, "restart": {"type": "boolean"}},
        },
    ),
    "text_editor": (
        "View, create and edit text files.",
        {
            "type": "object",
            "properties": {
                "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
                "path": {"type": "string"},
                "file_text": {"type": "string"},
                "old_str": {"type": "string"},
                "new_str": {"type": "string"},
                "insert_line": {"type": "integer"},
                "insert_text": {"type": "string"},
                "view_range": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["command", "path"],
        },
    ),
}
_SERVER_TOOLS = {"web_search": "web_search", "web_fetch": "url_context", "code_execution": "code_execution"}


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    members = read_object(body)
    wish = read_struct(members, wire.MessagesRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.messages:
        raise DialectError("field messages is required", param="messages")
    if wish.max_tokens is not None and not 0 <= wish.max_tokens <= MAX_TOKENS_MAX:
        raise DialectError("max_tokens is invalid", param="max_tokens")
    system, turns = _messages(wish)
    return neutral.Request(
        model=model,
        system=system,
        turns=turns,
        tools=tuple([_tool(spec) for spec in wish.tools or ()]),
        tool_choice=_tool_choice(wish.tool_choice),
        sampling=neutral.Sampling(
            temperature=wish.temperature,
            top_p=wish.top_p,
            top_k=wish.top_k,
            stop=tuple(wish.stop_sequences or ()),
        ),
        max_tokens=wish.max_tokens,
        reasoning=_reasoning(wish),
        response_format=_response_format(wish),
        stream=bool(wish.stream) if stream is None else stream,
        include_usage=True,
        user=(wish.metadata.user_id or "") if wish.metadata else "",
        dialect="claude",
        extra=rest_of(members, wire.MessagesRequest),
    )


def _messages(wish: wire.MessagesRequest) -> tuple[tuple[neutral.Text, ...], tuple[neutral.Turn, ...]]:
    system = _system(wish.system)
    names: dict[str, str] = {}
    turns: list[neutral.Turn] = []
    for place, message in enumerate(wish.messages or ()):
        if message.role == "system":
            system += _system(message.content)
            continue
        if message.role not in ("user", "assistant"):
            raise DialectError(f"unknown role {message.role!r}", param=f"messages[{place}].role")
        blocks = _blocks(message.content, f"messages[{place}].content", names)
        turns.append(neutral.Turn("assistant" if message.role == "assistant" else "user", tuple(blocks)))
    return tuple(system), tuple(turns)


def _system(system: str | list[wire.Block] | None) -> list[neutral.Text]:
    if isinstance(system, str):
        return [neutral.Text(system)] if system else []
    return [neutral.Text(block.text, block.cache_control) for block in system or () if block.text]


def _blocks(content: str | list[wire.Block] | None, path: str, names: dict[str, str]) -> list[neutral.Block]:
    if content is None:
        return []
    if isinstance(content, str):
        return [neutral.Text(content)] if content else []
    found = (_block(block, f"{path}[{at}]", names) for at, block in enumerate(content))
    return [block for block in found if block is not None]


def _block(block: wire.Block, path: str, names: dict[str, str]) -> neutral.Block | None:
    """None for what only Claude can read back: blocks of its own server tools."""
    match block.type:
        case "text":
            return neutral.Text(block.text, block.cache_control) if block.text else None
        case "image":
            return _image(block, path)
        case "document":
            return _document(block, path)
        case "search_result":
            return neutral.Text(
                f"{block.title or ''}\n{block.source or ''}\n{_texts(block.content)}".strip(), block.cache_control
            )
        case "thinking":
            return neutral.Thinking(block.thinking or "", block.signature or "")
        case "redacted_thinking":
            return neutral.Thinking(redacted=block.data or "")
        case "tool_use":
            call_id, name = block.id or "", block.name or ""
            names[call_id] = name
            return neutral.ToolCall(
                call_id, name, neutral.json_text(block.input or {}), cache_control=block.cache_control
            )
        case "tool_result":
            return _tool_result(block, path, names)
        case "container_upload":
            raise DialectError("container_upload is not supported here", code="unsupported_feature", param=path)
        case kind if kind.endswith("_tool_result") or kind in ("server_tool_use", "mcp_tool_use"):
            return None
    raise DialectError(f"unknown content block type {block.type!r}", param=path)


def _source(block: wire.Block, path: str) -> wire.Source:
    if not isinstance(block.source, dict):
        raise DialectError(f"{block.type} needs a source", param=path)
    return read_struct(block.source, wire.Source)


def _image(block: wire.Block, path: str) -> neutral.Image:
    source = _source(block, path)
    match source.type:
        case "base64" if source.data:
            return neutral.Image(
                data=source.data, media_type=source.media_type or "", cache_control=block.cache_control
            )
        case "url" if source.url:
            return neutral.Image(url=source.url, cache_control=block.cache_control)
        case "file" if source.file_id:
            return neutral.Image(file_id=source.file_id, cache_control=block.cache_control)
    raise DialectError(f"unknown image source {source.type!r}", param=f"{path}.source")


def _document(block: wire.Block, path: str) -> neutral.Document:
    source = _source(block, path)
    name, mark = block.title or "", block.cache_control
    match source.type:
        case "base64" if source.data:
            return neutral.Document(
                data=source.data, media_type=source.media_type or "application/pdf", filename=name, cache_control=mark
            )
        case "text":
            return neutral.Document(text=source.data or "", media_type="text/plain", filename=name, cache_control=mark)
        case "url" if source.url:
            return neutral.Document(url=source.url, filename=name, cache_control=mark)
        case "content":
            return neutral.Document(
                text=_texts(source.content), media_type="text/plain", filename=name, cache_control=mark
            )
        case "file" if source.file_id:
            return neutral.Document(file_id=source.file_id, filename=name, cache_control=mark)
    raise DialectError(f"unknown document source {source.type!r}", param=f"{path}.source")


def _tool_result(block: wire.Block, path: str, names: dict[str, str]) -> neutral.ToolResult:
    content: str | list[wire.Block] | None
    if isinstance(block.content, list):
        try:
            content = msgspec.convert(block.content, list[wire.Block])
        except msgspec.ValidationError as error:
            raise DialectError(str(error), param=f"{path}.content") from None
    else:
        content = block.content if isinstance(block.content, str) else None
    parts = _blocks(content, f"{path}.content", names)
    call_id = block.tool_use_id or ""
    return neutral.ToolResult(
        call_id,
        tuple([part for part in parts if isinstance(part, neutral.Text | neutral.Image | neutral.Document)]),
        names.get(call_id, ""),
        bool(block.is_error),
        block.cache_control,
    )


def _texts(content: Any) -> str:
    """Text of a string or of a list of text blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(
        [part["text"] for part in content or () if isinstance(part, dict) and isinstance(part.get("text"), str)]
    )


def _tool(spec: wire.ToolSpec) -> neutral.Tool:
    if spec.type in (None, "custom"):
        return neutral.Function(spec.name, spec.description or "", spec.input_schema, spec.strict, spec.cache_control)
    assert spec.type is not None
    for prefix, (description, schema) in _CLIENT_TOOLS.items():
        if spec.type.startswith(prefix):
            return neutral.Function(spec.name, description, schema, None, spec.cache_control)
    kind = next((kind for prefix, kind in _SERVER_TOOLS.items() if spec.type.startswith(prefix)), spec.type)
    return neutral.ServerTool(kind, "claude", msgspec.to_builtins(spec))


def _tool_choice(choice: wire.ToolChoice | None) -> neutral.ToolChoice | None:
    if choice is None:
        return None
    parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    match choice.type:
        case "auto" | "none":
            return neutral.ToolChoice(choice.type, parallel=parallel)
        case "any":
            return neutral.ToolChoice("required", parallel=parallel)
        case "tool" if choice.name:
            return neutral.ToolChoice("named", choice.name, parallel)
    raise DialectError(f"unknown tool_choice {choice.type!r}", param="tool_choice")


def _reasoning(wish: wire.MessagesRequest) -> neutral.Reasoning | None:
    effort = (wish.output_config.effort or "") if wish.output_config else ""
    if wish.thinking is None:
        return neutral.Reasoning("auto", effort) if effort else None
    if wish.thinking.type == "disabled":
        return neutral.Reasoning("off")
    shown = wish.thinking.display != "omitted" if wish.thinking.display else None
    mode = "auto" if wish.thinking.type == "adaptive" else "on"
    return neutral.Reasoning(mode, effort, wish.thinking.budget_tokens, shown)  # type: ignore[arg-type]


def _response_format(wish: wire.MessagesRequest) -> neutral.ResponseFormat | None:
    held = (wish.output_config.format if wish.output_config else None) or wish.output_format
    if held is None or held.type != "json_schema":
        return None
    return neutral.ResponseFormat("json_schema", "answer", "", held.schema, True)
