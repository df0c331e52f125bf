"""The neutral form to a generateContent request.

Source: Gemini API reference, generateContent; thinking guide (budgets a model takes; thought signatures of Gemini 3).
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode, without_none
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.gemini.json_schema import clean_schema
from schema.dialects.suffixes import gemini_budget
from schema.dialects.system_prompt import with_system_prompt
from schema.dialects.turns import merge_neighbours, tool_names

_MODALITIES = frozenset({"text", "image", "audio"})
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")
_EFFORT_BUDGET = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
_BUDGET_MIN_PRO = 128  # the pro models cannot stop thinking
_STOPS_MAX = 5
_NO_SIGNATURE = "skip_thought_signature_validator"  # Google's own word for calls that came from elsewhere
_SERVER_TOOLS = {"code_execution": "codeExecution", "web_search": "googleSearch", "url_context": "urlContext"}
_FUNCTION_NAMES = {"codeExecution": "code_execution", "googleSearch": "web_search", "urlContext": "url_context"}


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    return encode(request_members(request, target, dropped))


def request_members(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> dict[str, Any]:
    """The body as a dict; the model stands in the URL."""
    request = with_system_prompt(request, target.system_prompt)
    refuse_needed(request, target.name)
    refuse_modalities(request, _MODALITIES, target.name)
    body: dict[str, Any] = {"contents": _contents(request, target)}
    system = "\n".join([text.text for text in request.system])
    if system:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    tools = _tools(request, target, dropped)
    if tools:
        body["tools"] = tools
        config = _calling_config(request.tool_choice)
        if config and any("functionDeclarations" in tool for tool in tools):
            body["toolConfig"] = {"functionCallingConfig": config}
    config = _generation_config(request, target)
    if config:
        body["generationConfig"] = config
    safety = target.gemini.safety
    if safety:
        names = [f"HARM_CATEGORY_{harm}" for harm in _HARMS]
        settings = [(name, safety.get(name) or safety.get("default")) for name in names]
        body["safetySettings"] = [{"category": name, "threshold": level} for name, level in settings if level]
    note_dropped(request, dropped, "logit_bias")
    if dropped is not None and request.user:
        dropped.append("user")
    return body


def _contents(request: neutral.Request, target: Target) -> list[dict[str, Any]]:
    names = tool_names(request.turns)
    images = 0
    contents = []
    for turn in merge_neighbours(request.turns):
        images += sum(isinstance(block, neutral.Image) for block in turn.blocks)
        parts = _model_parts(turn, request, target) if turn.role == "assistant" else _user_parts(turn, names, target)
        if parts:
            contents.append({"role": "model" if turn.role == "assistant" else "user", "parts": parts})
    if images > target.gemini.images_max:
        raise DialectError(f"too many images: {images}, at most {target.gemini.images_max}", code="too_many_images")
    return contents


def _model_parts(turn: neutral.Turn, request: neutral.Request, target: Target) -> list[dict[str, Any]]:
    """Text before calls. The first call of a turn needs a signature from Gemini 3 on."""
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in turn.blocks:
        match block:
            case neutral.Text() if block.text:
                parts.append({"text": block.text})
            case neutral.Image() if block.data:
                parts.append(_blob(block.media_type or "image/png", block.data))
            case neutral.Thinking() if request.dialect == "gemini" and block.text:
                thought: dict[str, Any] = {"text": block.text, "thought": True}
                parts.append(thought | ({"thoughtSignature": block.signature} if block.signature else {}))
            case neutral.ToolCall():
                call: dict[str, Any] = {"functionCall": {"name": block.name, "args": _args(block)}}
                signature = block.signature or (_NO_SIGNATURE if not calls and _wants_signature(target.model) else "")
                calls.append(call | ({"thoughtSignature": signature} if signature else {}))
    return parts + calls


def _wants_signature(model: str) -> bool:
    name = model.rpartition("/")[2]
    return name.startswith("gemini-") and name[7:8].isdigit() and int(name[7:8]) >= 3


def _args(call: neutral.ToolCall) -> msgspec.Raw:
    try:
        msgspec.json.decode(call.arguments, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        raise DialectError(
            f"arguments of tool call {call.name!r} are not a JSON object", param="tool_calls.function.arguments"
        ) from None
    return msgspec.Raw(call.arguments.encode())


def _user_parts(turn: neutral.Turn, names: dict[str, str], target: Target) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in turn.blocks:
        if isinstance(block, neutral.ToolResult):
            results.append({"functionResponse": _response(block, block.name or names.get(block.id, block.id))})
            parts += [_part(part, target) for part in block.content if not isinstance(part, neutral.Text)]
        elif not isinstance(block, neutral.Text) or block.text:
            parts.append(_part(block, target))
    return results + parts


def _response(result: neutral.ToolResult, name: str) -> dict[str, Any]:
    """The object itself if the tool answered one, else its text under a name."""
    text = "\n".join([part.text for part in result.content if isinstance(part, neutral.Text)])
    if result.is_error:
        return {"name": name, "response": {"error": text}}
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {"name": name, "response": {"result": text}}
    return {"name": name, "response": msgspec.Raw(text.encode())}


def _part(block: neutral.Block, target: Target) -> dict[str, Any]:
    match block:
        case neutral.Text():
            return {"text": block.text}
        case neutral.Image(data=str(data)) if data:
            return _blob(block.media_type or "image/png", data)
        case neutral.Audio(data=str(data)) if data:
            return _blob(block.media_type or "audio/wav", data)
        case neutral.Document(text=str(text)) if text:
            return {"text": text}
        case neutral.Document(data=str(data)) if data:
            return _blob(block.media_type or "application/pdf", data)
    raise Unsupported("files by URL or id", target.name)


def _blob(media_type: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _tools(request: neutral.Request, target: Target, dropped: list[str] | None) -> list[dict[str, Any]]:
    """Code, search and URL tools first, functions last. Functions of those names mean Google's own tools."""
    kinds: set[str] = set()
    functions: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, neutral.ServerTool):
            if tool.kind in _SERVER_TOOLS:
                kinds.add(tool.kind)
            elif dropped is not None:
                dropped.append(f"tools: {tool.kind}")
        elif tool.name in _FUNCTION_NAMES:
            kinds.add(_FUNCTION_NAMES[tool.name])
        else:
            functions.append(_declaration(tool, target))
    tools: list[dict[str, Any]] = [{name: {}} for kind, name in _SERVER_TOOLS.items() if kind in kinds]
    return [*tools, {"functionDeclarations": functions}] if functions else tools


