"""Tencent Hunyuan: its cloud API with TC3 signatures, or the OpenAI-like service for plain keys.

Source: cloud.tencent.com/document/product/1729: ChatCompletions, GetEmbedding, OpenAI compatibility; API 3.0 error codes.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.dialects import neutral
from schema.dialects.base import OpenAIOptions, Target
from schema.dialects.body import encode
from schema.dialects.embeddings import EmbedAnswer
from schema.dialects.errors import BadAnswer, Unsupported
from schema.dialects.files import Fetched
from schema.dialects.openai.request_writer import request_members
from schema.dialects.providers.answers import EMBEDDING_READERS, read_embed_request
from schema.dialects.providers.base import Call, ChannelView, Headers, KeyFormatError, NeedsFiles, Outgoing
from schema.dialects.providers.plain_text import Format, OwnFormat, SSEReader, given
from schema.dialects.providers.template import TEXT, BaseProvider, Draft, failed
from schema.dialects.providers.urls import join
from schema.dialects.providers.wires import Formats
from schema.dialects.signing.tc3 import sign_tc3
from schema.usage import TokenUsage

COMPATIBLE = "https://api.hunyuan.cloud.tencent.com/v1"
_OPTIONS = OpenAIOptions(developer_role=False, reasoning_prefixes=(), include_usage=False)
_FINISH: dict[str, neutral.Finish] = {
    "tool_calls": "tool_calls",
    "sensitive": "content_filter",
    "length": "length",
}


class TencentProvider(OwnFormat):
    name = "tencent"
    label = "Tencent Hunyuan"
    base_url = "https://hunyuan.tencentcloudapi.com"
    modes = TEXT | {"embedding"}
    wire = "tencent"
    native = frozenset({"openai"})
    tools = True

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        if is_signed(channel):
            return super().chat(call, channel, files)
        return _plain.chat(call, channel, files)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if is_signed(channel):
            return (channel.base_url or self.base_url).rstrip("/") + "/"
        own = channel.base_url if channel.base_url and channel.base_url.rstrip("/") != self.base_url else COMPATIBLE
        return join(own, draft.path)

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return () if is_signed(channel) else super().credentials(call, channel, credential)

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        """OpenAI's body with Tencent's capitals."""
        members = request_members(request, replace(target, openai=_OPTIONS, system_prompt=""))
        body = given(
            Model=target.model,
            Messages=[_message(message) for message in members["messages"]],
            TopP=members.get("top_p"),
            Temperature=members.get("temperature"),
            Stop=members.get("stop"),
            ToolChoice=members.get("tool_choice") if isinstance(members.get("tool_choice"), str) else None,
        )
        if members.get("tools"):
            body["Tools"] = [_tool(tool) for tool in members["tools"]]
        return Draft(encode(body | {"Stream": call.stream}), wire="tencent")

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        if not is_signed(channel):
            return _plain.embedding(call, channel)
        request = read_embed_request(call)
        if request.token_inputs:
            raise Unsupported("input: token ids", self.label)
        return Draft(encode({"InputList": list(request.inputs)}), wire="tencent", model=call.upstream_model)

    def sign(self, outgoing: Outgoing, call: Call, channel: ChannelView) -> Outgoing:
        if not is_signed(channel):
            return outgoing
        parts = [part.strip() for part in channel.key.split("|")]
        if len(parts) != 3 or not all(parts):
            raise KeyFormatError("the key is not AppId|SecretId|SecretKey")
        action = "GetEmbedding" if call.mode == "embedding" else "ChatCompletions"
        host = urlsplit(outgoing.url).netloc
        signature = sign_tc3(
            outgoing.body,
            secret_id=parts[1],
            secret_key=parts[2],
            service="hunyuan",
            host=host,
            action=action,
            now_s=call.now_s,
        )
        signed: Headers = (
            ("Authorization", signature),
            ("X-TC-Action", action),
            ("X-TC-Version", "2023-09-01"),
            ("X-TC-Timestamp", str(call.now_s)),
        )
        return replace(outgoing, headers=(*outgoing.headers, *signed))


class _PlainTencent(BaseProvider):
    """The bodies of the OpenAI-like service."""

    name = "tencent"
    label = "Tencent Hunyuan"
    modes = TEXT | {"embedding"}

    def openai_options(self, call: Call, channel: ChannelView) -> OpenAIOptions:
        return _OPTIONS


_plain = _PlainTencent()


def is_signed(channel: ChannelView) -> bool:
    return "|" in channel.key


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    held = given(Role=message["role"], ToolCallId=message.get("tool_call_id"))
    if isinstance(content, list):
        held["Contents"] = [_part(part) for part in content]
    else:
        held["Content"] = content or ""
    if message.get("tool_calls"):
        held["ToolCalls"] = [
            {"Id": call["id"], "Type": "function", "Function": _capitals(call["function"])}
            for call in message["tool_calls"]
        ]
    return held


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") == "image_url":
        return {"Type": "image_url", "ImageUrl": {"Url": part["image_url"]["url"]}}
    if part.get("type") != "text":
        raise Unsupported(str(part.get("type")), "Tencent Hunyuan")
    return {"Type": "text", "Text": part["text"]}


def _capitals(members: dict[str, Any]) -> dict[str, Any]:
    return {name.capitalize(): value for name, value in members.items()}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    parameters = neutral.json_text(function.get("parameters") or {"type": "object", "properties": {}})
    shown = given(Name=function["name"], Description=function.get("description"), Parameters=parameters)
    return {"Type": "function", "Function": shown}


# --- answers ---


class _Usage(Struct, frozen=True, rename="pascal"):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Function(Struct, frozen=True, rename="pascal"):
    name: str = ""
    arguments: str = ""


class _ToolCall(Struct, frozen=True, rename="pascal"):
    id: str = ""
    index: int = 0
    function: _Function = _Function()


class _Message(Struct, frozen=True, rename="pascal"):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, frozen=True, rename="pascal"):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Error(Struct, frozen=True, rename="pascal"):
    code: str | int = ""
    message: str = ""


class _Vector(Struct, frozen=True, rename="pascal"):
    embedding: list[float] = []
    index: int = 0


class _Body(Struct, frozen=True, rename="pascal"):
    id: str = ""
    created: int = 0
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Error | None = None
    error_msg: _Error | None = None
    data: list[_Vector] | None = None
    response: "_Body | None" = None


_decode = msgspec.json.Decoder(_Body).decode


def status_of(code: str) -> int:
    """Tencent's textual codes. Source: API 3.0, public error codes."""
    if code.startswith("AuthFailure"):
        return 401
    if code.startswith(("RequestLimitExceeded", "LimitExceeded")):
        return 429
    if code.startswith(("InvalidParameter", "MissingParameter", "UnsupportedOperation")):
        return 400
    if code.startswith(("UnauthorizedOperation", "ResourceInsufficient", "FailedOperation.ResourcePack")):
        return 403
    return 500 if code.startswith("InternalError") else 502


