"""Chat Completions answers: plain ones read and written."""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import BadAnswer
from schema.dialects.files import split_data_uri
from schema.dialects.ids import derived_id
from schema.dialects.openai import wire
from schema.dialects.openai.errors import error_of
from schema.dialects.openai.request_reader import read_image, read_tool_call
from schema.dialects.openai.usage import read_usage, write_usage

_decode = msgspec.json.Decoder(wire.ChatAnswer, strict=False).decode

_FINISH: dict[str, neutral.Finish] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",  # Zhipu
}


def read_finish(reason: str) -> neutral.Finish:
    """Reasons we do not know mean that the model stopped."""
    return _FINISH.get(reason, "stop")


def decode_answer(body: bytes) -> wire.ChatAnswer:
    """Raises BadAnswer for what is no JSON object of this shape, and for an error inside a 200."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        raise BadAnswer(
            neutral.UpstreamError("the upstream's answer cannot be read", "upstream_error", "bad_response_body")
        ) from None
    if answer.error:
        raise BadAnswer(error_of(answer.error, status=0))
    return answer


def read_answer(body: bytes) -> neutral.Answer:
    answer = decode_answer(body)
    if answer.choices is None:
        raise BadAnswer(
            neutral.UpstreamError("the upstream's answer has no choices", "upstream_error", "bad_response_body")
        )
    return neutral.Answer(
        id=str(answer.id or ""),
        model=answer.model or "",
        created_s=answer.created_s,
        choices=tuple(_choice(choice, at, answer) for at, choice in enumerate(answer.choices)),
        usage=read_usage(answer.usage),
    )


def _choice(choice: wire.AnswerChoice, at: int, answer: wire.ChatAnswer) -> neutral.Choice:
    message = choice.message or choice.delta or wire.AnswerMessage()
    blocks: list[neutral.Block] = []
    thoughts = message.reasoning_content or message.reasoning
    if thoughts:
        blocks.append(neutral.Thinking(thoughts))
    text = choice.text or text_of(message.content) or message.refusal or ""
    citations = read_citations(message.annotations) or tuple(
        neutral.Citation(url=link) for link in answer.citations or () if isinstance(link, str)
    )
    if text or citations:
        blocks.append(neutral.Text(text, citations=citations))
    blocks += [
        read_image(image.image_url.url) for image in message.images or () if image.image_url and image.image_url.url
    ]
    if message.audio is not None:
        audio = message.audio
        blocks.append(neutral.Audio(audio.data or "", transcript=audio.transcript or "", id=audio.id or ""))
    for number, call in enumerate(message.tool_calls or ()):
        if call.function is not None:
            blocks.append(read_tool_call(call, seed=f"{answer.id}/{number}"))
    if message.function_call is not None:
        blocks.append(read_tool_call(wire.ToolCall(function=message.function_call), seed=f"{answer.id}/f"))
    reason = choice.finish_reason
    finish = read_finish(reason) if reason and reason != "null" else None
    if finish == "stop" and any(isinstance(block, neutral.ToolCall) for block in blocks):
        finish = "tool_calls"
    return neutral.Choice(
        tuple(blocks), finish, logprobs=choice.logprobs, index=at if choice.index is None else choice.index
    )


def text_of(content: str | list[wire.Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join([part.text or part.refusal or "" for part in content])


def read_citations(annotations: list[wire.Annotation] | None) -> tuple[neutral.Citation, ...]:
    found = []
    for annotation in annotations or ():
        held = annotation.url_citation
        if held:
            found.append(
                neutral.Citation(
                    str(held.get("url") or ""),
                    str(held.get("title") or ""),
                    str(held.get("content") or ""),
                    _offset(held.get("start_index")),
                    _offset(held.get("end_index")),
                )
            )
    return tuple(found)


def _offset(value: Any) -> int:
    return value if isinstance(value, int) else -1


def write_citation(citation: neutral.Citation) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url_citation": {
            "url": citation.url,
            "title": citation.title,
            "start_index": max(citation.start, 0),
            "end_index": max(citation.end, 0),
        },
    }


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    call_id = answer.id or id
    body: dict[str, Any] = {
        "id": call_id,
        "object": "chat.completion",
        "created": answer.created_s or created_s,
        "model": answer.model or model,
        "choices": [
            {
                "index": choice.index,
                "message": write_message(choice, call_id),
                "logprobs": choice.logprobs,
                "finish_reason": choice.finish,
            }
            for choice in answer.choices
        ],
    }
    if answer.usage is not None:
        body["usage"] = write_usage(answer.usage)
    return encode(body)


def write_message(choice: neutral.Choice, seed: str) -> dict[str, Any]:
    text, thoughts = "", ""
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for block in choice.blocks:
        match block:
            case neutral.Text():
                text += block.text
                annotations += [write_citation(citation) for citation in block.citations]
            case neutral.Thinking():
                thoughts += block.text
            case neutral.ToolCall():
                calls.append(_tool_call(block, derived_id("call_", seed, f"{choice.index}/{len(calls)}")))
            case neutral.Image():
                link = block.url or f"data:{block.media_type or 'image/png'};base64,{block.data}"
                text += f"![image]({link})"
                images.append({"type": "image_url", "image_url": {"url": link}, "index": len(images)})
            case neutral.Audio():
                message["audio"] = {"id": block.id, "data": block.data, "transcript": block.transcript, "expires_at": 0}
    message["content"] = text if text or not (calls or "audio" in message) else None
    message["refusal"] = None
    for name, value in (
        ("reasoning_content", thoughts),
        ("annotations", annotations),
        ("images", images),
        ("tool_calls", calls),
    ):
        if value:
            message[name] = value
    return message


def _tool_call(call: neutral.ToolCall, fallback_id: str) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": call.id or fallback_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def image_of(link: str) -> neutral.ImageOut:
    """A picture in a stream, from a data URI or a URL."""
    held = split_data_uri(link)
    return neutral.ImageOut(held[1], held[0] or "image/png") if held else neutral.ImageOut("", url=link)
