"""What providers get wrong: nothing that they send may break a reader, and small slips of type lose no text."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.dialects import neutral
from schema.dialects.base import Target
from schema.dialects.errors import BadAnswer, DialectError
from schema.dialects.registry import get_dialect
from schema.dialects.sse import FrameReader
from tests.schema.dialects.golden import cases, read
from tests.schema.dialects.test_streams import CTX, WRITERS, writer_of

NAMES = ["openai", "claude", "gemini", "responses", "cohere"]
STREAMS = [(name, case) for name in NAMES for case in cases(name, "stream.sse")]
REQUESTS = [(name, case) for name in NAMES for case in cases(name, "request.json")]
ANSWERS = [(name, case) for name in NAMES for case in cases(name, "answer.json")]
ODD = st.sampled_from([None, 0, -1, 1.5, True, "", "x", "7", [], [None], [{}], {}, {"a": 1}, "\u0000", 10**30])


@st.composite
def broken(draw, value: Any, depth: int = 0) -> Any:
    """The value with one member, somewhere inside, replaced by something odd, or gone."""
    if isinstance(value, dict) and value and (depth == 0 or draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 5)) == 0:
            return {key: held for key, held in value.items() if key != name}
        return value | {name: draw(broken(value[name], depth + 1))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(broken(value[place], depth + 1)), *value[place + 1 :]]
    return draw(ODD)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(STREAMS), st.sampled_from(sorted(WRITERS)), st.data())
def test_no_broken_event_breaks_a_reader_or_the_clients_stream(which, client, data):
    name, case = which
    payloads = FrameReader().feed(read(f"{name}/{case}.stream.sse"))
    place = data.draw(st.integers(0, len(payloads) - 1))
    if payloads[place] != b"[DONE]":
        payloads[place] = json.dumps(data.draw(broken(json.loads(payloads[place])))).encode()
    reader, writer = get_dialect(name).event_reader(), writer_of(client)
    meter = get_dialect(name).meter()
    events = [event for payload in payloads for event in reader.read(payload)] + reader.close()
    for payload in payloads:
        usage = meter.read_usage(payload)
        assert usage is None or usage.total_tokens >= 0
        meter.read_text(payload)
        assert meter.is_error_event(payload) in (True, False) and meter.is_end_event(payload) in (True, False)
    failed = next((at for at, event in enumerate(events) if isinstance(event, neutral.Failed)), None)
    events = events if failed is None else events[: failed + 1]
    WRITERS[client](b"".join([writer.write(event) for event in events]) + writer.close(), failed=failed is not None)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(REQUESTS), st.sampled_from(NAMES), st.data())
def test_a_broken_request_is_carried_over_or_refused(which, target, data):
    from tests.schema.dialects.write_pairs import TARGETS

    name, case = which
    body = json.dumps(data.draw(broken(json.loads(read(f"{name}/{case}.request.json"))))).encode()
    try:
        request = get_dialect(name).read_request(body, path_model="m" if name == "gemini" else "")
        json.loads(get_dialect(target).write_request(request, TARGETS[target], []))
    except DialectError as refused:
        assert refused.status == 400 and refused.message


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(ANSWERS), st.sampled_from(NAMES), st.data())
def test_a_broken_answer_is_carried_over_or_a_bad_answer(which, client, data):
    name, case = which
    body = json.dumps(data.draw(broken(json.loads(read(f"{name}/{case}.answer.json"))))).encode()
    meter = get_dialect(name).meter()
    meter.usage_of_answer(body), meter.text_of_answer(body)
    try:
        answer = get_dialect(name).read_answer(body)
    except BadAnswer as refused:
        assert refused.error.message and refused.error.status >= 400
        return
    json.loads(get_dialect(client).write_answer(answer, model="m", created_s=1, id=CTX.id))


@pytest.mark.parametrize(
    "chunk",
    [
        {"id": 7, "created": "soon", "choices": [{"index": "0", "delta": {"content": "hi"}}]},
        {"id": None, "created": 1.5, "model": None, "choices": [{"delta": {"content": "hi"}, "finish_reason": ""}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]},
        {"choices": [{"index": 0, "text": "hi"}]},
        {
            "choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "hi"}]}}],
            "usage": {"prompt_tokens": "3"},
        },
    ],
)
def test_small_slips_lose_no_text(chunk):
    events = get_dialect("openai").event_reader().read(json.dumps(chunk).encode())
    assert [event.text for event in events if isinstance(event, neutral.TextDelta)] == ["hi"]


def test_a_finish_said_twice_or_as_the_word_null_is_one_finish():
    reader = get_dialect("openai").event_reader()
    reasons = ["null", "stop", "stop"]
    chunks = [{"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": reason}]} for reason in reasons]
    events = [event for chunk in chunks for event in reader.read(json.dumps(chunk).encode())]
    assert [event for event in events if isinstance(event, neutral.Finished)] == [neutral.Finished("stop")]


def test_what_cannot_be_read_is_counted():
    reader = get_dialect("claude").event_reader()
    assert reader.feed(b"data: <html>\n\ndata: {}\n\n") == [] and reader.skipped == 1


@pytest.mark.parametrize("name", [*NAMES, "completions"])
def test_deep_nesting_is_refused_and_not_a_crash(name):
    for deep in (
        b'{"model":"m","a":' + b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"choices":' + b"[" * 50_000,
    ):
        with contextlib.suppress(DialectError):
            get_dialect(name).read_request(deep, path_model="m")
        with contextlib.suppress(DialectError):
            get_dialect(name).edit_request(deep, Target("u"))
        with contextlib.suppress(BadAnswer):
            get_dialect(name).read_answer(deep)
        get_dialect(name).event_reader().read(deep)
        get_dialect(name).meter().read_usage(deep)
        get_dialect(name).read_error(500, deep)
