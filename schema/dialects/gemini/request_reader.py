"""A generateContent request to the neutral form.

Source: Gemini API reference, generateContent; function calling and thinking guides.
"""

from collections import defaultdict, deque
from typing import Any

from schema.dialects import neutral
from schema.dialects.body import read_object, read_struct, rest_of
from schema.dialects.errors import DialectError
from schema.dialects.gemini import wire
from schema.dialects.gemini.json_schema import widen_schema

_MODES: dict[str, str] = {"AUTO": "auto", "NONE": "none", "ANY": "required", "VALIDATED": "auto"}
_GOOGLE_FILES = "https://generativelanguage.googleapis.com/"


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    """`path_model` is the path's model, `stream` whether its action was streamGenerateContent."""
    try:
        return _read(body, path_model, bool(stream))
    except RecursionError:
        raise DialectError("the body is nested too deeply", code="invalid_json") from None


def _read(body: bytes, path_model: str, stream: bool) -> neutral.Request:
    members = wire.camel_members(read_object(body))
    wish = read_struct(members, wire.GenerateRequest)
    model = (path_model or wish.model or "").removeprefix("models/")
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    config = wish.generation_config or wire.GenerationConfig()
    turns = _Turns().read(wish.contents)
    if not turns:
        raise DialectError("contents is required", param="contents")
    choice, allowed = _tool_choice(wish.tool_config)
    tools = [tool for spec in wish.tools or () for tool in _tools(spec)]
    if allowed:
        tools = [tool for tool in tools if isinstance(tool, neutral.ServerTool) or tool.name in allowed]
    return neutral.Request(
        model=model,
        system=_system(wish.system_instruction),
        turns=turns,
        tools=tuple(tools),
        tool_choice=choice,
        sampling=_sampling(config),
        max_tokens=config.max_output_tokens,
        reasoning=_reasoning(config.thinking_config),
        response_format=_response_format(config),
        modalities=tuple([kind.lower() for kind in config.response_modalities or ()]),
        stream=stream,
        include_usage=True,
        dialect="gemini",
        extra=rest_of(members, wire.GenerateRequest),
    )


def _system(held: wire.Content | str | None) -> tuple[neutral.Text, ...]:
    if isinstance(held, str):
        return (neutral.Text(held),) if held else ()
    return tuple([neutral.Text(part.text) for part in wire.parts_of(held) if part.text])


class _Turns:
    """Reads contents; calls without an id get `call_<n>_<name>`, and responses find theirs by name and order."""

    def __init__(self) -> None:
        self._made = 0
        self._waiting: dict[str, deque[str]] = defaultdict(deque)  # name -> ids of calls not yet answered

    def read(self, contents: list[wire.Content] | wire.Content | str | None) -> tuple[neutral.Turn, ...]:
        if contents is None:
            return ()
        if isinstance(contents, str):
            return (neutral.Turn("user", (neutral.Text(contents),)),)
        turns = []
        for place, content in enumerate(contents if isinstance(contents, list) else [contents]):
            if content.role not in (None, "", "user", "model", "function", "tool"):
                raise DialectError(f"unknown role {content.role!r}", param=f"contents[{place}].role")
            parts = (self._part(part) for part in wire.parts_of(content))
            blocks = tuple([block for block in parts if block is not None])
            turns.append(neutral.Turn("assistant" if content.role == "model" else "user", blocks))
        return tuple(turns)

    def _part(self, part: wire.Part) -> neutral.Block | None:
        if part.function_call is not None:
            return self._call(part.function_call, part.thought_signature or "")
        if part.function_response is not None:
            return self._result(part.function_response)
        if part.inline_data is not None:
            return read_blob(part.inline_data)
        if part.file_data is not None:
            return _file(part.file_data)
        if part.executable_code is not None or part.code_execution_result is not None:
            return neutral.Text(code_text(part))
        if part.thought:
            return neutral.Thinking(part.text or "", part.thought_signature or "")
        return neutral.Text(part.text) if part.text else None

    def _call(self, call: wire.FunctionCall, signature: str) -> neutral.ToolCall:
        call_id = call.id or f"call_{self._made}_{call.name}"
        self._made += 1
        self._waiting[call.name].append(call_id)
        return neutral.ToolCall(call_id, call.name, neutral.json_text(call.args or {}), signature)

    def _result(self, result: wire.FunctionResponse) -> neutral.ToolResult:
        waiting = self._waiting[result.name]
        if result.id and result.id in waiting:
            waiting.remove(result.id)
        call_id = result.id or (waiting.popleft() if waiting else f"call_{result.name}")
        value = result.response
        failed = isinstance(value, dict) and set(value) == {"error"}
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("result", "output", "error"):
            value = next(iter(value.values()))
        text = value if isinstance(value, str) else neutral.json_text(value)
        return neutral.ToolResult(call_id, (neutral.Text(text),), result.name, failed)


