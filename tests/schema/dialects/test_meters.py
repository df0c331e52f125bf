"""Watching passed-through bytes: the same counts and texts as reading them in full."""

import pytest

from schema.dialects import neutral
from schema.dialects.registry import get_dialect
from schema.dialects.sse import FrameReader
from tests.schema.dialects.golden import cases, read

NAMES = ["openai", "claude", "gemini", "responses", "cohere"]
STREAMS = [(name, case) for name in NAMES for case in cases(name, "stream.sse")]
ANSWERS = [(name, case) for name in NAMES for case in cases(name, "answer.json") if case not in ("blocked", "failed")]


def metered(name: str, stream: bytes):
    meter, reader = get_dialect(name).meter(), FrameReader()
    usage = None
    texts, failed, ended = [], False, False
    for payload in reader.feed(stream) + reader.close():
        if any(marker in payload for marker in meter.markers):
            new = meter.read_usage(payload)
            usage = meter.merge(usage, new) if new is not None else usage
        else:
            assert meter.read_usage(payload) is None, "a marker is missing"
        texts.append(meter.read_text(payload))
        failed = failed or meter.is_error_event(payload)
        ended = ended or meter.is_end_event(payload)
    return usage, "".join(texts), failed, ended


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_streams(name, case):
    stream = read(f"{name}/{case}.stream.sse")
    reader = get_dialect(name).event_reader()
    events = reader.feed(stream) + reader.close()
    usage, text, failed, ended = metered(name, stream)
    counted = [event.usage for event in events if isinstance(event, neutral.UsageEvent)]
    assert usage == (counted[-1] if counted else None)
    said = [event.text for event in events if isinstance(event, neutral.TextDelta | neutral.ThinkingDelta)]
    for piece in said:
        assert piece in text or "```" in piece
    assert failed == any(isinstance(event, neutral.Failed) for event in events)
    finished = any(isinstance(event, neutral.Finished) for event in events)
    assert ended == finished or failed
    assert reader.finished == finished or failed


@pytest.mark.parametrize(("name", "case"), ANSWERS)
def test_answers(name, case):
    body = read(f"{name}/{case}.answer.json")
    meter, answer = get_dialect(name).meter(), get_dialect(name).read_answer(body)
    assert meter.usage_of_answer(body) == answer.usage
    text = meter.text_of_answer(body)
    for block in answer.choices[0].blocks:
        if isinstance(block, neutral.Text | neutral.Thinking):
            assert block.text in text or name == "claude"
        if isinstance(block, neutral.ToolCall):
            assert block.name in text


@pytest.mark.parametrize("name", [*NAMES, "completions"])
@pytest.mark.parametrize(
    "payload", [b"", b"<html>", b"{", b"null", b"\xff", b'{"usage":null,"choices":null}', b'{"error":null}']
)
def test_garbage_is_nothing(name, payload):
    meter = get_dialect(name).meter()
    assert meter.read_usage(payload) is None and meter.usage_of_answer(payload) is None
    assert meter.read_text(payload) == ""
    assert not meter.is_error_event(payload) and not meter.is_end_event(payload) and not meter.is_usage_only(payload)


def test_the_chunk_that_only_has_usage_is_recognised():
    meter = get_dialect("openai").meter()
    assert meter.is_usage_only(b'{"id":"x","choices":[],"usage":{"prompt_tokens":1}}')
    assert not meter.is_usage_only(b'{"id":"x","choices":[],"prompt_filter_results":[]}')
    assert not meter.is_usage_only(b'{"id":"x","choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}')
