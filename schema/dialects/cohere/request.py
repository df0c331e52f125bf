"""Cohere v2 chat requests, read and written.

Source: Cohere API reference, Chat v2; tool use and structured output guides.
"""

from typing import Any

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode, read_object, read_struct, rest_of, without_none
from schema.dialects.cohere import wire
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.openai.request_reader import read_function, read_image, read_tool_call
from schema.dialects.openai.request_writer import system_text
from schema.dialects.system_prompt import with_system_prompt

_TEXT_ONLY = frozenset({"text"})
_EFFORT_BUDGET = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 31_000, "max": 31_000}


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    members = read_object(body)
    wish = read_struct(members, wire.ChatRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.messages:
        raise DialectError("field messages is required", param="messages")
    system, turns = _read_messages(wish.messages)
    choice = (wish.tool_choice or "").upper()
    return neutral.Request(
        model=model,
        system=system,
        turns=turns,
        tools=tuple([read_function(spec.function) for spec in wish.tools or () if spec.function]),
        tool_choice=neutral.ToolChoice("required" if choice == "REQUIRED" else "none") if choice else None,
        sampling=neutral.Sampling(
            temperature=wish.temperature,
            top_p=wish.p,
            top_k=wish.k,
            frequency_penalty=wish.frequency_penalty,
            presence_penalty=wish.presence_penalty,
            seed=wish.seed,
            stop=tuple(wish.stop_sequences or ()),
            logprobs=wish.logprobs,
        ),
        max_tokens=wish.max_tokens,
        reasoning=_reasoning(wish.thinking),
        response_format=_read_format(wish.response_format),
        stream=bool(wish.stream) if stream is None else stream,
        include_usage=True,
        dialect="cohere",
        extra=rest_of(members, wire.ChatRequest),
    )


def _read_messages(messages: list[wire.Message]) -> tuple[tuple[neutral.Text, ...], tuple[neutral.Turn, ...]]:
    system: list[neutral.Text] = []
    turns: list[neutral.Turn] = []
    names: dict[str, str] = {}
    for place, message in enumerate(messages):
        blocks = _read_parts(message.content)
        match message.role:
            case "system" | "developer":
                system += [block for block in blocks if isinstance(block, neutral.Text)]
            case "user":
                turns.append(neutral.Turn("user", tuple(blocks)))
            case "assistant":
                if message.tool_plan:
                    blocks.insert(0, neutral.Thinking(message.tool_plan))
                for at, call in enumerate(message.tool_calls or ()):
                    if call.function is not None:
                        read = read_tool_call(call, seed=f"{place}/{at}")
                        names[read.id] = read.name
                        blocks.append(read)
                turns.append(neutral.Turn("assistant", tuple(blocks)))
            case "tool":
                call_id = message.tool_call_id or ""
                parts = tuple([block for block in blocks if isinstance(block, neutral.Text)])
                turns.append(neutral.Turn("user", (neutral.ToolResult(call_id, parts, names.get(call_id, "")),)))
            case other:
                raise DialectError(f"unknown role {other!r}", param=f"messages[{place}].role")
    return tuple(system), tuple(turns)


def _read_parts(content: str | list[wire.Part] | None) -> list[neutral.Block]:
    if isinstance(content, str):
        return [neutral.Text(content)] if content else []
    blocks: list[neutral.Block] = []
    for part in content or ():
        if part.type == "thinking":
            blocks.append(neutral.Thinking(part.thinking or ""))
        elif part.type == "image_url" and part.image_url is not None:
            blocks.append(read_image(part.image_url.url, part.image_url.detail or ""))
        elif part.type == "document":
            data = (part.document or {}).get("data", part.document)
            blocks.append(neutral.Text(data if isinstance(data, str) else neutral.json_text(data)))
        elif part.text:
            blocks.append(neutral.Text(part.text))
    return blocks


def _reasoning(wish: wire.ThinkingWish | None) -> neutral.Reasoning | None:
    if wish is None:
        return None
    return neutral.Reasoning("off" if wish.type == "disabled" else "on", "", wish.token_budget)


def _read_format(wish: wire.Format | None) -> neutral.ResponseFormat | None:
    if wish is None or wish.type == "text":
        return None
    schema = wish.json_schema or wish.schema
    return (
        neutral.ResponseFormat("json_schema", "answer", "", schema) if schema else neutral.ResponseFormat("json_object")
    )


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, _TEXT_ONLY, target.name)
    sampling = request.sampling
    body: dict[str, Any] = {"model": target.model, "messages": _write_messages(request, target)}
    if request.stream:
        body["stream"] = True
    body |= without_none(
        {
            "max_tokens": request.max_tokens or None,
            "temperature": sampling.temperature,
            "p": sampling.top_p,
            "k": sampling.top_k,
            "seed": sampling.seed,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "stop_sequences": list(sampling.stop) or None,
            "logprobs": sampling.logprobs,
        }
    )
    _write_tools(body, request, dropped)
    if target.cohere_safety_mode not in ("", "NONE"):
        body["safety_mode"] = target.cohere_safety_mode
    wanted = request.response_format
    if wanted is not None and wanted.kind != "text":
        schema = {"json_schema": wanted.schema} if wanted.schema else {}
        body["response_format"] = {"type": "json_object", **schema}
    wish = target.reasoning or request.reasoning
    if wish is not None and wish.mode == "off":
        body["thinking"] = {"type": "disabled"}
    elif wish is not None and wish.mode == "on":
        budget = wish.budget_tokens if wish.budget_tokens is not None else _EFFORT_BUDGET.get(wish.effort)
        body["thinking"] = {"type": "enabled"} | ({} if budget is None else {"token_budget": budget})
    note_dropped(request, dropped, "n", "top_logprobs", "logit_bias")
    if dropped is not None and request.user:
        dropped.append("user")
    return encode(body)