def _declaration(tool: neutral.Function, target: Target) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.parameters and target.gemini.schema_key != "parameters":
        declared[target.gemini.schema_key] = tool.parameters
    elif tool.parameters:
        cleaned = clean_schema(tool.parameters)
        if cleaned.get("properties") or cleaned.get("type") != "object":
            declared["parameters"] = cleaned
    return declared


def _calling_config(choice: neutral.ToolChoice | None) -> dict[str, Any]:
    if choice is None or not choice.explicit:
        return {}
    if choice.mode == "named":
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    return {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice.mode]}


def _generation_config(request: neutral.Request, target: Target) -> dict[str, Any]:
    sampling = request.sampling
    config: dict[str, Any] = without_none(
        {
            "temperature": sampling.temperature,
            "topP": sampling.top_p,
            "topK": sampling.top_k,
            "candidateCount": sampling.n,
            "maxOutputTokens": request.max_tokens or None,
            "stopSequences": list(sampling.stop[:_STOPS_MAX]) or None,
            "seed": sampling.seed,
            "presencePenalty": sampling.presence_penalty,
            "frequencyPenalty": sampling.frequency_penalty,
            "responseLogprobs": sampling.logprobs,
            "logprobs": sampling.top_logprobs,
        }
    )
    wanted = request.response_format
    if wanted is not None and wanted.kind != "text":
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            config["responseSchema"] = clean_schema(wanted.schema)
    modalities = request.modalities or (("text", "image") if "-image" in target.model else ())
    if modalities and modalities != ("text",):
        config["responseModalities"] = [kind.upper() for kind in modalities]
    thinking = thinking_config(target.reasoning or request.reasoning, request.max_tokens, target)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def thinking_config(wish: neutral.Reasoning | None, max_tokens: int | None, target: Target) -> dict[str, Any]:
    """thinkingConfig for a wish; {} = leave it to the model. The pro models cannot be told not to think."""
    if wish is None or wish.mode == "":
        return {}
    if wish.mode == "off" or wish.effort == "none":
        least = _BUDGET_MIN_PRO if "-pro" in target.model else 0
        return {"includeThoughts": False, "thinkingBudget": least}
    budget = wish.budget_tokens
    if budget is None and wish.effort:
        budget = _EFFORT_BUDGET.get(wish.effort, 8192)
    elif budget is None and wish.mode == "on":
        budget = gemini_budget(max_tokens, target.gemini.thinking_share)
    config: dict[str, Any] = {"includeThoughts": wish.include_thoughts is not False}
    return config | ({} if budget is None else {"thinkingBudget": budget})
