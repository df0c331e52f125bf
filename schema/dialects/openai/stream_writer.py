"""Neutral events to Chat Completions chunks, from templates encoded once a stream."""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.ids import derived_id
from schema.dialects.openai.answer import write_citation
from schema.dialects.openai.errors import write_error
from schema.dialects.openai.usage import write_usage
from schema.dialects.sse import COMMENT_PING
from schema.usage import TokenUsage

_encode = msgspec.json.Encoder().encode
_END = b'},"logprobs":null,"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"


class ChunkWriter:
    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._usage: TokenUsage | None = None
        self._roles: set[int] = set()  # choices that have shown their role
        self._images = 0
        self._model, self._id, self._created_s = ctx.model, ctx.id, ctx.created_s
        self._prepare()

    def _prepare(self) -> None:
        head = _encode(
            {"id": self._id, "object": "chat.completion.chunk", "created": self._created_s, "model": self._model}
        )
        self._head = b"data: " + head[:-1] + b',"system_fingerprint":null,"choices":['
        self._text = self._head + b'{"index":0,"delta":{"content":'
        self._thought = self._head + b'{"index":0,"delta":{"reasoning_content":'

    def write(self, event: neutral.Event) -> bytes:
        if type(event) is neutral.TextDelta:
            if event.choice == 0 and 0 in self._roles:
                return self._text + _encode(event.text) + _END
            return self._role(event.choice) + self._delta(event.choice, b'"content":' + _encode(event.text))
        if type(event) is neutral.ThinkingDelta:
            if event.choice == 0 and 0 in self._roles:
                return self._thought + _encode(event.text) + _END
            return self._role(event.choice) + self._delta(event.choice, b'"reasoning_content":' + _encode(event.text))
        if type(event) is neutral.ToolArgs:
            text = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (event.i, _encode(event.text))
            return self._delta(event.choice, text)
        return self._write_rare(event)

    def _write_rare(self, event: neutral.Event) -> bytes:
        match event:
            case neutral.Start():
                if not self._roles:
                    if not self._ctx.rewrite_model:
                        self._model = event.model or self._model
                    self._id, self._created_s = event.id or self._id, event.created_s or self._created_s
                    self._prepare()
                return self._role(0)
            case neutral.ToolStart():
                call = {
                    "index": event.i,
                    "id": event.id or derived_id("call_", self._id, f"{event.choice}/{event.i}"),
                    "type": "function",
                    "function": {"name": event.name, "arguments": ""},
                }
                return self._role(event.choice) + self._delta(event.choice, b'"tool_calls":' + _encode([call]))
            case neutral.Signature(tool=int(i)) if i >= 0:
                google = {"google": {"thought_signature": event.signature}}
                call = {"index": i, "function": {"arguments": ""}, "extra_content": google}  # SDKs want a function
                return self._delta(event.choice, b'"tool_calls":' + _encode([call]))
            case neutral.CitationOut():
                notes = _encode([write_citation(event.citation)])
                return self._role(event.choice) + self._delta(event.choice, b'"annotations":' + notes)
            case neutral.ImageOut():
                return self._role(event.choice) + self._image(event)
            case neutral.AudioOut():
                return self._role(event.choice) + self._audio(event)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                ending = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":%b}]}\n\n'
                return self._role(event.choice) + self._head + ending % (event.choice, _encode(event.reason))
            case neutral.Failed():
                return self._failure(event.error)
        return b""

    def close(self) -> bytes:
        """The usage chunk if the client asked for it and there is one, and the end mark."""
        if self._usage is None or not self._ctx.include_usage:
            return DONE
        return self._head + b'],"usage":' + _encode(write_usage(self._usage)) + b"}\n\n" + DONE

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error) + DONE

    def ping(self) -> bytes:
        return COMMENT_PING

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        body = write_error(error.status, error.code, error.message, type=error.type, param=error.param, request_id="")
        return b"data: " + body + b"\n\n"

    def _role(self, choice: int) -> bytes:
        if choice in self._roles:
            return b""
        self._roles.add(choice)
        return self._delta(choice, b'"role":"assistant","content":""')

    def _delta(self, choice: int, members: bytes) -> bytes:
        return self._head + b'{"index":%d,"delta":{' % choice + members + _END

    def _image(self, event: neutral.ImageOut) -> bytes:
        link = event.url or f"data:{event.media_type};base64,{event.data}"
        image = {"type": "image_url", "image_url": {"url": link}, "index": self._images}
        self._images += 1
        shown = b'"content":' + _encode(f"![image]({link})") + b',"images":' + _encode([image])
        return self._delta(event.choice, shown)

    def _audio(self, event: neutral.AudioOut) -> bytes:
        audio: dict[str, Any] = {"id": event.id} if event.id else {}
        if event.data:
            audio["data"] = event.data
        if event.transcript:
            audio["transcript"] = event.transcript
        return self._delta(event.choice, b'"audio":' + _encode(audio))
