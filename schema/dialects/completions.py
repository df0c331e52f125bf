"""Legacy text completions: one prompt in, text out.

Source: OpenAI API reference, Completions. Upstream streams and answers are Chat's with `text` in place of a message.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, EventWriter, Meter, StreamContext, Target
from schema.dialects.body import edit_members, encode, read_object, read_struct, rest_of
from schema.dialects.errors import DialectError, Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.openai.answer import read_answer
from schema.dialects.openai.errors import read_error, write_error
from schema.dialects.openai.meter import ChatMeter
from schema.dialects.openai.models import write_model, write_models
from schema.dialects.openai.request_reader import MAX_TOKENS_MAX
from schema.dialects.openai.stream_reader import ChunkReader
from schema.dialects.openai.stream_writer import DONE
from schema.dialects.openai.usage import write_usage
from schema.dialects.openai.wire import StreamOptions
from schema.dialects.sse import COMMENT_PING
from schema.usage import TokenUsage

_TRANSLATION = "a translated text completion"
_TEXT_ONLY = frozenset({"text"})
_encode = msgspec.json.Encoder().encode


class CompletionRequest(Struct, frozen=True):
    model: str = ""
    prompt: str | list[Any] | None = None
    suffix: str | None = None
    echo: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


def read_request(body: bytes, *, path_model: str = "", stream: bool | None = None) -> neutral.Request:
    members = read_object(body)
    wish = read_struct(members, CompletionRequest)
    model = path_model or wish.model
    if not model:
        raise DialectError("model is required", code="model_required", param="model")
    if not wish.prompt:
        raise DialectError("field prompt is required", param="prompt")
    prompts = [wish.prompt] if isinstance(wish.prompt, str) else wish.prompt
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise Unsupported("prompt: several prompts, or token ids", _TRANSLATION)
    if wish.suffix or wish.echo:
        raise Unsupported("suffix" if wish.suffix else "echo", _TRANSLATION)
    if wish.max_tokens is not None and not 0 <= wish.max_tokens <= MAX_TOKENS_MAX:
        raise DialectError("max_tokens is invalid", param="max_tokens")
    return neutral.Request(
        model=model,
        turns=(neutral.Turn("user", (neutral.Text(prompts[0]),)),),
        sampling=neutral.Sampling(
            temperature=wish.temperature,
            top_p=wish.top_p,
            frequency_penalty=wish.frequency_penalty,
            presence_penalty=wish.presence_penalty,
            seed=wish.seed,
            n=wish.n,
            stop=(wish.stop,) if isinstance(wish.stop, str) else tuple(wish.stop or ()),
            logit_bias=wish.logit_bias,
        ),
        max_tokens=wish.max_tokens,
        stream=bool(wish.stream) if stream is None else stream,
        include_usage=bool(wish.stream_options and wish.stream_options.include_usage),
        user=wish.user or "",
        dialect="completions",
        extra=rest_of(members, CompletionRequest),
    )


def write_request(request: neutral.Request, target: Target, dropped: list[str] | None = None) -> bytes:
    """Only a single prompt without tools can become a text completion."""
    refuse_needed(request, target.name)
    refuse_modalities(request, _TEXT_ONLY, target.name)
    if request.tools:
        raise Unsupported("tools", target.name)
    blocks = [block for turn in request.turns for block in turn.blocks]
    if len(request.turns) != 1 or not all(isinstance(block, neutral.Text) for block in blocks):
        raise Unsupported("messages beyond one prompt", target.name)
    texts = [text.text for text in request.system] + [neutral.text_of(tuple(blocks))]
    body: dict[str, Any] = {"model": target.model, "prompt": "\n\n".join(texts)}
    if request.max_tokens:
        body["max_tokens"] = request.max_tokens
    for name in ("temperature", "top_p", "n", "seed", "frequency_penalty", "presence_penalty", "logit_bias"):
        value = getattr(request.sampling, name)
        if value is not None:
            body[name] = value
    if request.sampling.stop:
        body["stop"] = list(request.sampling.stop)
    if request.stream:
        body["stream"] = True
        if target.openai.include_usage:
            body["stream_options"] = {"include_usage": True}
    if request.user:
        body["user"] = request.user
    note_dropped(request, dropped, "top_k", "logprobs", "top_logprobs")
    return encode(body)


def edit_request(body: bytes, target: Target) -> bytes:
    """Model name, and usage in streams; the very same bytes when nothing must change."""
    members = read_object(body)
    changes: dict[str, Any] = {} if members.get("model") == target.model else {"model": target.model}
    if "group" in members:
        changes["group"] = None
    if members.get("stream") is True and target.openai.include_usage:
        options = members.get("stream_options")
        if not isinstance(options, dict) or options.get("include_usage") is not True:
            changes["stream_options"] = (options if isinstance(options, dict) else {}) | {"include_usage": True}
    elif "stream_options" in members:
        changes["stream_options"] = None
    return edit_members(body, changes)


def _finish(finish: neutral.Finish | None) -> str | None:
    return "stop" if finish == "tool_calls" else finish


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    choices = [
        {
            "text": neutral.text_of(choice.blocks),
            "index": choice.index,
            "logprobs": None,
            "finish_reason": _finish(choice.finish),
        }
        for choice in answer.choices
    ]
    body: dict[str, Any] = {
        "id": answer.id or id,
        "object": "text_completion",
        "created": answer.created_s or created_s,
        "model": answer.model or model,
        "choices": choices,
    }
    if answer.usage is not None:
        body["usage"] = write_usage(answer.usage)
    return encode(body)


class TextWriter:
    """Neutral events to text completion chunks; thinking and calls have no place in them."""

    def __init__(self, ctx: StreamContext) -> None:
        self._ctx = ctx
        self._usage: TokenUsage | None = None
        self._head = self._make_head(ctx.id, ctx.model, ctx.created_s)

    def _make_head(self, id: str, model: str, created_s: int) -> bytes:
        head = _encode({"id": id, "object": "text_completion", "created": created_s, "model": model})
        return b"data: " + head[:-1] + b',"choices":['

    def write(self, event: neutral.Event) -> bytes:
        match event:
            case neutral.TextDelta():
                return self._chunk(event.choice, event.text, b"null") if event.text else b""
            case neutral.Start():
                model = self._ctx.model if self._ctx.rewrite_model else event.model or self._ctx.model
                self._head = self._make_head(event.id or self._ctx.id, model, event.created_s or self._ctx.created_s)
            case neutral.UsageEvent():
                self._usage = event.usage
            case neutral.Finished():
                return self._chunk(event.choice, "", _encode(_finish(event.reason)))
            case neutral.Failed():
                return self._failure(event.error)
        return b""

    def close(self) -> bytes:
        if self._usage is None or not self._ctx.include_usage:
            return DONE
        return self._head + b'],"usage":' + _encode(write_usage(self._usage)) + b"}\n\n" + DONE

    def error(self, error: neutral.UpstreamError) -> bytes:
        return self._failure(error) + DONE

    def ping(self) -> bytes:
        return COMMENT_PING

    def _chunk(self, choice: int, text: str, finish: bytes) -> bytes:
        ending = b'{"text":%b,"index":%d,"logprobs":null,"finish_reason":%b}]}\n\n'
        return self._head + ending % (_encode(text), choice, finish)

    def _failure(self, error: neutral.UpstreamError) -> bytes:
        body = write_error(error.status, error.code, error.message, type=error.type, param=error.param, request_id="")
        return b"data: " + body + b"\n\n"


class Completions:
    name = "completions"
    stream_type = "text/event-stream"

    read_request = staticmethod(read_request)
    write_request = staticmethod(write_request)
    edit_request = staticmethod(edit_request)
    read_answer = staticmethod(read_answer)
    write_answer = staticmethod(write_answer)
    write_error = staticmethod(write_error)
    read_error = staticmethod(read_error)
    write_models = staticmethod(write_models)
    write_model = staticmethod(write_model)

    def wants_files(self, request: neutral.Request, target: Target) -> list[str]:
        return []

    def event_reader(self) -> EventReader:
        return ChunkReader()

    def event_writer(self, ctx: StreamContext) -> EventWriter:
        return TextWriter(ctx)

    def meter(self) -> Meter:
        return ChatMeter()
