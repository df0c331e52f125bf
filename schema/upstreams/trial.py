"""The test of one channel with one model: the cheapest real call, through the same translation as a client's."""

import asyncio
import time
from typing import Literal

import msgspec
from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import fold
from schema.dialects.providers.answers import finish_answer, finish_events, open_reader
from schema.dialects.providers.base import Call, Outgoing, Settings
from schema.upstreams.account import Account
from schema.upstreams.exchange import Failed, carry_out, open_client
from schema.upstreams.rules import class_of

TIMEOUT_S = 30.0
MODEL = "gpt-4o-mini"  # where neither the caller nor the channel names one
UNTESTED = frozenset({"midjourney", "midjourney_plus", "suno"})
Kind = Literal["chat", "embedding", "rerank", "speech", "image", "transcription"]
_PATHS = {
    "chat": "/v1/chat/completions",
    "embedding": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "speech": "/v1/audio/speech",
}


class Result(Struct, frozen=True, kw_only=True):
    """`ms` also for failures. `status`: the upstream's, 0 when none came. `local`: says nothing of the channel."""

    model: str
    ok: bool
    ms: int
    first_byte_ms: int = 0
    status: int = 0
    error_class: str = ""
    message: str = ""
    code: str = ""
    type: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    local: bool = False


def kind_of(model: str, provider: str) -> Kind:
    """What a model is for, by its name."""
    name = model.lower()
    if "rerank" in name:
        return "rerank"
    if provider == "mokaai" or "embed" in name or "bge-" in name or name.startswith("m3e"):
        return "embedding"
    if "whisper" in name or "transcribe" in name:
        return "transcription"
    if name.startswith("tts") or "-tts" in name:
        return "speech"
    if any(mark in name for mark in ("dall-e", "gpt-image", "cogview", "imagen", "stable-diffusion", "flux", "wanx")):
        return "image"
    return "chat"


def model_for(account: Account, asked: str) -> str:
    return asked or account.test_model or next(iter(account.models), "") or MODEL


def body_for(kind: Kind, model: str, account: Account, *, stream: bool) -> bytes:
    """In OpenAI's dialect."""
    match kind:
        case "embedding":
            return msgspec.json.encode({"model": model, "input": ["hello world"]})
        case "rerank":
            return msgspec.json.encode({"model": model, "query": "hi", "documents": ["hi", "hello world"]})
        case "speech":
            return msgspec.json.encode({"model": model, "input": "hi", "voice": "alloy"})
    body = account.provider.test_body(model)
    return msgspec.json.encode({**msgspec.json.decode(body), "stream": True}) if stream else body


async def try_channel(
    account: Account,
    *,
    model: str = "",
    stream: bool = False,
    settings: Settings,
    private: bool,
    timeout_s: float = TIMEOUT_S,
) -> Result:
    """Never raises for what the channel does; the result says it."""
    chosen = model_for(account, model)
    provider = account.view.provider
    kind = kind_of(chosen, provider)
    if provider in UNTESTED or kind in ("image", "transcription"):
        what = "This type of channel" if provider in UNTESTED else "A model for pictures or recordings"
        return Result(
            model=chosen,
            ok=False,
            ms=0,
            error_class="other",
            message=f"{what} is not tested.",
            code="not_testable",
            local=True,
        )
    stream = stream and kind == "chat"
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s), open_client(account, private=private, timeout_s=timeout_s) as http:
            call = _make_call(account, kind, chosen, settings, stream=stream)
            answer = await carry_out(http, call, account)
            if kind == "speech":
                usage = None
            elif call.stream and answer.sent.stream and "json" not in answer.content_type:
                usage = _read_stream(answer.body, call, answer.sent)
            else:
                usage = _read_plain(call, answer.sent, answer.body, answer.content_type)
    except Failed as failed:
        return _failure(chosen, begun, failed.status, failed.error, local=failed.local)
    except BadAnswer as bad:
        status = 200 if bad.error.status in (0, 502) else bad.error.status  # 502: it was an answer, but no good one
        return _failure(chosen, begun, status, bad.error)
    except TimeoutError:
        error = neutral.UpstreamError("The upstream did not answer in time.", "upstream_error", "upstream_timeout")
        return _failure(chosen, begun, 0, error)
    prompt, completion = usage or (0, 0)
    return Result(
        model=chosen,
        ok=True,
        ms=_since(begun),
        first_byte_ms=answer.first_byte_ms,
        status=200,
        prompt_tokens=prompt,
        completion_tokens=completion,
    )


def _make_call(account: Account, kind: Kind, model: str, settings: Settings, *, stream: bool) -> Call:
    now_s = int(time.time())
    return Call(
        mode=kind,
        client_dialect="openai",
        model=model,
        upstream_model=account.model_mapping.get(model, model),
        body=body_for(kind, model, account, stream=stream),
        stream=stream,
        path=_PATHS[kind],
        settings=settings,
        now_s=now_s,
        request_id=f"test-{account.id}-{now_s}",
    )


def _read_plain(call: Call, sent: Outgoing, body: bytes, content_type: str) -> tuple[int, int] | None:
    """(prompt, completion) tokens as reported. Raises BadAnswer for what is no answer."""
    done = finish_answer(call, sent, body, content_type, id=call.request_id)
    if call.mode == "chat":
        try:
            members = msgspec.json.decode(done.body)
        except msgspec.DecodeError:
            members = None
        if not isinstance(members, dict) or not isinstance(members.get("choices"), list):
            error = neutral.UpstreamError(
                "The answer is no chat completion.", "upstream_error", "bad_response", "", 502
            )
            raise BadAnswer(error)
    return (done.usage.prompt_tokens, done.usage.completion_tokens) if done.usage else None


def _read_stream(body: bytes, call: Call, sent: Outgoing) -> tuple[int, int] | None:
    reader = open_reader(sent)
    events = reader.feed(body) + reader.close()
    if not any(isinstance(event, neutral.Finished) or neutral.event_text(event) for event in events):
        error = neutral.UpstreamError("The stream was empty.", "upstream_error", "bad_response", "", 502)
        raise BadAnswer(error)
    finish_events(call, events, id=call.request_id)
    usage = fold(events).usage
    return (usage.prompt_tokens, usage.completion_tokens) if usage else None


def _failure(model: str, begun: float, status: int, error: neutral.UpstreamError, *, local: bool = False) -> Result:
    return Result(
        model=model,
        ok=False,
        ms=_since(begun),
        status=status,
        error_class=class_of(status, error.code, error.type),
        message=error.message or f"bad response status code {status}",
        code=error.code,
        type=error.type,
        local=local,
    )


def _since(begun: float) -> int:
    return int((time.perf_counter() - begun) * 1000)
