"""Properties of every provider's stream, in its own framing: slicing does not matter, every cut of it ends well, nothing is kept back."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.dialects import neutral
from schema.dialects.base import StreamContext
from schema.dialects.providers.answers import open_reader, read_chat
from schema.dialects.providers.base import Outgoing
from schema.dialects.providers.registry import providers
from schema.dialects.registry import get_dialect
from schema.usage import TokenUsage
from tests.edge.relay.matrix.standin import claude_frames, converse_frames
from tests.schema.dialects.test_streams import WRITERS, writer_of

providers()  # registers the formats that only providers speak
FOLDER = Path(__file__).parents[2] / "golden" / "wire"
KINDS = {"ollama": "json_lines", "converse": "eventstream", "xunfei": "websocket"}
OWN = (
    "claude",
    "gemini",
    "responses",
    "cohere",
    "converse",
    "ollama",
    "minimax",
    "tencent",
    "baidu",
    "xunfei",
    "dify",
    "coze",
)
STREAMS = sorted(
    (path.parent.name, path.name.split(".")[0]) for path in FOLDER.glob("*/*") if path.suffix in (".sse", ".jsonl", ".frames")
)  # fmt: skip
CLIENTS = [name for name in WRITERS if name != "completions"]


def load(wire: str, case: str) -> tuple[Outgoing, bytes]:
    """The stream as it lies on the wire, and how it is read."""
    (path,) = [path for path in (FOLDER / wire).glob(f"{case}.*") if path.suffix != ".json"]
    data = path.read_bytes()
    if wire == "converse":
        data = converse_frames(data)
    framing = KINDS.get(wire, "sse")
    return Outgoing("https://x", (), b"", wire=wire if wire in OWN else "openai", framing=framing, stream=True), data


def read(sent: Outgoing, pieces: list[bytes]) -> list[neutral.Event]:
    reader = open_reader(sent)
    feed = reader.read if sent.framing == "websocket" else reader.feed
    return [event for piece in pieces for event in feed(piece)] + reader.close()


def frames_of(sent: Outgoing, data: bytes) -> list[bytes]:
    """Whole events of the wire."""
    match sent.framing:
        case "json_lines":
            return data.splitlines(keepends=True)
        case "websocket":
            return data.splitlines()
        case "eventstream":
            found, at = [], 0
            while at < len(data):
                size = int.from_bytes(data[at : at + 4], "big")
                found.append(data[at : at + size])
                at += size
            return found
    return [frame + b"\n\n" for frame in data.split(b"\n\n") if frame]


def facts(events: list[neutral.Event]) -> dict[str, object]:
    usage = [event.usage for event in events if isinstance(event, neutral.UsageEvent)][-1:]
    calls = [event for event in events if isinstance(event, neutral.ToolStart)]
    arguments = [
        "".join(piece.text for piece in events if isinstance(piece, neutral.ToolArgs) and piece.i == call.i)
        for call in calls
    ]
    return {
        "text": "".join(event.text for event in events if isinstance(event, neutral.TextDelta)),
        "thoughts": "".join(event.text for event in events if isinstance(event, neutral.ThinkingDelta)),
        "calls": [[call.name, json.loads(held)] for call, held in zip(calls, arguments, strict=True)],
        "finish": [event.reason for event in events if isinstance(event, neutral.Finished)],
        "usage": usage[0] if usage else None,
    }


def expected(wire: str, case: str, kind: str) -> dict[str, object]:
    want = json.loads((FOLDER / wire / "expected.json").read_text())[case][kind]
    return {
        "text": want.get("text", ""),
        "thoughts": want.get("thoughts", ""),
        "calls": want.get("calls", []),
        "finish": [want["finish"]],
        "usage": TokenUsage(
            input_text=want["input"], input_cached=want.get("cached", 0), input_cache_write=want.get("cache_write", 0),
            output_text=want["output"], reasoning=want.get("reasoning", 0),
            input_cache_write_1h=want.get("cache_write_1h", 0),
        ),
    }  # fmt: skip


@pytest.mark.parametrize(("wire", "case"), [one for one in STREAMS if one[1] not in ("broken", "error")])
def test_what_a_fixture_says(wire, case):
    sent, data = load(wire, case)
    events = read(sent, frames_of(sent, data))
    assert facts(events) == expected(wire, case, "stream")
    plain = FOLDER / wire / f"{case}.json"
    if plain.exists():
        answer = read_chat(sent, plain.read_bytes())
        blocks = answer.choices[0].blocks
        want = expected(wire, case, "plain")
        assert neutral.text_of(blocks) == want["text"] and answer.usage == want["usage"]
        assert [[b.name, json.loads(b.arguments)] for b in blocks if isinstance(b, neutral.ToolCall)] == want["calls"]
        assert [answer.choices[0].finish] == want["finish"]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([one for one in STREAMS if one[0] != "xunfei"]), st.data())
def test_slicing_does_not_matter(which, data):
    sent, stream = load(*which)
    edges = [0, *sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=40))), len(stream)]
    assert read(sent, [stream[a:b] for a, b in pairwise(edges)]) == read(sent, [stream])


def test_claudes_events_in_bedrocks_frames():
    sent, stream = load("claude", "tool")
    framed = Outgoing("https://x", (), b"", wire="claude", framing="eventstream", stream=True)
    assert read(framed, [claude_frames(stream)]) == read(sent, [stream])


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("wire", "case"), STREAMS)
def test_a_stream_cut_anywhere_ends_well(wire, case, client):
    """After every whole number of events the upstream may break off: what the client has then is a stream of its dialect."""
    sent, data = load(wire, case)
    frames = frames_of(sent, data)
    for count in {0, 1, 2, len(frames) // 2, len(frames) - 1, len(frames)}:
        events = read(sent, frames[:count])
        writer = writer_of(client)
        failed = any(isinstance(event, neutral.Failed) for event in events)
        WRITERS[client](b"".join(map(writer.write, events)) + writer.close(), failed=failed)


@pytest.mark.parametrize("client", ["openai", "claude", "gemini", "responses", "cohere"])
@pytest.mark.parametrize(("wire", "case"), [one for one in STREAMS if one[1] in ("text", "thinking", "cached")])
def test_no_more_than_one_event_is_kept_back(wire, case, client):
    """What the events before the last one said has been written when the last one has been read."""
    sent, data = load(wire, case)
    reader = open_reader(sent)
    feed = reader.read if sent.framing == "websocket" else reader.feed
    writer = get_dialect(client).event_writer(StreamContext("r", "m", 1, prompt_estimate=1))
    written, due = b"", []
    for frame in frames_of(sent, data):
        missing = [text for text in due if json.dumps(text, ensure_ascii=False)[1:-1].encode() not in written]
        assert missing == []
        events = feed(frame)
        written += b"".join(map(writer.write, events))
        due += [event.text for event in events if isinstance(event, neutral.TextDelta | neutral.ThinkingDelta)]
