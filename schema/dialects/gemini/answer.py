"""generateContent answers: plain ones read and written.

Source: Gemini API reference, GenerateContentResponse, FinishReason, grounding metadata.
"""

from typing import Any

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import BadAnswer
from schema.dialects.gemini import wire
from schema.dialects.gemini.errors import error_of
from schema.dialects.gemini.request_reader import code_text, read_blob
from schema.dialects.gemini.usage import read_usage, write_usage
from schema.dialects.ids import derived_id

_CONTENT_FILTER = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)
_WRITE_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


def read_finish(reason: str, *, called: bool) -> neutral.Finish:
    """`called`: the candidate has a function call; Gemini says STOP then, too."""
    if reason == "MAX_TOKENS":
        return "length"
    if reason in _CONTENT_FILTER:
        return "content_filter"
    return "tool_calls" if called else "stop"


def write_finish(finish: neutral.Finish) -> str:
    return _WRITE_FINISH[finish]


def read_answer(body: bytes) -> neutral.Answer:
    """Raises BadAnswer: 400 content_filter for a blocked prompt, 502 for no candidates at all."""
    try:
        answer = wire.decode_answer(body)
    except UNREADABLE:
        raise BadAnswer(
            neutral.UpstreamError("the upstream's answer cannot be read", "upstream_error", "bad_response_body")
        ) from None
    if answer.error:
        raise BadAnswer(error_of(answer.error))
    if not answer.candidates:
        raise BadAnswer(
            blocked(answer) or neutral.UpstreamError("no candidates returned", "upstream_error", "no_candidates")
        )
    return neutral.Answer(
        answer.response_id or "",
        answer.model_version or "",
        choices=tuple([_choice(candidate, at) for at, candidate in enumerate(answer.candidates)]),
        usage=read_usage(answer.usage_metadata),
    )


def blocked(answer: wire.GenerateAnswer) -> neutral.UpstreamError | None:
    """The error of a prompt that Gemini would not answer."""
    reason = answer.prompt_feedback.block_reason if answer.prompt_feedback else None
    if not reason:
        return None
    return neutral.UpstreamError(
        f"the prompt was blocked: {reason}", "invalid_request_error", "content_filter", status=400
    )


def _choice(candidate: wire.Candidate, at: int) -> neutral.Choice:
    blocks: list[neutral.Block] = []
    for part in wire.parts_of(candidate.content):
        block = read_part(part)
        if block is None:
            continue
        last = blocks[-1] if blocks else None
        if isinstance(block, neutral.Text) and isinstance(last, neutral.Text):
            blocks[-1] = neutral.Text(last.text + block.text)
        elif isinstance(block, neutral.Thinking) and isinstance(last, neutral.Thinking):
            blocks[-1] = neutral.Thinking(last.text + block.text)
        else:
            blocks.append(block)
    citations = read_citations(candidate.grounding_metadata)
    if citations:
        place = next((i for i, block in enumerate(blocks) if isinstance(block, neutral.Text)), None)
        if place is None:
            blocks.append(neutral.Text("", citations=citations))
        else:
            blocks[place] = neutral.Text(neutral.text_of((blocks[place],)), citations=citations)
    called = any(isinstance(block, neutral.ToolCall) for block in blocks)
    finish = read_finish(candidate.finish_reason, called=called) if candidate.finish_reason else None
    return neutral.Choice(tuple(blocks), finish, index=at if candidate.index is None else candidate.index)


def read_part(part: wire.Part) -> neutral.Block | None:
    """Call ids are '' when Gemini gives none: the writer makes them."""
    if part.function_call is not None:
        call = part.function_call
        arguments = neutral.json_text(call.args or {})
        return neutral.ToolCall(call.id or "", call.name, arguments, part.thought_signature or "")
    if part.text is not None:
        if part.thought:
            return neutral.Thinking(part.text)  # its signature would be taken for Claude's
        return neutral.Text(part.text) if part.text else None
    if part.inline_data is not None:
        return read_blob(part.inline_data)
    if part.executable_code is not None or part.code_execution_result is not None:
        return neutral.Text(code_text(part))
    return None


def read_citations(grounding: wire.Grounding | None) -> tuple[neutral.Citation, ...]:
    chunks = (grounding.grounding_chunks or ()) if grounding else ()
    return tuple(
        [neutral.Citation(chunk.web.uri, chunk.web.title or "") for chunk in chunks if chunk.web and chunk.web.uri]
    )


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    seed = answer.id or id
    body: dict[str, Any] = {"candidates": [_candidate(choice, seed) for choice in answer.choices]}
    if answer.usage is not None:
        body["usageMetadata"] = write_usage(answer.usage)
    body["modelVersion"] = answer.model or model
    body["responseId"] = seed
    return encode(body)


def _candidate(choice: neutral.Choice, seed: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    citations: list[neutral.Citation] = []
    for place, block in enumerate(choice.blocks):
        written = write_part(block, derived_id("call_", seed, f"{choice.index}/{place}"))
        if written:
            parts.append(written)
        if isinstance(block, neutral.Text):
            citations += block.citations
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
    if choice.finish:
        candidate["finishReason"] = write_finish(choice.finish)
    candidate["index"] = choice.index
    if citations:
        candidate["groundingMetadata"] = write_citations(citations)
    return candidate


def write_part(block: neutral.Block, fallback_id: str) -> dict[str, Any] | None:
    match block:
        case neutral.Text():
            return {"text": block.text} if block.text else None
        case neutral.Thinking() if block.text:
            return {"text": block.text, "thought": True}
        case neutral.ToolCall():
            args = neutral.arguments_object(block.arguments)
            call: dict[str, Any] = {"functionCall": {"id": block.id or fallback_id, "name": block.name, "args": args}}
            return call | ({"thoughtSignature": block.signature} if block.signature else {})
        case neutral.Image() if block.data:
            return {"inlineData": {"mimeType": block.media_type or "image/png", "data": block.data}}
        case neutral.Image() if block.url:
            return {"fileData": {"mimeType": block.media_type or "image/png", "fileUri": block.url}}
        case neutral.Audio() if block.data:
            return {"inlineData": {"mimeType": block.media_type or "audio/wav", "data": block.data}}
    return None


def write_citations(citations: list[neutral.Citation]) -> dict[str, Any]:
    return {"groundingChunks": [{"web": {"uri": citation.url, "title": citation.title}} for citation in citations]}
