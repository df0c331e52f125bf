"""The neutral form to a Chat Completions request.

Sources: OpenAI API reference, Chat, create; reasoning guide (reasoning models take max_completion_tokens, no temperature,
`developer` messages); OpenRouter docs (reasoning, cache_control).
"""

from typing import Any

from schema.dialects import neutral
from schema.dialects.base import OpenAIOptions, Target
from schema.dialects.body import encode
from schema.dialects.errors import Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.suffixes import is_reasoning_model, takes_developer
from schema.dialects.system_prompt import with_system_prompt

_MODALITIES = frozenset({"text", "audio", "image"})
_BUDGET_EFFORT = ((2048, "low"), (16_384, "medium"))  # a smaller budget is that effort; a greater one is high


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    return encode(request_members(request, target, dropped))


def request_members(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> dict[str, Any]:
    """The body as a dict, for providers that change a member or two."""
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, _MODALITIES, target.name)
    options, sampling = target.openai, request.sampling
    reasons = is_reasoning_model(target.model, options.reasoning_prefixes)
    body: dict[str, Any] = {"model": target.model, "messages": _messages(request, target, reasons)}
    if request.stream:
        body["stream"] = True
        if options.include_usage:
            body["stream_options"] = {"include_usage": True}
    if request.max_tokens:
        body[options.max_tokens_name or ("max_completion_tokens" if reasons else "max_tokens")] = request.max_tokens
    for name in (
        "temperature",
        "top_p",
        "n",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
    ):
        value = getattr(sampling, name)
        if value is not None and not (reasons and name == "temperature"):
            body[name] = value
    if sampling.logit_bias is not None:
        body["logit_bias"] = sampling.logit_bias
    if sampling.top_k is not None and options.top_k:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    _write_tools(body, request, target, dropped)
    named = target.reasoning is not None  # the name's suffix says that the model reasons (grok-3-mini-high)
    _write_reasoning(body, target.reasoning or request.reasoning, reasons=reasons or named, options=options)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, options)
    if request.user:
        body["user"] = request.user
    if request.modalities and request.modalities != ("text",):
        body["modalities"] = list(request.modalities)
        if "audio" in request.extra:
            body["audio"] = request.extra["audio"]
    if dropped is not None:
        note_dropped(request, dropped, *([] if options.top_k else ["top_k"]), *(["temperature"] if reasons else []))
    return body


def _messages(request: neutral.Request, target: Target, reasons: bool) -> list[dict[str, Any]]:
    options = target.openai
    messages: list[dict[str, Any]] = []
    if request.system:
        role = "developer" if reasons and options.developer_role and takes_developer(target.model) else "system"
        marked = options.openrouter and any(text.cache_control for text in request.system)
        content: Any = [_text(text) for text in request.system] if marked else system_text(request)
        messages.append({"role": role, "content": content})
    prompt = _schema_prompt(request.response_format) if not options.json_schema else ""
    if prompt:
        messages.append({"role": "system", "content": prompt})
    for turn in request.turns:
        if turn.role == "assistant":
            messages += _assistant(turn, options)
        else:
            messages += _user(turn, target)
    return messages


def system_text(request: neutral.Request) -> str:
    """Claude's system blocks are pieces of one prompt; OpenAI's system messages are prompts of their own."""
    return ("\n" if request.dialect == "claude" else "\n\n").join([text.text for text in request.system])


