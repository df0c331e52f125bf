"""The neutral form to a Responses request, stateless (`store: false`).

Source: OpenAI API reference, Responses, create.
"""

from typing import Any

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.errors import Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.openai.request_writer import effort_of, system_text
from schema.dialects.suffixes import is_reasoning_model
from schema.dialects.system_prompt import with_system_prompt

_TEXT_ONLY = frozenset({"text"})
_SERVER_TOOLS: dict[str, dict[str, Any]] = {
    "web_search": {"type": "web_search"},
    "code_execution": {"type": "code_interpreter", "container": {"type": "auto"}},
}


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, _TEXT_ONLY, target.name)
    reasons = is_reasoning_model(target.model, target.openai.reasoning_prefixes)
    body: dict[str, Any] = {"model": target.model, "input": _input(request, target), "store": False}
    instructions = system_text(request)
    if instructions:
        body["instructions"] = instructions
    if request.stream:
        body["stream"] = True
    if request.max_tokens:
        body["max_output_tokens"] = request.max_tokens
    sampling = request.sampling
    if sampling.temperature is not None and not reasons:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.top_logprobs is not None:
        body["top_logprobs"] = sampling.top_logprobs
    _write_tools(body, request, dropped)
    wish = target.reasoning or request.reasoning
    if wish is not None and reasons:
        effort = effort_of(wish)
        summary = wish.summary or ("auto" if wish.include_thoughts else "")
        reasoning = ({"effort": effort} if effort else {}) | ({"summary": summary} if summary else {})
        if reasoning:
            body["reasoning"] = reasoning
    if request.response_format is not None:
        body["text"] = {"format": write_format(request.response_format)}
    if request.user:
        body["user"] = request.user
    unknown = ["top_k", "frequency_penalty", "presence_penalty", "seed", "n", "stop", "logit_bias"]
    note_dropped(request, dropped, *unknown, *(["temperature"] if reasons else []))
    return encode(body)


def _input(request: neutral.Request, target: Target) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for turn in request.turns:
        content: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for block in turn.blocks:
            match block:
                case neutral.ToolCall():
                    call = {
                        "type": "function_call",
                        "call_id": block.id,
                        "name": block.name,
                        "arguments": block.arguments,
                    }
                    calls.append(call)
                case neutral.ToolResult():
                    items.append({"type": "function_call_output", "call_id": block.id, "output": _output(block)})
                    content += [_part(part, target) for part in block.content if not isinstance(part, neutral.Text)]
                case neutral.Thinking():
                    if block.redacted and request.dialect == "responses":
                        summary = [{"type": "summary_text", "text": block.text}] if block.text else []
                        reasoning = {"type": "reasoning", "summary": summary, "encrypted_content": block.redacted}
                        items.append(reasoning | ({"id": block.id} if block.id else {}))
                case neutral.Text() if turn.role == "assistant":
                    content.append({"type": "output_text", "text": block.text})
                case _:
                    content.append(_part(block, target))
        if content:
            plain = len(content) == 1 and content[0]["type"] in ("input_text", "output_text")
            items.append({"role": turn.role, "content": content[0]["text"] if plain else content})
        items += calls
    return items


def _output(result: neutral.ToolResult) -> str:
    text = "\n".join([part.text for part in result.content if isinstance(part, neutral.Text)])
    return f"Error: {text}" if result.is_error else text


def _part(block: neutral.Block, target: Target) -> dict[str, Any]:
    match block:
        case neutral.Text():
            return {"type": "input_text", "text": block.text}
        case neutral.Image(file_id=""):
            link = block.url or f"data:{block.media_type or 'image/png'};base64,{block.data}"
            return {"type": "input_image", "image_url": link, "detail": block.detail or "auto"}
        case neutral.Document(text=str(text)) if text:
            return {"type": "input_text", "text": text}
        case neutral.Document(data=str(data)) if data:
            uri = f"data:{block.media_type or 'application/pdf'};base64,{data}"
            return {"type": "input_file", "filename": block.filename or "document.pdf", "file_data": uri}
        case neutral.Document(url=str(url)) if url:
            return {"type": "input_file", "file_url": url}
        case neutral.Audio():
            raise Unsupported("input_audio", target.name)
    raise Unsupported("files by id", target.name)


def _write_tools(body: dict[str, Any], request: neutral.Request, dropped: list[str] | None) -> None:
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, neutral.Function):
            tools.append(write_function(tool))
        elif tool.kind in _SERVER_TOOLS:
            tools.append(_SERVER_TOOLS[tool.kind])
        elif dropped is not None:
            dropped.append(f"tools: {tool.kind}")
    if not tools:
        return
    body["tools"] = tools
    choice = request.tool_choice
    if choice is not None:
        if choice.explicit:
            body["tool_choice"] = write_choice(choice)
        if choice.parallel is not None:
            body["parallel_tool_calls"] = choice.parallel


def write_function(tool: neutral.Function) -> dict[str, Any]:
    if tool.custom:
        return {"type": "custom", "name": tool.name, "description": tool.description}
    written: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return written | {"strict": bool(tool.strict)}


def write_choice(choice: neutral.ToolChoice) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def write_format(wish: neutral.ResponseFormat) -> dict[str, Any]:
    if wish.kind != "json_schema":
        return {"type": wish.kind}
    written: dict[str, Any] = {"type": "json_schema", "name": wish.name or "answer", "schema": wish.schema or {}}
    if wish.description:
        written["description"] = wish.description
    if wish.strict is not None:
        written["strict"] = wish.strict
    return written