def error_of(error: _Error) -> neutral.UpstreamError:
    code = str(error.code)
    text = error.message or "the upstream reported an error"
    return neutral.UpstreamError(text, "tencent_error", code, "", status_of(code))


def _body(raw: bytes) -> _Body:
    """Raises BadAnswer for Tencent's errors, which come with status 200."""
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise failed("the upstream's answer cannot be read", code="bad_response_body") from None
    body = body.response or body
    error = body.error or body.error_msg
    if error is not None:
        raise BadAnswer(error_of(error))
    return body


def _usage(usage: _Usage | None) -> TokenUsage | None:
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    return TokenUsage(input_text=usage.prompt_tokens, output_text=usage.completion_tokens)


def read_answer(raw: bytes) -> neutral.Answer:
    body = _body(raw)
    if not body.choices:
        raise failed("the upstream's answer has no choices", code="bad_response_body")
    choices = []
    for at, choice in enumerate(body.choices):
        message = choice.message or _Message()
        blocks: list[neutral.Block] = []
        if message.reasoning_content:
            blocks.append(neutral.Thinking(message.reasoning_content))
        if message.content:
            blocks.append(neutral.Text(message.content))
        for call in message.tool_calls or ():
            blocks.append(neutral.ToolCall(call.id, call.function.name, call.function.arguments or "{}"))
        choices.append(neutral.Choice(tuple(blocks), _FINISH.get(choice.finish_reason or "", "stop"), index=at))
    return neutral.Answer(body.id, "", body.created, tuple(choices), _usage(body.usage))


class StreamReader(SSEReader):
    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._calls: dict[int, int] = {}

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            body = _body(payload)
        except BadAnswer as error:
            known = error.error.code != "bad_response_body"
            return [neutral.Failed(error.error)] if known else []
        events: list[neutral.Event] = [] if self._started else [neutral.Start(body.id, "", body.created)]
        self._started = True
        for choice in body.choices or ():
            delta = choice.delta or _Message()
            if delta.reasoning_content:
                events.append(neutral.ThinkingDelta(delta.reasoning_content))
            if delta.content:
                events.append(neutral.TextDelta(delta.content))
            for call in delta.tool_calls or ():
                events += self._call(call)
            if choice.finish_reason:
                self.finished = True
                events += [neutral.ToolStop(i) for i in self._calls.values()]
                events.append(neutral.Finished(_FINISH.get(choice.finish_reason, "stop")))
        usage = _usage(body.usage)
        return [*events, neutral.UsageEvent(usage)] if usage else events

    def _call(self, call: _ToolCall) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        if call.index not in self._calls:
            self._calls[call.index] = len(self._calls)
            events.append(neutral.ToolStart(self._calls[call.index], call.id, call.function.name))
        if call.function.arguments:
            events.append(neutral.ToolArgs(self._calls[call.index], call.function.arguments))
        return events


def read_embeddings(raw: bytes) -> EmbedAnswer:
    body = _body(raw)
    vectors = sorted(body.data or (), key=lambda item: item.index)
    return EmbedAnswer(tuple([item.embedding for item in vectors]), _usage(body.usage))


Formats.held["tencent"] = Format(read_answer, StreamReader)
EMBEDDING_READERS["tencent"] = read_embeddings
