"""Coze bots by the v3 chat API, always as a stream: a plain answer would have to be polled for.

Source: coze.com/docs/developer_guides: chat_v3, streaming events, error codes.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.body import encode
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.plain_text import Format, NamedReader, OwnFormat, messages_of
from schema.dialects.providers.template import Draft, failed
from schema.dialects.providers.urls import append
from schema.dialects.providers.wires import Formats
from schema.usage import TokenUsage

_STATUS = {4000: 400, 4001: 400, 4011: 429, 4013: 429, 4100: 401, 4101: 403, 4200: 404, 5000: 500}


class CozeProvider(OwnFormat):
    """U is `bot-<id>`; the channel's `other` is the user id that Coze wants."""

    name = "coze"
    label = "Coze"
    base_url = "https://api.coze.com"
    wire = "coze"

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return append(channel.base_url or self.base_url, "/v3/chat")

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        messages = [
            {"role": "user" if item.role == "system" else item.role, "content": item.text, "content_type": "text"}
            for item in messages_of(request, self.label)
        ]
        body: dict[str, Any] = {
            "bot_id": call.upstream_model.removeprefix("bot-"),
            "user_id": channel.other or request.user or "user",
            "stream": True,
            "auto_save_history": False,
            "additional_messages": messages,
        }
        return Draft(encode(body), wire="coze", stream=True)


class _Usage(Struct, frozen=True):
    input_count: int = 0
    output_count: int = 0


class _Fault(Struct, frozen=True):
    code: int = 0
    msg: str = ""


class _Event(Struct, frozen=True):
    id: str = ""
    type: str = ""
    content: str | None = None
    reasoning_content: str | None = None
    usage: _Usage | None = None
    last_error: _Fault | None = None
    code: int = 0
    msg: str = ""


_decode = msgspec.json.Decoder(_Event).decode


def error_of(code: int, text: str) -> neutral.UpstreamError:
    message = text or "the upstream reported an error"
    return neutral.UpstreamError(message, "coze_error", str(code), "", _STATUS.get(code, 502))


class StreamReader(NamedReader):
    def __init__(self) -> None:
        super().__init__()
        self._started = False

    def read_named(self, name: str, payload: bytes) -> list[neutral.Event]:
        try:
            event = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []  # `done` has no object
        events: list[neutral.Event] = [] if self._started else [neutral.Start(event.id)]
        self._started = True
        match name:
            case "conversation.message.delta" if event.type == "answer":
                if event.reasoning_content:
                    events.append(neutral.ThinkingDelta(event.reasoning_content))
                if event.content:
                    events.append(neutral.TextDelta(event.content))
            case "conversation.chat.completed":
                if event.usage is not None:
                    counted = TokenUsage(input_text=event.usage.input_count, output_text=event.usage.output_count)
                    events.append(neutral.UsageEvent(counted))
                self.finished = True
                events.append(neutral.Finished("stop"))
            case "conversation.chat.failed":
                fault = event.last_error or _Fault()
                return [neutral.Failed(error_of(fault.code, fault.msg))]
            case "error":
                return [neutral.Failed(error_of(event.code, event.msg))]
        return events


def read_answer(body: bytes) -> neutral.Answer:
    """Only errors come without a stream."""
    try:
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        event = _Event()
    error = error_of(event.code, event.msg)
    raise failed(error.message, code=error.code, status=error.status, type=error.type)


Formats.held["coze"] = Format(read_answer, StreamReader)
