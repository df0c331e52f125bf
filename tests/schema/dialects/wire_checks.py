"""What a well-formed client stream is, dialect by dialect: order of events, and shapes that the official SDKs accept."""

import json
from typing import Any

from anthropic.types import RawMessageStreamEvent
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse
from google.genai.types import GenerateContentResponse
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

_CLAUDE_EVENT = TypeAdapter(RawMessageStreamEvent)
_COHERE_EVENT = TypeAdapter(V2ChatStreamResponse)
_RESPONSES_EVENT = TypeAdapter(ResponseStreamEvent)


def payloads(stream: bytes) -> list[bytes]:
    """Data of each event; every frame must end in a blank line."""
    assert stream == b"" or stream.endswith(b"\n\n")
    found = []
    for frame in stream.split(b"\n\n")[:-1]:
        for line in frame.split(b"\n"):
            if line.startswith(b"data: "):
                found.append(line[6:])
            else:
                assert line.startswith((b"event: ", b":")), line
    return found


def check_openai(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    """Chunks of one id, role first, arguments only after their call began, usage last, then [DONE]. Returns what it says."""
    found = payloads(stream)
    assert found[-1] == b"[DONE]"
    text, thoughts, calls, finish, usage, ids = "", "", {}, None, None, set()
    for payload in found[:-1]:
        value = json.loads(payload)
        if "error" in value:
            assert failed
            continue
        chunk = ChatCompletionChunk.model_validate(value, strict=True)
        ids.add(chunk.id)
        assert usage is None, "usage comes last"
        if value.get("usage"):
            assert chunk.choices == []
            usage = value["usage"]
            continue
        (choice,) = chunk.choices
        delta = choice.delta
        text += delta.content or ""
        thoughts += (delta.model_extra or {}).get("reasoning_content") or ""
        for piece in delta.tool_calls or ():
            if piece.id is not None:
                assert piece.index == len(calls) and piece.function and piece.function.name
                calls[piece.index] = [piece.id, piece.function.name, ""]
            if piece.function and piece.function.arguments:
                calls[piece.index][2] += piece.function.arguments
        assert finish is None or not (delta.content or delta.tool_calls), "nothing after the finish"
        finish = choice.finish_reason or finish
    assert len(ids) <= 1
    return {"text": text, "thoughts": thoughts, "calls": list(calls.values()), "finish": finish, "usage": usage}


def check_claude(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    """message_start, blocks that never overlap and count up, message_delta, message_stop; or an error as the last event."""
    names = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    found = [json.loads(payload) for payload in payloads(stream)]
    assert names == [event["type"] for event in found]
    assert b"[DONE]" not in stream
    text, thoughts, calls, finish, usage, open_block, count = "", "", [], None, None, None, 0
    ended = False
    for at, event in enumerate(found):
        assert not ended
        kind = event["type"]
        assert (kind == "message_start") == (at == 0) or (kind == "error" and at == 0)
        if kind == "error":
            assert failed and at == len(found) - 1
            return {"text": text, "thoughts": thoughts, "calls": calls, "finish": finish, "usage": usage}
        if kind == "ping":
            continue
        _CLAUDE_EVENT.validate_python(event)
        if kind == "content_block_start":
            assert open_block is None and event["index"] == count
            open_block, count = event["content_block"], count + 1
            if open_block["type"] == "tool_use":
                calls.append([open_block["id"], open_block["name"], ""])
        elif kind == "content_block_delta":
            assert open_block is not None and event["index"] == count - 1 and finish is None
            delta = event["delta"]
            expected = {"text": {"text_delta", "citations_delta"}, "thinking": {"thinking_delta", "signature_delta"}}
            assert delta["type"] in expected.get(open_block["type"], {"input_json_delta"})
            text += delta.get("text", "")
            thoughts += delta.get("thinking", "")
            if "partial_json" in delta:
                calls[-1][2] += delta["partial_json"]
        elif kind == "content_block_stop":
            assert open_block is not None and event["index"] == count - 1
            open_block = None
        elif kind == "message_delta":
            assert open_block is None and usage is None
            finish, usage = event["delta"]["stop_reason"], event["usage"]
        elif kind == "message_stop":
            assert usage is not None
            ended = True
    assert ended
    return {"text": text, "thoughts": thoughts, "calls": calls, "finish": finish, "usage": usage}


def check_gemini(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    """GenerateContentResponses; finish and usage only in the last one; no [DONE]."""
    return _check_generate([json.loads(payload) for payload in payloads(stream)], failed=failed)


def check_gemini_array(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    return _check_generate(json.loads(stream), failed=failed)


def _check_generate(found: list[Any], *, failed: bool) -> dict[str, Any]:
    text, thoughts, calls, finish, usage = "", "", [], None, None
    for at, value in enumerate(found):
        if "error" in value:
            assert failed and at == len(found) - 1
            assert isinstance(value["error"]["code"], int) and value["error"]["status"].isupper()
            break
        answer = GenerateContentResponse.model_validate(value)
        assert usage is None and finish is None, "finish and usage come last"
        usage = value.get("usageMetadata")
        for candidate in answer.candidates or ():
            finish = candidate.finish_reason.value if candidate.finish_reason else finish
            for part in candidate.content.parts or ():
                if part.function_call:
                    call = part.function_call
                    calls.append([call.id, call.name, json.dumps(call.args)])
                elif part.thought:
                    thoughts += part.text
                else:
                    text += part.text or ""
    return {"text": text, "thoughts": thoughts, "calls": calls, "finish": finish, "usage": usage}


def check_responses(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    """Numbered events, items one after the other, deltas that add up to what `done` says, one end."""
    names = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    found = [json.loads(payload) for payload in payloads(stream)]
    assert names == [event["type"] for event in found]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert names[0] == "response.created" and names.count("response.created") == 1
    ends = ("response.completed", "response.incomplete", "response.failed")
    assert [name for name in names if name in ends] == [names[-1]]
    assert (names[-1] == "response.failed") == failed
    open_item, parts, items = None, "", []
    for event in found:
        _RESPONSES_EVENT.validate_python(event)
        kind = event["type"]
        if kind == "response.output_item.added":
            assert open_item is None and event["output_index"] == len(items)
            open_item, parts = event["item"], ""
        elif kind.endswith(".delta"):
            assert event["item_id"] == open_item["id"] and event["output_index"] == len(items)
            parts += event["delta"]
        elif kind.endswith(("_text.done", "arguments.done")):
            assert event.get("text", event.get("arguments")) == parts
        elif kind == "response.output_item.done":
            assert event["item"]["id"] == open_item["id"]
            items.append(event["item"])
            open_item = None
    final = found[-1]["response"]
    if not failed:
        assert open_item is None and final["output"] == items
    text = "".join(item["content"][0]["text"] for item in items if item["type"] == "message")
    thoughts = "".join(item["summary"][0]["text"] for item in items if item["type"] == "reasoning")
    calls = [[item["call_id"], item["name"], item["arguments"]] for item in items if item["type"] == "function_call"]
    if failed:
        text = "".join(event["delta"] for event in found if event["type"] == "response.output_text.delta")
        thoughts = "".join(
            event["delta"] for event in found if event["type"] == "response.reasoning_summary_text.delta"
        )
    return {"text": text, "thoughts": thoughts, "calls": calls, "finish": final["status"], "usage": final["usage"]}


def check_cohere(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    """message-start, contents and calls that never overlap and count up, message-end."""
    names = [line[7:].decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]
    found = [json.loads(payload) for payload in payloads(stream)]
    assert names == [event["type"] for event in found]
    assert names[0] == "message-start" and names[-1] == "message-end"
    assert names.count("message-start") == names.count("message-end") == 1
    text, thoughts, calls, count, is_open = "", "", [], 0, False
    for event in found:
        _COHERE_EVENT.validate_python(event)
        message = (event.get("delta") or {}).get("message") or {}
        match event["type"]:
            case "content-start" | "tool-call-start":
                assert not is_open and event["index"] == count
                is_open, count = True, count + 1
                if "tool_calls" in message:
                    call = message["tool_calls"]
                    calls.append([call["id"], call["function"]["name"], ""])
            case "content-delta":
                assert is_open and event["index"] == count - 1
                text += message["content"].get("text", "")
                thoughts += message["content"].get("thinking", "")
            case "tool-call-delta":
                assert is_open
                calls[-1][2] += message["tool_calls"]["function"]["arguments"]
            case "content-end" | "tool-call-end":
                assert is_open
                is_open = False
    end = found[-1]["delta"]
    assert failed == bool(end.get("error"))
    assert failed or not is_open
    return {
        "text": text,
        "thoughts": thoughts,
        "calls": calls,
        "finish": end["finish_reason"],
        "usage": end.get("usage"),
    }


def check_completions(stream: bytes, *, failed: bool = False) -> dict[str, Any]:
    found = payloads(stream)
    assert found[-1] == b"[DONE]"
    text, finish, usage = "", None, None
    for payload in found[:-1]:
        value = json.loads(payload)
        if "error" in value:
            assert failed
            continue
        assert usage is None
        usage = value.get("usage")
        for choice in value["choices"]:
            assert value["object"] == "text_completion" and choice["logprobs"] is None
            text += Completion.construct(**value).choices[0].text
            finish = choice["finish_reason"] or finish
    return {"text": text, "thoughts": None, "calls": None, "finish": finish, "usage": usage}
