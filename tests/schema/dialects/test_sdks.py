"""The official SDKs read what we write: their own stream classes over canned bytes, without a network."""

import json

import anthropic
import cohere
import httpx
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.registry import get_dialect
from tests.schema.dialects.golden import cases, read

CTX = StreamContext("req-1", "asked-model", 1_700_000_000, prompt_estimate=11)
NAMES = ["openai", "claude", "gemini", "responses", "cohere"]
STREAMS = [(name, case) for name in NAMES for case in cases(name, "stream.sse") if case not in ("error", "failed")]
ANSWERS = [(name, case) for name in NAMES for case in cases(name, "answer.json") if case not in ("blocked", "failed")]

# Length is an exception of OpenAI's stream helpers: their plain iterators are used for it.


def was_cut(events: list[neutral.Event]) -> bool:
    return any(isinstance(event, neutral.Finished) and event.reason == "length" for event in events)


def stream_for(client: str, name: str, case: str) -> tuple[bytes, list[neutral.Event]]:
    reader, writer = get_dialect(name).event_reader(), get_dialect(client).event_writer(CTX)
    events = reader.feed(read(f"{name}/{case}.stream.sse")) + reader.close()
    return b"".join([writer.write(event) for event in events]) + writer.close(), events


def answer_for(client: str, name: str, case: str) -> bytes:
    answer = get_dialect(name).read_answer(read(f"{name}/{case}.answer.json"))
    return get_dialect(client).write_answer(answer, model="m", created_s=1, id="req-1")


def transport(library, body: bytes, status: int = 200, kind: str = "text/event-stream"):
    return library.MockTransport(lambda request: library.Response(status, content=body, headers={"content-type": kind}))


def openai_client(body: bytes, **how) -> openai.OpenAI:
    http = httpx2.Client(transport=transport(httpx2, body, **how))
    return openai.OpenAI(api_key="x", base_url="http://t/v1", http_client=http, max_retries=0)


def claude_client(body: bytes, **how) -> anthropic.Anthropic:
    http = httpx2.Client(transport=transport(httpx2, body, **how))
    return anthropic.Anthropic(api_key="x", base_url="http://t", http_client=http, max_retries=0)


def gemini_client(body: bytes, **how) -> genai.Client:
    options = types.HttpOptions(base_url="http://t", client_args={"transport": transport(httpx, body, **how)})
    return genai.Client(api_key="x", http_options=options)


def cohere_client(body: bytes, **how) -> cohere.ClientV2:
    return cohere.ClientV2(
        api_key="x", base_url="http://t", httpx_client=httpx.Client(transport=transport(httpx, body, **how))
    )


