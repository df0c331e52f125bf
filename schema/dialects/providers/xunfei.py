"""Xunfei Spark: a WebSocket with a signed address, or the OpenAI-like service for keys without bars.

Source: xfyun.cn/doc/spark: Web API (addresses, domains, frames, error codes), HTTP interface.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from schema.dialects import neutral
from schema.dialects.base import OpenAIOptions, Target
from schema.dialects.body import encode
from schema.dialects.files import Fetched
from schema.dialects.openai.usage import Usage, read_usage
from schema.dialects.providers.base import Call, ChannelView, Headers, KeyFormatError, NeedsFiles, Outgoing
from schema.dialects.providers.plain_text import Format, Message, OwnFormat, SSEReader, given, messages_of
from schema.dialects.providers.template import TEXT, BaseProvider, Draft, failed
from schema.dialects.providers.urls import join
from schema.dialects.providers.wires import Formats
from schema.dialects.signing.xunfei import sign_url

COMPATIBLE = "https://spark-api-open.xf-yun.com/v1"
SOCKET = "wss://spark-api.xf-yun.com"
_NAMED = {
    "spark-lite": "v1.1",
    "spark-pro": "v3.1",
    "spark-pro-128k": "pro-128k",
    "spark-max": "v3.5",
    "spark-max-32k": "max-32k",
    "spark-4.0-ultra": "v4.0",
}
_DOMAINS = {
    "v1.1": "lite",
    "v2.1": "generalv2",
    "v3.1": "generalv3",
    "v3.5": "generalv3.5",
    "v4.0": "4.0Ultra",
    "pro-128k": "pro-128k",
    "max-32k": "max-32k",
}
_NO_SYSTEM = ("v1.1", "v2.1")  # know no system messages
_STATUS = {
    10007: 429,
    10013: 400,
    10014: 400,
    10019: 400,
    10163: 400,
    10907: 400,
    11200: 401,
    11201: 429,
    11202: 429,
    11203: 429,
}


def version_of(call: Call, channel: ChannelView) -> str:
    """v1.1 … v4.0, or one of the long-context paths."""
    asked = call.query.get("api-version")
    if asked:
        return asked
    named = _NAMED.get(call.upstream_model.lower())
    if named:
        return named
    parts = call.upstream_model.split("-")
    return parts[1] if len(parts) == 2 else channel.other or "v1.1"


class XunfeiProvider(OwnFormat):
    name = "xunfei"
    label = "Xunfei Spark"
    modes = TEXT
    wire = "xunfei"

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        return super().chat(call, channel, files) if is_socket(channel) else _plain.chat(call, channel, files)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if not is_socket(channel):
            return join(channel.base_url or COMPATIBLE, draft.path)
        version = version_of(call, channel)
        folder = f"/chat/{version}" if version in ("pro-128k", "max-32k") else f"/{version}/chat"
        return (channel.base_url.rstrip("/") or SOCKET).replace("http", "ws", 1) + folder

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return () if is_socket(channel) else super().credentials(call, channel, credential)

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        version = version_of(call, channel)
        messages = messages_of(request, self.label)
        if version in _NO_SYSTEM and messages and messages[0].role == "system":
            messages[:1] = [Message("user", messages[0].text), Message("assistant", "Okay")]
        chat = given(
            domain=_DOMAINS.get(version, "general" + version),
            temperature=request.sampling.temperature,
            top_k=request.sampling.top_k,
            max_tokens=request.max_tokens,
        )
        body = {
            "header": {"app_id": _parts(channel)[0]},
            "parameter": {"chat": chat},
            "payload": {"message": {"text": [{"role": item.role, "content": item.text} for item in messages]}},
        }
        return Draft(encode(body), wire="xunfei", framing="websocket", stream=True, method="GET")

    def sign(self, outgoing: Outgoing, call: Call, channel: ChannelView) -> Outgoing:
        if not is_socket(channel):
            return outgoing
        _, secret, key = _parts(channel)
        return replace(
            outgoing, url=sign_url(outgoing.url, api_key=key, api_secret=secret, now_s=call.now_s), headers=()
        )


class _PlainXunfei(BaseProvider):
    """The bodies of the OpenAI-like service."""

    name = "xunfei"
    label = "Xunfei Spark"

    def openai_options(self, call: Call, channel: ChannelView) -> OpenAIOptions:
        return OpenAIOptions(developer_role=False, reasoning_prefixes=())


_plain = _PlainXunfei()


def is_socket(channel: ChannelView) -> bool:
    return "|" in channel.key


def _parts(channel: ChannelView) -> list[str]:
    parts = [part.strip() for part in channel.key.split("|")]
    if len(parts) != 3 or not all(parts):
        raise KeyFormatError("the key is not AppId|ApiSecret|ApiKey")
    return parts


class _Header(Struct, frozen=True):
    code: int = 0
    message: str = ""
    sid: str = ""


class _Text(Struct, frozen=True):
    content: str = ""
    reasoning_content: str | None = None


class _Choices(Struct, frozen=True):
    status: int = 0  # 2 = last
    text: list[_Text] = []


class _Counts(Struct, frozen=True):
    text: Usage | None = None


class _Payload(Struct, frozen=True):
    choices: _Choices | None = None
    usage: _Counts | None = None


class _Frame(Struct, frozen=True):
    header: _Header = _Header()
    payload: _Payload | None = None


_decode = msgspec.json.Decoder(_Frame).decode


class FrameReader(SSEReader):
    """One text frame is one payload."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False

    def feed(self, data: bytes) -> list[neutral.Event]:
        return self.read(data)

    def read(self, payload: bytes) -> list[neutral.Event]:
        try:
            frame = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        if frame.header.code:
            code = frame.header.code
            text = frame.header.message or "the upstream reported an error"
            error = neutral.UpstreamError(text, "xunfei_error", str(code), "", _STATUS.get(code, 502))
            return [neutral.Failed(error)]
        events: list[neutral.Event] = [] if self._started else [neutral.Start(frame.header.sid)]
        self._started = True
        held = frame.payload or _Payload()
        for piece in held.choices.text if held.choices else ():
            if piece.reasoning_content:
                events.append(neutral.ThinkingDelta(piece.reasoning_content))
            if piece.content:
                events.append(neutral.TextDelta(piece.content))
        usage = read_usage(held.usage.text) if held.usage else None
        if usage is not None:
            events.append(neutral.UsageEvent(usage))
        if held.choices is not None and held.choices.status == 2:
            self.finished = True
            events.append(neutral.Finished("stop"))
        return events


def read_answer(body: bytes) -> neutral.Answer:
    """The socket answers in frames alone; fold their events."""
    raise failed("the upstream's answer is not a stream of frames", code="bad_response_body")


Formats.held["xunfei"] = Format(read_answer, FrameReader)
