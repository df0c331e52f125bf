"""Properties of every stream reader and writer: slicing does not matter, and the client's stream is always well-formed."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.gemini.array import ArrayFrames
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage
from tests.schema.dialects import wire_checks
from tests.schema.dialects.golden import cases, read

READERS = ["openai", "claude", "gemini", "responses", "cohere"]
WRITERS = {
    "openai": wire_checks.check_openai,
    "claude": wire_checks.check_claude,
    "gemini": wire_checks.check_gemini,
    "responses": wire_checks.check_responses,
    "cohere": wire_checks.check_cohere,
    "completions": wire_checks.check_completions,
    "gemini array": wire_checks.check_gemini_array,
}
STREAMS = [(name, case) for name in READERS for case in cases(name, "stream.sse")]
CTX = StreamContext("req-1", "asked-model", 1_700_000_000, prompt_estimate=11)


def writer_of(client: str):
    name, _, array = client.partition(" ")
    return get_dialect(name).event_writer(msgspec.structs.replace(CTX, json_array=bool(array)))


def read_whole(name: str, stream: bytes) -> list[neutral.Event]:
    reader = get_dialect(name).event_reader()
    return reader.feed(stream) + reader.close()


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_any_single_cut_gives_the_same_events(name, case):
    stream = read(f"{name}/{case}.stream.sse")
    whole = read_whole(name, stream)
    for cut in range(len(stream)):
        reader = get_dialect(name).event_reader()
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.close() == whole, cut


@settings(deadline=None)
@given(st.sampled_from(STREAMS), st.data())
def test_any_slicing_gives_the_same_events(which, data):
    name, case = which
    stream = read(f"{name}/{case}.stream.sse")
    edges = [0, *sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=60))), len(stream)]
    reader = get_dialect(name).event_reader()
    events = [event for a, b in pairwise(edges) for event in reader.feed(stream[a:b])] + reader.close()
    assert events == read_whole(name, stream)


@pytest.mark.parametrize("client", WRITERS)
@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_every_provider_stream_becomes_a_well_formed_client_stream(name, case, client):
    events = read_whole(name, read(f"{name}/{case}.stream.sse"))
    failed = any(isinstance(event, neutral.Failed) for event in events)
    writer = writer_of(client)
    said = WRITERS[client](b"".join([writer.write(event) for event in events]) + writer.close(), failed=failed)
    text = "".join(event.text for event in events if isinstance(event, neutral.TextDelta))
    assert said["text"] == text or any(isinstance(event, neutral.ImageOut) for event in events)
    assert said["text"].startswith(text)
    if client == "completions":
        return
    assert said["thoughts"] == "".join(event.text for event in events if isinstance(event, neutral.ThinkingDelta))
    begun = [event for event in events if isinstance(event, neutral.ToolStart)]
    assert [call[1] for call in said["calls"]] == [event.name for event in begun]
    for call, start in zip(said["calls"], begun, strict=True):
        pieces = [event for event in events if isinstance(event, neutral.ToolArgs) and event.i == start.i]
        arguments = "".join(piece.text for piece in pieces)
        assert json.loads(call[2]) == json.loads(arguments)
        assert not start.id or call[0] == start.id


TEXT = st.text(max_size=8)


@st.composite
def event_sequences(draw) -> list[neutral.Event]:
    """What a provider may send: calls may interleave, usage may come anywhere, the end may be missing."""
    events: list[neutral.Event] = [neutral.Start("up-1", "up-model", 5)] if draw(st.booleans()) else []
    calls = 0
    for _ in range(draw(st.integers(0, 14))):
        kind = draw(st.integers(0, 8))
        if kind <= 1:
            events.append(neutral.TextDelta(draw(TEXT)))
        elif kind == 2:
            events.append(neutral.ThinkingDelta(draw(TEXT)))
        elif kind == 3:
            events.append(neutral.Signature("c2ln", redacted=draw(st.booleans())))
        elif kind == 4:
            events.append(neutral.ToolStart(calls, draw(st.sampled_from(["", f"call_{calls}"])), f"f{calls}"))
            calls += 1
        elif kind == 5 and calls:
            events.append(neutral.ToolArgs(draw(st.integers(0, calls - 1)), draw(TEXT)))
        elif kind == 6 and calls:
            events.append(neutral.ToolStop(draw(st.integers(0, calls - 1))))
        elif kind == 7:
            events.append(neutral.UsageEvent(TokenUsage(input_text=3, output_text=draw(st.integers(0, 9)))))
        elif kind == 8:
            events.append(
                draw(
                    st.sampled_from(
                        [
                            neutral.CitationOut(neutral.Citation("https://example.com", "t")),
                            neutral.ImageOut("aGk="),
                        ]
                    )
                )
            )
    if draw(st.booleans()):
        events.append(neutral.Finished(draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))))
    if draw(st.booleans()):
        events.append(neutral.UsageEvent(TokenUsage(input_text=4, output_text=9)))
    return events


@pytest.mark.parametrize("client", WRITERS)
@settings(deadline=None)
@given(events=event_sequences(), ends_badly=st.booleans())
def test_any_event_sequence_gives_a_well_formed_stream(client, events, ends_badly):
    writer = writer_of(client)
    out = b"".join([writer.write(event) for event in events])
    if ends_badly:
        out += writer.error(neutral.UpstreamError("broke off", "upstream_error", "stream_timeout", status=504))
    else:
        out += writer.close()
    WRITERS[client](out, failed=ends_badly)


@pytest.mark.parametrize("name", READERS)
@given(st.binary(max_size=60))
def test_garbage_never_breaks_a_reader(name, garbage):
    reader = get_dialect(name).event_reader()
    reader.feed(b"data: " + garbage + b"\n\n")
    reader.feed(b'data: {"type":"something_new","x":[1]}\n\n')
    reader.close()


def test_payloads_in_an_array_are_json():
    for payloads in ([], [b'{"a":1}'], [b'{"a":1}', b'{"a":2}']):
        frames = ArrayFrames()
        out = b"".join([frames.frame(payload) for payload in payloads]) + frames.close()
        assert json.loads(out) == [json.loads(payload) for payload in payloads]


def test_event_text_is_what_is_counted():
    events = read_whole("claude", read("claude/tools.stream.sse"))
    assert "".join([neutral.event_text(event) for event in events]) == 'Looking.weather{"city": "Paris"}now{}'