def said(events: list[neutral.Event]) -> tuple[str, list[str]]:
    text = "".join(event.text for event in events if isinstance(event, neutral.TextDelta))
    return text, [event.name for event in events if isinstance(event, neutral.ToolStart)]


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_openai_chat_streams(name, case):
    body, events = stream_for("openai", name, case)
    if was_cut(events):
        chunks = list(openai_client(body).chat.completions.create(model="m", messages=[], stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said(events)[0]
        return
    with openai_client(body).chat.completions.stream(model="m", messages=[]) as stream:
        message = stream.get_final_completion().choices[0].message
    text, names = said(events)
    assert (message.content or "").startswith(text)
    assert [call.function.name for call in message.tool_calls or ()] == names
    for call in message.tool_calls or ():
        json.loads(call.function.arguments)


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_responses_streams(name, case):
    body, events = stream_for("responses", name, case)
    if was_cut(events):
        found = list(openai_client(body).responses.create(model="m", input="x", stream=True))
        assert found[-1].type == "response.incomplete" and found[-1].response.output_text == said(events)[0]
        return
    with openai_client(body).responses.stream(model="m", input="x") as stream:
        response = stream.get_final_response()
    text, names = said(events)
    assert response.output_text == text
    assert [item.name for item in response.output if item.type == "function_call"] == names


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_claude_streams(name, case):
    body, events = stream_for("claude", name, case)
    with claude_client(body).messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        message = stream.get_final_message()
    text, names = said(events)
    assert "".join(block.text for block in message.content if block.type == "text").startswith(text)
    assert [block.name for block in message.content if block.type == "tool_use"] == names
    assert all(isinstance(block.input, dict) for block in message.content if block.type == "tool_use")


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_gemini_streams(name, case):
    body, events = stream_for("gemini", name, case)
    client = gemini_client(body)
    chunks = list(client.models.generate_content_stream(model="m", contents="x"))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    text, names = said(events)
    assert "".join(part.text for part in parts if part.text and not part.thought) == text
    assert [part.function_call.name for part in parts if part.function_call] == names


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_cohere_streams(name, case):
    body, events = stream_for("cohere", name, case)
    found = list(cohere_client(body).chat_stream(model="m", messages=[{"role": "user", "content": "x"}]))
    deltas = [event.delta.message.content.text or "" for event in found if event.type == "content-delta"]
    assert "".join(deltas) == said(events)[0]
    assert found[-1].type == "message-end"


@pytest.mark.parametrize(("name", "case"), ANSWERS)
def test_plain_answers(name, case):
    plain = {"kind": "application/json"}
    completion = openai_client(answer_for("openai", name, case), **plain).chat.completions.create(
        model="m", messages=[]
    )
    response = openai_client(answer_for("responses", name, case), **plain).responses.create(model="m", input="x")
    message = claude_client(answer_for("claude", name, case), **plain).messages.create(
        model="m", max_tokens=9, messages=[]
    )
    gemini = gemini_client(answer_for("gemini", name, case), **plain)
    content = gemini.models.generate_content(model="m", contents="x")
    chat = cohere_client(answer_for("cohere", name, case), **plain).chat(
        model="m", messages=[{"role": "user", "content": "x"}]
    )
    text = completion.choices[0].message.content or ""
    assert response.output_text == text
    assert "".join(block.text for block in message.content if block.type == "text") == text
    assert "".join(part.text for part in content.candidates[0].content.parts if part.text and not part.thought) == text
    assert "".join(part.text for part in chat.message.content or () if part.type == "text") == text
    calls = [call.function.name for call in completion.choices[0].message.tool_calls or ()]
    assert [item.name for item in response.output if item.type == "function_call"] == calls
    assert [block.name for block in message.content if block.type == "tool_use"] == calls
    assert [call.name for call in content.function_calls or ()] == calls
    assert [call.function.name for call in chat.message.tool_calls or ()] == calls


def error_body(dialect: str, status: int) -> dict:
    body = get_dialect(dialect).write_error(status, "some_code", "no way", request_id="r1")
    return {"body": body, "status": status, "kind": "application/json"}


def test_errors_become_the_sdks_own_exceptions():
    with pytest.raises(openai.RateLimitError, match="no way"):
        openai_client(**error_body("openai", 429)).chat.completions.create(model="m", messages=[])
    with pytest.raises(anthropic.PermissionDeniedError, match="no way"):
        claude_client(**error_body("claude", 403)).messages.create(model="m", max_tokens=9, messages=[])
    with pytest.raises(genai.errors.ClientError, match="no way") as refused:
        client = gemini_client(**error_body("gemini", 400))
        client.models.generate_content(model="m", contents="x")
    assert refused.value.status == "INVALID_ARGUMENT"
    with pytest.raises(cohere.core.api_error.ApiError, match="no way"):
        cohere_client(**error_body("cohere", 400)).chat(model="m", messages=[{"role": "user", "content": "x"}])


def test_errors_inside_a_stream_are_raised():
    for client, error in (("openai", openai.APIError), ("claude", anthropic.APIStatusError)):
        body, _ = stream_for(client, "claude", "error")
        with pytest.raises(error, match="Overloaded"):
            if client == "openai":
                with openai_client(body).chat.completions.stream(model="m", messages=[]) as stream:
                    stream.until_done()
            else:
                with claude_client(body).messages.stream(model="m", max_tokens=9, messages=[]) as stream:
                    stream.until_done()
