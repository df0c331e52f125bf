"""What a provider of each wire demands of a request, read as its own server would, without our code."""

import base64
import json
from collections.abc import Callable
from typing import Any

PIXEL = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\x0f\x04\x00\x09\xfb\x03\xfd\xe3U\xf2\x9c\x00\x00\x00\x00IEND\xaeB`\x82"
).decode()
SYSTEM = "Answer briefly, captain."
TOOL = "get_weather"
TOOL_TEXT = "Get the weather of a place."
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "City and country"},
        "unit": {"type": "string", "enum": ["c", "f"]},
    },
    "required": ["location"],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
RESULT = "18 degrees and windy"
WITH_TOOLS = frozenset({"tool", "parallel", "history"})
Sent = dict[str, Any]


def check_common(case: str, body: bytes) -> None:
    assert SYSTEM.encode() in body, "the system prompt is lost"
    if case == "history":
        assert RESULT.encode() in body, "the tool's result is lost"


def _tool(name: str, description: str, schema: Sent) -> None:
    assert (name, description) == (TOOL, TOOL_TEXT), (name, description)
    assert schema["type"].lower() == "object" and schema["required"] == ["location"], schema
    assert schema["properties"]["unit"]["enum"] == ["c", "f"], schema


def _arguments(text: str) -> None:
    assert json.loads(text) == {"location": "Oslo"}, text


def check_openai(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    messages = sent["messages"]
    assert messages[0]["role"] in ("system", "developer") and SYSTEM in str(messages[0]["content"])
    assert [m["role"] for m in messages[1:]] == (["user", "assistant", "tool"] if case == "history" else ["user"])
    if stream:
        assert sent.get("stream_options", {"include_usage": True}) == {"include_usage": True}
    else:
        assert "stream_options" not in sent
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        assert tool["type"] == "function"
        _tool(tool["function"]["name"], tool["function"]["description"], tool["function"]["parameters"])
    if case == "history":
        (call,) = messages[2]["tool_calls"]
        assert call["function"]["name"] == TOOL and call["id"] == messages[3]["tool_call_id"]
        _arguments(call["function"]["arguments"])
        assert RESULT in str(messages[3]["content"])
    if case == "image":
        (image,) = [part for part in messages[1]["content"] if part["type"] == "image_url"]
        url = image["image_url"] if isinstance(image["image_url"], str) else image["image_url"]["url"]
        assert url == f"data:image/png;base64,{PIXEL}", url[:50]
    if case == "schema":
        assert sent["response_format"]["json_schema"]["schema"]["properties"] == SCHEMA["properties"]


def check_deepseek(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    check_openai(case, stream, sent, headers)


def check_responses(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    assert sent["instructions"] == SYSTEM
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        _tool(tool["name"], tool["description"], tool["parameters"])
    if case == "schema":
        assert sent["text"]["format"]["schema"] == SCHEMA


def check_claude(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    system = sent["system"]
    assert SYSTEM in (system if isinstance(system, str) else "".join(block["text"] for block in system))
    assert sent["max_tokens"] > 0
    messages = sent["messages"]
    assert [m["role"] for m in messages] == (["user", "assistant", "user"] if case == "history" else ["user"])
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        _tool(tool["name"], tool["description"], tool["input_schema"])
    else:
        assert sent.get("tools") is None
    blocks = messages[0]["content"]
    if case == "history":
        (call,) = [b for b in messages[1]["content"] if b["type"] == "tool_use"]
        (result,) = [b for b in messages[2]["content"] if b["type"] == "tool_result"]
        assert call["name"] == TOOL and call["id"] == result["tool_use_id"] and call["input"] == {"location": "Oslo"}
        assert RESULT in json.dumps(result["content"])
    if case == "image":
        (image,) = [b for b in blocks if b["type"] == "image"]
        assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}, image
    if case == "thinking":
        kind = sent["thinking"]["type"]
        assert kind == "adaptive" or (
            kind == "enabled" and 1024 <= sent["thinking"]["budget_tokens"] < sent["max_tokens"]
        )
        assert sent.get("temperature") in (None, 1)
    if case == "schema":
        assert SCHEMA["properties"] == (_claude_schema(sent) or SCHEMA)["properties"]
        assert _claude_schema(sent) or '"city"' in json.dumps(system).replace("\\", "")


def _claude_schema(sent: Sent) -> Sent | None:
    held: Sent | None = (sent.get("output_config") or {}).get("format") or sent.get("output_format")
    return held["schema"] if held else None


def _camel(value: Any) -> Any:
    """Google takes both spellings of a member, and its SDKs mix them."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        "".join([name.split("_")[0], *(part.title() for part in name.split("_")[1:])]): _camel(item)
        for name, item in value.items()
    }


def check_gemini(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    sent = _camel(sent)
    system = sent["systemInstruction"]
    assert SYSTEM in "".join(part["text"] for part in system["parts"])
    contents = sent["contents"]
    config = sent.get("generationConfig", {})
    roles = [content.get("role", "user") for content in contents]
    assert roles == (["user", "model", "user"] if case == "history" else ["user"]), roles
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        (function,) = tool["functionDeclarations"]
        schema = function.get("parameters") or function["parametersJsonSchema"]
        _tool(function["name"], function["description"], schema)
    if case == "history":
        (call,) = [part["functionCall"] for part in contents[1]["parts"] if "functionCall" in part]
        (result,) = [part["functionResponse"] for part in contents[2]["parts"]]
        assert call["name"] == result["name"] == TOOL and call["args"] == {"location": "Oslo"}
        assert isinstance(result["response"], dict)
    if case == "image":
        (image,) = [part["inlineData"] for part in contents[0]["parts"] if "inlineData" in part]
        assert base64.urlsafe_b64decode(image["data"].replace("+", "-").replace("/", "_")) == base64.b64decode(PIXEL)
        assert image["mimeType"] == "image/png"
    if case == "thinking":
        assert config["thinkingConfig"]["includeThoughts"] is True, config
    if case == "schema":
        assert config["responseMimeType"] == "application/json"
        held = config.get("responseSchema") or config["responseJsonSchema"]
        assert "city" in held["properties"]


def check_cohere(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    messages = sent["messages"]
    assert messages[0]["role"] == "system"
    assert [m["role"] for m in messages[1:]] == (["user", "assistant", "tool"] if case == "history" else ["user"])
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        _tool(tool["function"]["name"], tool["function"]["description"], tool["function"]["parameters"])
    if case == "history":
        (call,) = messages[2]["tool_calls"]
        assert call["id"] == messages[3]["tool_call_id"]
        _arguments(call["function"]["arguments"])
    if case == "image":
        (image,) = [part for part in messages[1]["content"] if part["type"] == "image_url"]
        assert image["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    if case == "thinking":
        assert sent["thinking"]["type"] == "enabled"
    if case == "schema":
        held = sent["response_format"]
        assert held["type"] == "json_object" and "city" in (held.get("json_schema") or held["schema"])["properties"]


def check_converse(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAFAKE/")
    assert "stream" not in sent and "model" not in sent
    system = "".join(block.get("text", "") for block in sent["system"])
    assert SYSTEM in system
    messages = sent["messages"]
    assert [m["role"] for m in messages] == (["user", "assistant", "user"] if case == "history" else ["user"])
    if case in WITH_TOOLS:
        (tool,) = sent["toolConfig"]["tools"]
        spec = tool["toolSpec"]
        _tool(spec["name"], spec["description"], spec["inputSchema"]["json"])
    if case == "history":
        (call,) = [b["toolUse"] for b in messages[1]["content"] if "toolUse" in b]
        (result,) = [b["toolResult"] for b in messages[2]["content"]]
        assert call["toolUseId"] == result["toolUseId"] and call["input"] == {"location": "Oslo"}
    if case == "image":
        (image,) = [b["image"] for b in messages[0]["content"] if "image" in b]
        assert image == {"format": "png", "source": {"bytes": PIXEL}}
    if case == "schema":
        assert "city" in system


def check_ollama(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    messages = sent["messages"]
    assert messages[0]["role"] == "system"
    assert [m["role"] for m in messages[1:]] == (["user", "assistant", "tool"] if case == "history" else ["user"])
    assert all(isinstance(message["content"], str) for message in messages), "Ollama's content is a string"
    if case in WITH_TOOLS:
        (tool,) = sent["tools"]
        _tool(tool["function"]["name"], tool["function"]["description"], tool["function"]["parameters"])
    if case == "history":
        (call,) = messages[2]["tool_calls"]
        assert call["function"]["arguments"] == {"location": "Oslo"} and messages[3]["tool_name"] == TOOL
    if case == "image":
        assert messages[1]["images"] == [PIXEL]
    if case == "thinking":
        assert sent["think"]
    if case == "schema":
        assert "city" in sent["format"]["properties"]


def check_tencent(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    assert headers["authorization"].startswith("TC3-HMAC-SHA256 Credential=fakeSecretId/")
    assert headers["x-tc-action"] == "ChatCompletions"
    if case in WITH_TOOLS:
        (tool,) = sent["Tools"]
        function = tool["Function"]
        _tool(function["Name"], function["Description"], json.loads(function["Parameters"]))
    if case == "history":
        (call,) = sent["Messages"][2]["ToolCalls"]
        assert call["Id"] == sent["Messages"][3]["ToolCallId"]
        _arguments(call["Function"]["Arguments"])


def check_dify(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    assert sent["query"] and sent["user"] and isinstance(sent["inputs"], dict)


def check_coze(case: str, stream: bool, sent: Sent, headers: dict[str, str]) -> None:
    assert sent["bot_id"] == "123" and sent["user_id"] and sent["stream"] is True


CHECKS: dict[str, Callable[[str, bool, Sent, dict[str, str]], None]] = {
    "openai": check_openai, "deepseek": check_deepseek, "responses": check_responses, "claude": check_claude,
    "gemini": check_gemini, "cohere": check_cohere, "converse": check_converse, "ollama": check_ollama,
    "tencent": check_tencent, "dify": check_dify, "coze": check_coze,
}  # fmt: skip