def _assistant(turn: neutral.Turn, options: OpenAIOptions) -> list[dict[str, Any]]:
    texts = neutral.text_of(turn.blocks)
    thoughts = "".join([block.text for block in turn.blocks if isinstance(block, neutral.Thinking)])
    calls = [block for block in turn.blocks if isinstance(block, neutral.ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": texts or (None if calls else "")}
    if turn.name:
        message["name"] = turn.name
    if thoughts and options.keep_reasoning:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [write_tool_call(call) for call in calls]
    return [message] if texts or calls or "reasoning_content" in message else []


def write_tool_call(call: neutral.ToolCall) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def _user(turn: neutral.Turn, target: Target) -> list[dict[str, Any]]:
    """Tool messages first, then one user message with everything else, pictures of tool results included."""
    messages: list[dict[str, Any]] = []
    rest: list[neutral.Block] = []
    for block in turn.blocks:
        if isinstance(block, neutral.ToolResult):
            messages.append(_tool_message(block))
            rest += [part for part in block.content if not isinstance(part, neutral.Text)]
    rest += [block for block in turn.blocks if not isinstance(block, neutral.ToolResult)]
    if not rest:
        return messages
    message: dict[str, Any] = {"role": "user", "content": _content(rest, target)}
    if turn.name:
        message["name"] = turn.name
    return [*messages, message]


def _tool_message(result: neutral.ToolResult) -> dict[str, Any]:
    text = "\n".join([part.text for part in result.content if isinstance(part, neutral.Text)])
    return {"role": "tool", "tool_call_id": result.id, "content": f"Error: {text}" if result.is_error else text}


def _content(blocks: list[neutral.Block], target: Target) -> str | list[dict[str, Any]]:
    if (
        len(blocks) == 1
        and isinstance(blocks[0], neutral.Text)
        and not (target.openai.openrouter and blocks[0].cache_control)
    ):
        return blocks[0].text
    return [_part(block, target) for block in blocks]


def _text(block: neutral.Text) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "text", "text": block.text}
    if block.cache_control:
        part["cache_control"] = block.cache_control
    return part


def _part(block: neutral.Block, target: Target) -> dict[str, Any]:
    match block:
        case neutral.Text():
            return _text(block) if target.openai.openrouter else {"type": "text", "text": block.text}
        case neutral.Image(file_id=""):
            link = {"url": block.url or f"data:{block.media_type or 'image/png'};base64,{block.data}"}
            if block.detail:
                link["detail"] = block.detail
            return {"type": "image_url", "image_url": link}
        case neutral.Audio(url=""):
            kind = block.media_type.rpartition("/")[2]
            return {"type": "input_audio", "input_audio": {"data": block.data, "format": _AUDIO_FORMAT.get(kind, kind)}}
        case neutral.Document(text=str(text)) if text:
            return {"type": "text", "text": text}
        case neutral.Document(data=str(data)) if data:
            uri = f"data:{block.media_type or 'application/pdf'};base64,{data}"
            return {"type": "file", "file": {"filename": block.filename or "document.pdf", "file_data": uri}}
        case neutral.Document(url=str(url)) if url:
            raise Unsupported("documents by URL", target.name)
    raise Unsupported(
        "files by id" if isinstance(block, neutral.Image | neutral.Document) else "audio by URL", target.name
    )


_AUDIO_FORMAT = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}


def _write_tools(body: dict[str, Any], request: neutral.Request, target: Target, dropped: list[str] | None) -> None:
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, neutral.ServerTool):
            if tool.dialect == "openai":
                body["web_search_options"] = tool.raw
            elif dropped is not None:
                dropped.append(f"tools: {tool.kind}")
            continue
        function: dict[str, Any] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
        if tool.strict is not None:
            function["strict"] = tool.strict
        tools.append({"type": "function", "function": function})
    if not tools:
        return
    body["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return
    if choice.mode == "named":
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.explicit:
        body["tool_choice"] = choice.mode
    if choice.parallel is not None:
        body["parallel_tool_calls"] = choice.parallel


def _write_reasoning(
    body: dict[str, Any], wish: neutral.Reasoning | None, *, reasons: bool, options: OpenAIOptions
) -> None:
    if wish is None or wish.mode == "":
        return
    if options.openrouter:
        if wish.mode == "off":
            body["reasoning"] = {"enabled": False}
        elif wish.budget_tokens is not None:
            body["reasoning"] = {"max_tokens": wish.budget_tokens}
        else:
            body["reasoning"] = {"effort": wish.effort} if wish.effort else {"enabled": True}
    elif reasons and options.reasoning_effort:
        effort = effort_of(wish)
        if effort:
            body["reasoning_effort"] = effort


def effort_of(wish: neutral.Reasoning) -> str:
    """OpenAI's word for a wish; '' = leave it to the model."""
    if wish.effort:
        return "xhigh" if wish.effort == "max" else wish.effort
    if wish.mode == "off" or wish.budget_tokens is None:
        return ""
    return next((effort for below, effort in _BUDGET_EFFORT if wish.budget_tokens < below), "high")


def _response_format(wish: neutral.ResponseFormat, options: OpenAIOptions) -> dict[str, Any]:
    if wish.kind != "json_schema" or not options.json_schema:
        return {"type": "json_object" if wish.kind != "text" else "text"}
    schema: dict[str, Any] = {"name": wish.name or "answer", "schema": wish.schema or {}}
    if wish.description:
        schema["description"] = wish.description
    if wish.strict is not None:
        schema["strict"] = wish.strict
    return {"type": "json_schema", "json_schema": schema}


def _schema_prompt(wish: neutral.ResponseFormat | None) -> str:
    return "" if wish is None else schema_sentence(wish)


def schema_sentence(wish: neutral.ResponseFormat) -> str:
    """What to tell a model whose provider has no structured output; '' for plain text."""
    if wish.kind == "text":
        return ""
    if wish.kind == "json_object" or wish.schema is None:
        return "Answer with a single valid JSON object and nothing else: no explanation, no code fence."
    return (
        "Answer with a single JSON value that follows this JSON Schema, and nothing else: no explanation, no code fence.\n"
        + neutral.json_text(wish.schema)
    )
