"""Responses answers: plain ones read and written.

Source: OpenAI API reference, Responses, the response object.
"""

from typing import Any

import msgspec

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import BadAnswer
from schema.dialects.ids import derived_id, prefixed
from schema.dialects.openai.errors import error_of
from schema.dialects.responses import wire
from schema.dialects.responses.request_writer import write_choice, write_format, write_function
from schema.dialects.responses.usage import read_usage, write_usage

_decode = msgspec.json.Decoder(wire.Response, strict=False).decode
_INCOMPLETE: dict[str, neutral.Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_WRITE_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def read_answer(body: bytes) -> neutral.Answer:
    """Raises BadAnswer for what is no response, and for one that failed."""
    try:
        response = _decode(body)
    except UNREADABLE:
        raise BadAnswer(_unreadable("the upstream's answer cannot be read")) from None
    if response.error or response.status == "failed":
        raise BadAnswer(error_of(response.error or {"message": "the upstream's response failed"}, status=0))
    if response.output is None:
        raise BadAnswer(_unreadable("the upstream's answer has no output"))
    blocks: list[neutral.Block] = []
    for item in response.output:
        blocks += read_item(item)
    called = any(isinstance(block, neutral.ToolCall) for block in blocks)
    choice = neutral.Choice(tuple(blocks), read_finish(response, called=called))
    created_s = int(response.created_at or 0)
    return neutral.Answer(response.id or "", response.model or "", created_s, (choice,), read_usage(response.usage))


def _unreadable(message: str) -> neutral.UpstreamError:
    return neutral.UpstreamError(message, "upstream_error", "bad_response_body")


def read_finish(response: wire.Response, *, called: bool) -> neutral.Finish:
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason or response.status == "incomplete":
        return _INCOMPLETE.get(reason or "", "length")
    return "tool_calls" if called else "stop"


def read_item(item: wire.Item) -> list[neutral.Block]:
    """Blocks of one output item; [] for calls that the provider made itself."""
    match item.type:
        case "message":
            parts = item.content if isinstance(item.content, list) else []
            return [neutral.Text(part.text or part.refusal or "", citations=_citations(part)) for part in parts]
        case "function_call":
            return [neutral.ToolCall(item.call_id or "", item.name or "", item.arguments or "{}")]
        case "reasoning":
            parts = item.content if isinstance(item.content, list) else []
            text = "\n\n".join([part.text for part in item.summary or ()]) or "".join(
                [part.text or "" for part in parts]
            )
            return [neutral.Thinking(text, redacted=item.encrypted_content or "", id=item.id or "")] if text else []
        case "image_generation_call" if item.result:
            return [neutral.Image(data=item.result, media_type="image/png")]
    return []


def _citations(part: wire.Part) -> tuple[neutral.Citation, ...]:
    return tuple([read_citation(held) for held in part.annotations or () if held.get("type") == "url_citation"])


def read_citation(held: dict[str, Any]) -> neutral.Citation:
    start, end = held.get("start_index"), held.get("end_index")
    return neutral.Citation(
        str(held.get("url") or ""),
        str(held.get("title") or ""),
        start=start if isinstance(start, int) else -1,
        end=end if isinstance(end, int) else -1,
    )


def write_citation(citation: neutral.Citation) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": max(citation.start, 0),
        "end_index": max(citation.end, 0),
    }


def write_answer(
    answer: neutral.Answer, *, model: str, created_s: int, id: str, request: neutral.Request | None = None
) -> bytes:
    """The first choice; Responses know only one. `request` is echoed in part, as OpenAI does."""
    choice = answer.choices[0] if answer.choices else neutral.Choice()
    response_id = prefixed("resp_", answer.id, id)
    body = response_object(
        id=response_id,
        model=answer.model or model,
        created_s=answer.created_s or created_s,
        request=request,
        output=_output(choice.blocks, response_id, custom_names(request)),
        finish=choice.finish,
    )
    body["usage"] = write_usage(answer.usage) if answer.usage else None
    return encode(body)