def _write_messages(request: neutral.Request, target: Target) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": system_text(request)})
    for turn in request.turns:
        if turn.role == "assistant":
            messages += _assistant(turn)
            continue
        parts: list[dict[str, Any]] = []
        for block in turn.blocks:
            if isinstance(block, neutral.ToolResult):
                text = "\n".join([part.text for part in block.content if isinstance(part, neutral.Text)])
                content = f"Error: {text}" if block.is_error else text
                messages.append({"role": "tool", "tool_call_id": block.id, "content": content})
                parts += [_part(part, target) for part in block.content if not isinstance(part, neutral.Text)]
            else:
                parts.append(_part(block, target))
        if parts:
            plain = len(parts) == 1 and parts[0]["type"] == "text"
            messages.append({"role": "user", "content": parts[0]["text"] if plain else parts})
    return messages


def _assistant(turn: neutral.Turn) -> list[dict[str, Any]]:
    text = neutral.text_of(turn.blocks)
    calls = [
        {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": block.arguments}}
        for block in turn.blocks
        if isinstance(block, neutral.ToolCall)
    ]
    if not text and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant"}
    if calls:
        message |= {"tool_calls": calls} | ({"tool_plan": text} if text else {})
    else:
        message["content"] = text
    return [message]


def _part(block: neutral.Block, target: Target) -> dict[str, Any]:
    match block:
        case neutral.Text():
            return {"type": "text", "text": block.text}
        case neutral.Image(file_id=""):
            link = block.url or f"data:{block.media_type or 'image/png'};base64,{block.data}"
            return {
                "type": "image_url",
                "image_url": {"url": link} | ({"detail": block.detail} if block.detail else {}),
            }
        case neutral.Document(text=str(text)) if text:
            return {"type": "text", "text": text}
        case neutral.Audio():
            raise Unsupported("input_audio", target.name)
    raise Unsupported("files", target.name)


def _write_tools(body: dict[str, Any], request: neutral.Request, dropped: list[str] | None) -> None:
    """Cohere can force a call, but not a named one: then only that tool is offered."""
    functions = [tool for tool in request.tools if isinstance(tool, neutral.Function)]
    if dropped is not None:
        dropped.extend(f"tools: {tool.kind}" for tool in request.tools if isinstance(tool, neutral.ServerTool))
    choice = request.tool_choice
    if choice is not None and choice.mode == "named":
        functions = [tool for tool in functions if tool.name == choice.name]
    if not functions:
        return
    body["tools"] = [
        {
            "type": "function",
            "function": {"name": tool.name}
            | ({"description": tool.description} if tool.description else {})
            | {"parameters": tool.parameters or {"type": "object", "properties": {}}},
        }
        for tool in functions
    ]
    if choice is not None and choice.mode in ("required", "named"):
        body["tool_choice"] = "REQUIRED"
    elif choice is not None and choice.mode == "none":
        body["tool_choice"] = "NONE"
    if dropped is not None and choice is not None and choice.parallel is False:
        dropped.append("parallel_tool_calls")
