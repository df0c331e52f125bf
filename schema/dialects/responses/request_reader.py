"""A Responses request to the neutral form. Stateless use: everything that was said stands in `input`.

Source: OpenAI API reference, Responses, create.
"""

from typing import Any

from schema.dialects import neutral
from schema.dialects.body import read_object, read_struct, rest_of
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.openai import wire as chat
from schema.dialects.openai.request_reader import MAX_TOKENS_MAX, read_file, read_image
from schema.dialects.responses import wire

_CUSTOM_PARAMETERS: neutral.Json = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as free text."}},
    "required": ["input"],
}
_SERVER_TOOLS = {"web_search": "web_search", "code_interpreter": "code_execution"}
_PROVIDER_CALLS = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_list_tools",
)


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    members = read_object(body)
    wish = read_struct(members, wire.ResponsesRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.input:
        raise DialectError("input is required", param="input")
    if wish.max_output_tokens is not None and not 0 <= wish.max_output_tokens <= MAX_TOKENS_MAX:
        raise DialectError("max_output_tokens is invalid", param="max_output_tokens")
    system = [neutral.Text(wish.instructions)] if wish.instructions else []
    turns = _Input(system).read(wish.input)
    return neutral.Request(
        model=model,
        system=tuple(system),
        turns=turns,
        tools=tuple([_tool(spec, at) for at, spec in enumerate(wish.tools or ())]),
        tool_choice=_tool_choice(wish),
        sampling=neutral.Sampling(temperature=wish.temperature, top_p=wish.top_p, top_logprobs=wish.top_logprobs),
        max_tokens=wish.max_output_tokens,
        reasoning=_reasoning(wish.reasoning),
        response_format=_format(wish.text.format if wish.text else None),
        stream=bool(wish.stream) if stream is None else stream,
        include_usage=True,
        user=wish.user or "",
        dialect="responses",
        extra=rest_of(members, wire.ResponsesRequest),
    )


class _Input:
    """Reads items into turns; system and developer messages go to `system`."""

    def __init__(self, system: list[neutral.Text]) -> None:
        self._system = system
        self._turns: list[tuple[neutral.Role, list[neutral.Block]]] = []
        self._names: dict[str, str] = {}  # call id -> function name

    def read(self, items: str | list[wire.Item]) -> tuple[neutral.Turn, ...]:
        if isinstance(items, str):
            return (neutral.Turn("user", (neutral.Text(items),)),)
        for place, item in enumerate(items):
            self._item(item, f"input[{place}]")
        return tuple([neutral.Turn(role, tuple(blocks)) for role, blocks in self._turns])

    def _item(self, item: wire.Item, path: str) -> None:
        match item.type:
            case "message":
                self._message(item, path)
            case "function_call":
                call_id, name = item.call_id or item.id or "", item.name or ""
                self._names[call_id] = name
                arguments = item.arguments if item.arguments and item.arguments.strip() else "{}"
                self._add("assistant", [neutral.ToolCall(call_id, name, arguments)])
            case "custom_tool_call":
                call_id, name = item.call_id or item.id or "", item.name or ""
                self._names[call_id] = name
                self._add(
                    "assistant", [neutral.ToolCall(call_id, name, neutral.json_text({"input": item.input or ""}))]
                )
            case "function_call_output" | "custom_tool_call_output":
                call_id = item.call_id or ""
                parts = _parts(item.output, path)
                self._add("user", [neutral.ToolResult(call_id, tuple(parts), self._names.get(call_id, ""))])
            case "reasoning":
                text = "\n\n".join([part.text for part in item.summary or ()])
                block = neutral.Thinking(text, redacted=item.encrypted_content or "", id=item.id or "")
                self._add("assistant", [block])
            case kind if kind in _PROVIDER_CALLS:
                return
            case "item_reference":
                raise Unsupported("item_reference (stored responses)", "this gateway's translation")
            case other:
                raise DialectError(
                    f"input items of type {other!r} are not supported", code="unsupported_feature", param=path
                )

    def _message(self, item: wire.Item, path: str) -> None:
        parts = _parts(item.content, path)
        match item.role:
            case "system" | "developer":
                self._system += [part for part in parts if isinstance(part, neutral.Text)]
            case "assistant":
                self._add("assistant", list(parts))
            case "user" | None | "":
                self._turns.append(("user", list(parts)))
            case other:
                raise DialectError(f"unknown role {other!r}", param=f"{path}.role")

    def _add(self, role: neutral.Role, blocks: list[neutral.Block]) -> None:
        """Items of one answer stand side by side: together they are one turn."""
        if self._turns and self._turns[-1][0] == role:
            self._turns[-1][1].extend(blocks)
        else:
            self._turns.append((role, blocks))


def _parts(content: str | list[wire.Part] | None, path: str) -> list[neutral.Part]:
    if isinstance(content, str):
        return [neutral.Text(content)] if content else []
    found = (_part(part, f"{path}.content[{at}]") for at, part in enumerate(content or ()))
    return [part for part in found if part is not None]


def _part(part: wire.Part, path: str) -> neutral.Part | None:
    match part.type:
        case "input_text" | "output_text" | "text":
            return neutral.Text(part.text) if part.text else None
        case "refusal":
            return neutral.Text(part.refusal) if part.refusal else None
        case "input_image":
            if part.file_id:
                return neutral.Image(file_id=part.file_id)
            if not part.image_url:
                raise DialectError("input_image needs image_url or file_id", param=path)
            return read_image(part.image_url, part.detail or "")
        case "input_file":
            if part.file_url:
                return neutral.Document(url=part.file_url, filename=part.filename or "")
            return read_file(chat.FilePart(part.file_id, part.file_data, part.filename), path)
        case "input_audio" if part.input_audio is not None:
            return neutral.Audio(part.input_audio.data, f"audio/{part.input_audio.format}")
    raise DialectError(f"unknown content part type {part.type!r}", param=path)


def _tool(spec: wire.ToolSpec, place: int) -> neutral.Tool:
    if spec.type == "function":
        if not spec.name:
            raise DialectError("a function needs a name", param=f"tools[{place}].name")
        return neutral.Function(spec.name, spec.description or "", spec.parameters, spec.strict)
    if spec.type == "custom" and spec.name:
        return neutral.Function(spec.name, _custom_description(spec), _CUSTOM_PARAMETERS, None, None, custom=True)
    kind = next((kind for prefix, kind in _SERVER_TOOLS.items() if spec.type.startswith(prefix)), spec.type)
    return neutral.ServerTool(kind, "responses", {"type": spec.type})


def _custom_description(spec: wire.ToolSpec) -> str:
    """What the tool takes must be said in words: other dialects have no grammars."""
    held = spec.format or {}
    grammar = (
        f"The input follows this {held.get('syntax', '')} grammar:\n{held['definition']}"
        if held.get("definition")
        else ""
    )
    return "\n\n".join([text for text in (spec.description or "", grammar) if text])


def _tool_choice(wish: wire.ResponsesRequest) -> neutral.ToolChoice | None:
    choice: Any = wish.tool_choice
    parallel = wish.parallel_tool_calls
    if choice is None:
        return None if parallel is None else neutral.ToolChoice(parallel=parallel, explicit=False)
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise DialectError(f"unknown tool_choice {choice!r}", param="tool_choice")
        return neutral.ToolChoice(choice, parallel=parallel)  # type: ignore[arg-type]
    if choice.get("type") in ("function", "custom") and isinstance(choice.get("name"), str):
        return neutral.ToolChoice("named", choice["name"], parallel)
    if choice.get("type") == "allowed_tools":
        return neutral.ToolChoice("required" if choice.get("mode") == "required" else "auto", parallel=parallel)
    raise Unsupported(f"tool_choice: {choice.get('type')}", "this gateway's translation")


def _reasoning(wish: wire.ReasoningWish | None) -> neutral.Reasoning | None:
    if wish is None or not (wish.effort or wish.summary):
        return None
    shown = True if wish.summary else None
    if not wish.effort:
        return neutral.Reasoning("", include_thoughts=shown, summary=wish.summary or "")
    mode: Any = "off" if wish.effort == "none" else "on"
    return neutral.Reasoning(mode, wish.effort, None, shown, wish.summary or "")


def _format(wish: wire.Format | None) -> neutral.ResponseFormat | None:
    if wish is None or wish.type == "text":
        return None
    if wish.type == "json_object":
        return neutral.ResponseFormat("json_object")
    if wish.type == "json_schema":
        return neutral.ResponseFormat("json_schema", wish.name or "", wish.description or "", wish.schema, wish.strict)
    raise DialectError(f"unknown text.format {wish.type!r}", param="text.format")
