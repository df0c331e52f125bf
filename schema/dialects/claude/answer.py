"""Messages answers: plain ones read and written.

Source: Anthropic API reference, Messages, response; citations guide.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.claude import wire
from schema.dialects.claude.errors import error_of
from schema.dialects.claude.usage import read_usage, write_usage
from schema.dialects.errors import BadAnswer
from schema.dialects.ids import derived_id, prefixed
from schema.usage import TokenUsage

_decode = msgspec.json.Decoder(wire.Answer, strict=False).decode

_READ_FINISH: dict[str, neutral.Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_WRITE_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def read_finish(reason: str) -> neutral.Finish:
    return _READ_FINISH.get(reason, "stop")


def write_finish(finish: neutral.Finish | None, stop_sequence: str | None) -> str | None:
    if finish == "stop" and stop_sequence:
        return "stop_sequence"
    return _WRITE_FINISH[finish] if finish else None


def read_answer(body: bytes) -> neutral.Answer:
    """Raises BadAnswer for what is no message, and for an error inside a 200."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        raise BadAnswer(_unreadable("the upstream's answer cannot be read")) from None
    if answer.error or answer.type == "error":
        raise BadAnswer(error_of(answer.error, status=0))
    if answer.content is None:
        raise BadAnswer(_unreadable("the upstream's answer has no content"))
    blocks = [found for block in answer.content if (found := read_block(block)) is not None]
    finish = read_finish(answer.stop_reason) if answer.stop_reason else None
    choice = neutral.Choice(tuple(blocks), finish, answer.stop_sequence)
    usage = read_usage(answer.usage) if answer.usage else None
    return neutral.Answer(
        answer.id or "", answer.model or "", choices=(choice,), usage=usage if usage != TokenUsage() else None
    )


def _unreadable(message: str) -> neutral.UpstreamError:
    return neutral.UpstreamError(message, "upstream_error", "bad_response_body")


def read_block(block: wire.AnswerBlock) -> neutral.Block | None:
    """None for redacted thinking, server tools and kinds added after this was written."""
    match block.type:
        case "text":
            citations = tuple([read_citation(held) for held in block.citations or ()])
            return neutral.Text(block.text or "", citations=citations)
        case "thinking":
            return neutral.Thinking(block.thinking or "", block.signature or "")
        case "redacted_thinking":
            return neutral.Thinking(redacted=block.data or "")
        case "tool_use":
            return neutral.ToolCall(block.id or "", block.name or "", neutral.json_text(block.input or {}))
    return None


def read_citation(held: dict[str, Any]) -> neutral.Citation:
    """Web results have a URL, search results a source; documents only a title."""
    return neutral.Citation(
        url=str(held.get("url") or held.get("source") or ""),
        title=str(held.get("title") or held.get("document_title") or ""),
        quote=str(held.get("cited_text") or ""),
    )


def write_citation(citation: neutral.Citation) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.quote,
        "encrypted_index": "",
    }


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    """The first choice; Claude knows only one."""
    choice = answer.choices[0] if answer.choices else neutral.Choice()
    message_id = prefixed("msg_", answer.id, id)
    finish = write_finish(choice.finish, choice.stop_sequence)
    return encode(
        {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": answer.model or model,
            "content": _content(choice.blocks, message_id),
            "stop_reason": finish,
            "stop_sequence": choice.stop_sequence if finish == "stop_sequence" else None,
            "usage": write_usage(answer.usage or TokenUsage()),
        }
    )


def _content(blocks: tuple[neutral.Block, ...], seed: str) -> list[dict[str, Any]]:
    """Thinking first, then text, then calls, as Claude itself orders them."""
    thinking: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case neutral.Thinking(redacted=str(data)) if data:
                thinking.append({"type": "redacted_thinking", "data": data})
            case neutral.Thinking():
                thinking.append({"type": "thinking", "thinking": block.text, "signature": block.signature})
            case neutral.Text():
                notes = [write_citation(citation) for citation in block.citations]
                texts.append({"type": "text", "text": block.text} | ({"citations": notes} if notes else {}))
            case neutral.Image():
                texts.append({"type": "text", "text": image_text(block.url, block.media_type, block.data)})
            case neutral.Audio():
                texts.append({"type": "text", "text": block.transcript})
            case neutral.ToolCall():
                call_id = block.id or derived_id("toolu_", seed, len(calls))
                calls.append(
                    {
                        "type": "tool_use",
                        "id": call_id,
                        "name": block.name,
                        "input": neutral.arguments_object(block.arguments),
                    }
                )
    return thinking + texts + calls


def image_text(url: str, media_type: str, data: str) -> str:
    """Claude's answers have no pictures: a Markdown image stands in the text."""
    link = url or f"data:{media_type or 'image/png'};base64,{data}"
    return f"![image]({link})"