def response_object(
    *,
    id: str,
    model: str,
    created_s: int,
    request: neutral.Request | None,
    output: list[dict[str, Any]],
    finish: neutral.Finish | None,
    status: str = "",
) -> dict[str, Any]:
    """`status` '' = by the finish: completed, or incomplete with its reason."""
    asked = request or neutral.Request(model)
    incomplete = _WRITE_INCOMPLETE.get(finish or "")
    choice = asked.tool_choice
    effort = asked.reasoning.effort if asked.reasoning else ""
    return {
        "id": id,
        "object": "response",
        "created_at": created_s,
        "status": status or ("completed" if finish and not incomplete else "incomplete"),
        "background": False,
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete and not status else None,
        "instructions": None,
        "max_output_tokens": asked.max_tokens,
        "model": model,
        "output": output,
        "parallel_tool_calls": choice.parallel is not False if choice else True,
        "previous_response_id": None,
        "reasoning": {
            "effort": effort or None,
            "summary": (asked.reasoning.summary or None) if asked.reasoning else None,
        },
        "store": False,
        "temperature": asked.sampling.temperature,
        "text": {"format": write_format(asked.response_format) if asked.response_format else {"type": "text"}},
        "tool_choice": write_choice(choice) if choice else "auto",
        "tools": [write_function(tool) for tool in asked.tools if isinstance(tool, neutral.Function)],
        "top_p": asked.sampling.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": asked.user or None,
        "metadata": asked.extra.get("metadata") or {},
    }


def custom_names(request: neutral.Request | None) -> frozenset[str]:
    """Tools that the client declared as taking free text."""
    tools = request.tools if request is not None else ()
    return frozenset([tool.name for tool in tools if isinstance(tool, neutral.Function) and tool.custom])


def _output(blocks: tuple[neutral.Block, ...], seed: str, custom: frozenset[str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for block in blocks:
        place = len(items)
        match block:
            case neutral.Thinking() if block.text:
                items.append(reasoning_item(derived_id("rs_", seed, place), block.text, block.redacted))
            case neutral.ToolCall():
                call_id = block.id or derived_id("call_", seed, place)
                if block.name in custom:
                    item_id = derived_id("ctc_", seed, place)
                    items.append(custom_item(item_id, call_id, block.name, custom_input(block.arguments)))
                    continue
                item_id = derived_id("fc_", seed, place)
                items.append(call_item(item_id, call_id, block.name, block.arguments, "completed"))
            case neutral.Image() if block.data:
                item_id = derived_id("ig_", seed, place)
                items.append(
                    {"type": "image_generation_call", "id": item_id, "status": "completed", "result": block.data}
                )
            case neutral.Text() | neutral.Image() | neutral.Audio():
                part = _text_part(block)
                last = items[-1] if items else None
                if last is not None and last["type"] == "message":
                    last["content"].append(part)
                else:
                    items.append(message_item(derived_id("msg_", seed, place), [part], "completed"))
    return items


def _text_part(block: neutral.Text | neutral.Image | neutral.Audio) -> dict[str, Any]:
    match block:
        case neutral.Text():
            return text_part(block.text, [write_citation(citation) for citation in block.citations])
        case neutral.Image():
            return text_part(f"![image]({block.url})", [])
    return text_part(block.transcript, [])


def text_part(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "annotations": annotations, "logprobs": [], "text": text}


def message_item(id: str, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(id: str, text: str, encrypted: str = "") -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: dict[str, Any] = {"id": id, "type": "reasoning", "summary": summary}
    return item | ({"encrypted_content": encrypted} if encrypted else {})


def custom_item(id: str, call_id: str, name: str, text: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "input": text,
    }


def custom_input(arguments: str) -> str:
    """The free text inside the arguments; the arguments themselves if the model did not keep to the form."""
    value = neutral.arguments_object(arguments).get("input")
    return value if isinstance(value, str) else arguments


def call_item(id: str, call_id: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }
