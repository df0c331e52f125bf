"""A Chat Completions request to the neutral form."""

from typing import Any

from schema.dialects import neutral
from schema.dialects.body import read_object, read_struct, rest_of
from schema.dialects.errors import DialectError
from schema.dialects.files import sniff_base64, split_data_uri
from schema.dialects.ids import derived_id
from schema.dialects.openai import wire

MAX_TOKENS_MAX = 1_073_741_823  # a greater wish is a mistake of the client


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    members = read_object(body)
    wish = read_struct(members, wire.ChatRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.messages:
        raise DialectError("field messages is required", param="messages")
    limit = wish.max_completion_tokens or wish.max_tokens
    if limit is not None and not 0 <= limit <= MAX_TOKENS_MAX:
        raise DialectError("max_tokens is invalid", param="max_tokens")
    system, turns = read_messages(wish.messages)
    return neutral.Request(
        model=model,
        system=system,
        turns=turns,
        tools=_tools(wish),
        tool_choice=_tool_choice(wish),
        sampling=_sampling(wish),
        max_tokens=limit,
        reasoning=_reasoning(wish),
        response_format=read_response_format(wish.response_format),
        modalities=tuple(wish.modalities or ()),
        stream=bool(wish.stream) if stream is None else stream,
        include_usage=bool(wish.stream_options and wish.stream_options.include_usage),
        user=wish.user or "",
        dialect="openai",
        extra=rest_of(members, wire.ChatRequest),
    )


def read_messages(messages: list[wire.Message]) -> tuple[tuple[neutral.Text, ...], tuple[neutral.Turn, ...]]:
    """System and developer texts, and the turns. Neighbouring tool messages become one user turn."""
    system: list[neutral.Text] = []
    turns: list[neutral.Turn] = []
    names: dict[str, str] = {}  # tool call id -> function name
    last_function_id = ""
    for place, message in enumerate(messages):
        match message.role:
            case "system" | "developer":
                system += [part for part in _parts(message, place) if isinstance(part, neutral.Text)]
            case "user" | "":
                turns.append(neutral.Turn("user", tuple(_parts(message, place)), message.name or ""))
            case "assistant" | "model":
                blocks = _assistant(message, place)
                for block in blocks:
                    if isinstance(block, neutral.ToolCall):
                        names[block.id], last_function_id = block.name, block.id
                turns.append(neutral.Turn("assistant", tuple(blocks), message.name or ""))
            case "tool" | "function":
                call_id = message.tool_call_id or last_function_id
                result = neutral.ToolResult(
                    call_id, tuple(_parts(message, place)), names.get(call_id, "") or message.name or ""
                )
                if turns and turns[-1].blocks and isinstance(turns[-1].blocks[-1], neutral.ToolResult):
                    turns[-1] = neutral.Turn("user", (*turns[-1].blocks, result))
                else:
                    turns.append(neutral.Turn("user", (result,)))
            case other:
                raise DialectError(f"unknown role {other!r}", param=f"messages[{place}].role")
    return tuple(system), tuple(turns)


def _parts(message: wire.Message, place: int) -> list[neutral.Part]:
    if message.content is None:
        return []
    if isinstance(message.content, str):
        return [neutral.Text(message.content)] if message.content else []
    parts = (_part(part, f"messages[{place}].content[{at}]") for at, part in enumerate(message.content))
    return [part for part in parts if part is not None]


def _part(part: wire.Part, path: str) -> neutral.Part | None:
    match part.type:
        case "text" | "input_text" | "output_text":
            return neutral.Text(part.text, part.cache_control) if part.text else None
        case "refusal":
            return neutral.Text(part.refusal) if part.refusal else None
        case "image_url":
            link = part.image_url
            url, detail = (link, "") if isinstance(link, str) else (link.url, link.detail or "") if link else ("", "")
            if not url:
                raise DialectError("image_url needs a url", param=path)
            return read_image(url, detail, part.cache_control)
        case "input_audio":
            if part.input_audio is None or not part.input_audio.data or not part.input_audio.format:
                raise DialectError("input_audio needs data and format", param=path)
            held = split_data_uri(part.input_audio.data)
            return neutral.Audio(held[1] if held else part.input_audio.data, f"audio/{part.input_audio.format}")
        case "file":
            if part.file is None:
                raise DialectError("file is missing", param=path)
            return read_file(part.file, path)
        case _:
            raise DialectError(f"unknown content part type {part.type!r}", param=path)


def read_image(url: str, detail: str = "", cache_control: neutral.Json | None = None) -> neutral.Image:
    """A URL, a data URI or bare base64; the declared type counts only if the bytes do not say otherwise."""
    held = split_data_uri(url)
    if held is not None:
        return neutral.Image(
            data=held[1], media_type=sniff_base64(held[1]) or held[0], detail=detail, cache_control=cache_control
        )
    if url.startswith(("http://", "https://")):
        return neutral.Image(url=url, detail=detail, cache_control=cache_control)
    if url.startswith("data:"):
        raise DialectError("image_url: only base64 data URIs are understood", param="image_url")
    if ":" in url[:16]:  # never a character of base64
        raise DialectError("a picture's address must be http, https or data", param="image_url")
    return neutral.Image(
        data=url, media_type=sniff_base64(url) or "image/png", detail=detail, cache_control=cache_control
    )


def read_file(file: wire.FilePart, path: str) -> neutral.Document:
    if file.file_id:
        return neutral.Document(file_id=file.file_id, filename=file.filename or "")
    if not file.file_data:
        raise DialectError("file needs file_id or file_data", param=path)
    held = split_data_uri(file.file_data)
    if held is not None:
        return neutral.Document(data=held[1], media_type=held[0] or sniff_base64(held[1]), filename=file.filename or "")
    if file.file_data.startswith(("http://", "https://")):
        return neutral.Document(url=file.file_data, filename=file.filename or "")
    return neutral.Document(
        data=file.file_data, media_type=sniff_base64(file.file_data) or "application/pdf", filename=file.filename or ""
    )


def _assistant(message: wire.Message, place: int) -> list[neutral.Block]:
    blocks: list[neutral.Block] = []
    if message.reasoning_content:
        blocks.append(neutral.Thinking(message.reasoning_content))
    blocks += _parts(message, place)
    if message.refusal:
        blocks.append(neutral.Text(message.refusal))
    for at, call in enumerate(message.tool_calls or ()):
        if call.function is None:
            raise DialectError("only function tool calls are understood", param=f"messages[{place}].tool_calls[{at}]")
        blocks.append(read_tool_call(call, seed=f"{place}/{at}"))
    if message.function_call is not None:
        name = message.function_call.name or ""
        blocks.append(neutral.ToolCall(derived_id("call_", name, place), name, read_arguments(message.function_call)))
    return blocks


def read_tool_call(call: wire.ToolCall, *, seed: str) -> neutral.ToolCall:
    assert call.function is not None
    google = (call.extra_content or {}).get("google")
    signature = google.get("thought_signature", "") if isinstance(google, dict) else ""
    name = call.function.name or ""
    return neutral.ToolCall(
        call.id or derived_id("call_", seed, name), name, read_arguments(call.function), signature=signature
    )


def read_arguments(call: wire.FunctionCall) -> str:
    if isinstance(call.arguments, dict):
        return neutral.json_text(call.arguments)
    return call.arguments if call.arguments and call.arguments.strip() else "{}"


def read_function(spec: wire.FunctionSpec, cache_control: neutral.Json | None = None) -> neutral.Function:
    parameters = spec.parameters if isinstance(spec.parameters, dict) else None
    return neutral.Function(spec.name, spec.description or "", parameters, spec.strict, cache_control)


def _tools(wish: wire.ChatRequest) -> tuple[neutral.Tool, ...]:
    tools: list[neutral.Tool] = []
    for at, spec in enumerate(wish.tools or ()):
        if spec.function is None:
            raise DialectError(f"tools of type {spec.type!r} are not supported here", param=f"tools[{at}]")
        tools.append(read_function(spec.function, spec.cache_control))
    tools += [read_function(spec) for spec in wish.functions or ()]
    if wish.web_search_options is not None:
        tools.append(neutral.ServerTool("web_search", "openai", wish.web_search_options))
    return tuple(tools)


def _tool_choice(wish: wire.ChatRequest) -> neutral.ToolChoice | None:
    choice = wish.tool_choice if wish.tool_choice is not None else wish.function_call
    parallel = wish.parallel_tool_calls
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required", "any"):
            raise DialectError(f"unknown tool_choice {choice!r}", param="tool_choice")
        return neutral.ToolChoice("required" if choice == "any" else choice, parallel=parallel)  # type: ignore[arg-type]
    if isinstance(choice, dict):
        return _object_choice(choice, parallel)
    return None if parallel is None else neutral.ToolChoice(parallel=parallel, explicit=False)


def _object_choice(choice: dict[str, Any], parallel: bool | None) -> neutral.ToolChoice:
    if choice.get("type") == "allowed_tools":
        mode = (choice.get("allowed_tools") or {}).get("mode", "auto")
        return neutral.ToolChoice("required" if mode == "required" else "auto", parallel=parallel)
    function = choice.get("function")
    name = (function if isinstance(function, dict) else choice).get("name")
    if not isinstance(name, str) or not name:
        raise DialectError("tool_choice names no function", param="tool_choice")
    return neutral.ToolChoice("named", name, parallel)


def _sampling(wish: wire.ChatRequest) -> neutral.Sampling:
    stop = (wish.stop,) if isinstance(wish.stop, str) else tuple(wish.stop or ())
    return neutral.Sampling(
        temperature=wish.temperature,
        top_p=wish.top_p,
        top_k=wish.top_k,
        frequency_penalty=wish.frequency_penalty,
        presence_penalty=wish.presence_penalty,
        seed=wish.seed,
        n=wish.n,
        stop=stop,
        logprobs=wish.logprobs,
        top_logprobs=wish.top_logprobs,
        logit_bias=wish.logit_bias,
    )


def _reasoning(wish: wire.ChatRequest) -> neutral.Reasoning | None:
    if wish.thinking is not None:
        off = wish.thinking.type == "disabled"
        return neutral.Reasoning("off" if off else "on", wish.reasoning_effort or "", wish.thinking.budget_tokens)
    if wish.reasoning is not None:
        effort = wish.reasoning.effort or ""
        off = wish.reasoning.enabled is False or effort == "none"
        shown = None if wish.reasoning.exclude is None else not wish.reasoning.exclude
        return neutral.Reasoning("off" if off else "on", effort, wish.reasoning.max_tokens, shown)
    if wish.reasoning_effort:
        return neutral.Reasoning("off" if wish.reasoning_effort == "none" else "on", wish.reasoning_effort)
    return None


def read_response_format(wish: wire.ResponseFormat | None) -> neutral.ResponseFormat | None:
    if wish is None or wish.type == "text":
        return None
    if wish.type == "json_object":
        return neutral.ResponseFormat("json_object")
    if wish.type == "json_schema" and wish.json_schema is not None:
        held = wish.json_schema
        return neutral.ResponseFormat("json_schema", held.name, held.description or "", held.schema, held.strict)
    raise DialectError(f"unknown response_format {wish.type!r}", param="response_format")