_STANDARD = str.maketrans("-_", "+/")


def read_blob(blob: wire.Blob) -> neutral.Block:
    """Google takes both alphabets of base64 and its own SDKs write the one for URLs; others know the standard one alone."""
    if "-" in blob.data or "_" in blob.data:
        blob = wire.Blob(blob.mime_type, blob.data.translate(_STANDARD))
    if blob.mime_type.startswith("image/"):
        return neutral.Image(data=blob.data, media_type=blob.mime_type)
    if blob.mime_type.startswith("audio/"):
        return neutral.Audio(blob.data, blob.mime_type)
    return neutral.Document(data=blob.data, media_type=blob.mime_type)


def _file(file: wire.FileData) -> neutral.Block:
    """A public link, or a handle into Google's own stores, which no other provider can open."""
    kind = file.mime_type or ""
    public = file.file_uri.startswith(("http://", "https://")) and not file.file_uri.startswith(_GOOGLE_FILES)
    if kind.startswith("image/"):
        return neutral.Image(url=file.file_uri) if public else neutral.Image(file_id=file.file_uri)
    if public:
        return neutral.Document(url=file.file_uri, media_type=kind)
    return neutral.Document(file_id=file.file_uri, media_type=kind)


def code_text(part: wire.Part) -> str:
    """Code that the provider ran, and what it printed, as fenced text."""
    if part.executable_code is not None:
        return f"```{(part.executable_code.language or '').lower()}\n{part.executable_code.code}\n```"
    output = part.code_execution_result.output if part.code_execution_result else ""
    return f"```output\n{output or ''}\n```"


def _tools(spec: wire.ToolSpec) -> list[neutral.Tool]:
    tools: list[neutral.Tool] = []
    for held in spec.function_declarations or ():
        schema = held.parameters_json_schema
        if schema is None and held.parameters is not None:
            schema = widen_schema(held.parameters)
        tools.append(neutral.Function(held.name, held.description or "", schema))
    for kind, raw in (
        ("web_search", spec.google_search if spec.google_search is not None else spec.google_search_retrieval),
        ("code_execution", spec.code_execution),
        ("url_context", spec.url_context),
    ):
        if raw is not None:
            tools.append(neutral.ServerTool(kind, "gemini", raw))
    return tools


def _tool_choice(config: wire.ToolConfig | None) -> tuple[neutral.ToolChoice | None, frozenset[str]]:
    """The choice, and the names that tools are narrowed to."""
    held = config.function_calling_config if config else None
    if held is None or not held.mode:
        return None, frozenset()
    mode: Any = _MODES.get(held.mode.upper())
    if mode is None:
        raise DialectError(f"unknown mode {held.mode!r}", param="toolConfig.functionCallingConfig.mode")
    names = held.allowed_function_names or []
    if mode == "required" and len(names) == 1:
        return neutral.ToolChoice("named", names[0]), frozenset()
    return neutral.ToolChoice(mode), frozenset(names)


def _sampling(config: wire.GenerationConfig) -> neutral.Sampling:
    return neutral.Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        n=config.candidate_count,
        stop=tuple(config.stop_sequences or ()),
        logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
    )


def _reasoning(config: wire.ThinkingConfig | None) -> neutral.Reasoning | None:
    if config is None:
        return None
    level, budget = (config.thinking_level or "").lower(), config.thinking_budget
    if budget == 0:
        return neutral.Reasoning("off", include_thoughts=config.include_thoughts)
    if budget is None or budget < 0:
        on = level not in ("", "thinking_level_unspecified")
        return neutral.Reasoning("on" if on else "auto", level if on else "", None, config.include_thoughts)
    return neutral.Reasoning("on", level, budget, config.include_thoughts)


def _response_format(config: wire.GenerationConfig) -> neutral.ResponseFormat | None:
    if config.response_mime_type != "application/json":
        return None
    if isinstance(config.response_json_schema, dict):
        return neutral.ResponseFormat("json_schema", "answer", "", config.response_json_schema)
    if config.response_schema is not None:
        return neutral.ResponseFormat("json_schema", "answer", "", widen_schema(config.response_schema))
    return neutral.ResponseFormat("json_object")
