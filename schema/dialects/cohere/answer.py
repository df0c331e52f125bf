"""Cohere v2 chat answers, usage and errors, read and written.

Source: Cohere API reference, Chat v2. What is billed is `billed_units`; `tokens` counts Cohere's own preamble, too.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.cohere import wire
from schema.dialects.errors import BadAnswer
from schema.dialects.ids import derived_id
from schema.dialects.openai.request_reader import read_tool_call
from schema.dialects.openai.usage import disjoint
from schema.usage import TokenUsage

_decode = msgspec.json.Decoder(wire.Answer, strict=False).decode
_READ_FINISH: dict[str, neutral.Finish] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_WRITE_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "COMPLETE"}


def read_finish(reason: str) -> neutral.Finish:
    return _READ_FINISH.get(reason, "stop")


def write_finish(finish: neutral.Finish | None) -> str:
    return _WRITE_FINISH[finish] if finish else "ERROR"


def read_usage(usage: wire.Usage | None) -> TokenUsage | None:
    counts = (usage.billed_units or usage.tokens) if usage else None
    if usage is None or counts is None or not (counts.input_tokens or counts.output_tokens):
        return None
    return disjoint(
        prompt=int(counts.input_tokens or 0),
        completion=int(counts.output_tokens or 0),
        cached=int(usage.cached_tokens or 0),
    )


def write_usage(usage: TokenUsage) -> dict[str, Any]:
    counts = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": usage.input_cached}


def read_answer(body: bytes) -> neutral.Answer:
    """Raises BadAnswer for what is no answer."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        error = neutral.UpstreamError("the upstream's answer cannot be read", "upstream_error", "bad_response_body")
        raise BadAnswer(error) from None
    message = answer.message
    if not isinstance(message, wire.AnswerMessage) or answer.finish_reason in ("ERROR", "TIMEOUT"):
        text = message if isinstance(message, str) else "the upstream's answer has no message"
        raise BadAnswer(neutral.UpstreamError(text, "upstream_error", (answer.finish_reason or "no_message").lower()))
    blocks: list[neutral.Block] = []
    thoughts = "".join([part.thinking or "" for part in message.content or ()]) + (message.tool_plan or "")
    if thoughts:
        blocks.append(neutral.Thinking(thoughts))
    text = "".join([part.text or "" for part in message.content or ()])
    citations = tuple([read_citation(held) for held in message.citations or ()])
    if text or citations:
        blocks.append(neutral.Text(text, citations=citations))
    for at, call in enumerate(message.tool_calls or ()):
        if call.function is not None:
            blocks.append(read_tool_call(call, seed=f"{answer.id}/{at}"))
    choice = neutral.Choice(tuple(blocks), read_finish(answer.finish_reason) if answer.finish_reason else None)
    return neutral.Answer(answer.id or "", choices=(choice,), usage=read_usage(answer.usage))


def read_citation(held: wire.Citation) -> neutral.Citation:
    source = held.sources[0] if held.sources else wire.Source()
    document = source.document or {}
    return neutral.Citation(
        url=str(document.get("url") or ""),
        title=str(document.get("title") or source.id or ""),
        quote=held.text or "",
        start=-1 if held.start is None else held.start,
        end=-1 if held.end is None else held.end,
    )


def write_citation(citation: neutral.Citation) -> dict[str, Any]:
    document = {"url": citation.url, "title": citation.title}
    return {
        "start": max(citation.start, 0),
        "end": max(citation.end, 0),
        "text": citation.quote,
        "sources": [{"type": "document", "id": citation.url or citation.title, "document": document}],
        "type": "TEXT_CONTENT",
    }


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    """The first choice; Cohere knows only one, and tells no model."""
    choice = answer.choices[0] if answer.choices else neutral.Choice()
    seed = answer.id or id
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    for block in choice.blocks:
        match block:
            case neutral.Text():
                content.append({"type": "text", "text": block.text})
                citations += [write_citation(citation) for citation in block.citations]
            case neutral.Thinking() if block.text:
                content.append({"type": "thinking", "thinking": block.text})
            case neutral.ToolCall():
                function = {"name": block.name, "arguments": block.arguments}
                call_id = block.id or derived_id("call_", seed, len(calls))
                calls.append({"id": call_id, "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant"}
    for name, value in (("content", content), ("tool_calls", calls), ("citations", citations)):
        if value:
            message[name] = value
    body: dict[str, Any] = {"id": seed, "finish_reason": write_finish(choice.finish), "message": message}
    if answer.usage is not None:
        body["usage"] = write_usage(answer.usage)
    return encode(body)


def write_error(
    status: int, code: str, message: str, *, type: str | None = None, param: str | None = None, request_id: str
) -> bytes:
    """Cohere's errors are a message alone."""
    return encode({"message": f"{message} (request id: {request_id})" if request_id else message})
