"""The watch on a passed-through stream: bytes untouched, the end held back, usage found however the network cuts."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.relay.watch import StreamTooWild, StreamWatch, first_payload, payloads
from schema.counting import StreamCounter
from schema.dialects.registry import get_dialect

TEXT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
USAGE = b'data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = TEXT * 3 + USAGE + DONE


def watch(*, hide=False):
    texts = []

    def count(text):
        texts.append(text)
        return "".join(texts).count("hi")

    return StreamWatch(get_dialect("openai").meter(), end_marks=(b"data: [DONE]",), hide_usage=hide, count=count)


@given(st.sets(st.integers(0, len(STREAM))))
def test_any_cut_gives_the_same_bytes_and_the_same_usage(cuts):
    seen, edges = watch(), [0, *sorted(cuts), len(STREAM)]
    out = b"".join(seen.feed(STREAM[a:b]) for a, b in pairwise(edges)) + seen.close()
    assert out == TEXT * 3 + USAGE
    assert seen.held == DONE
    assert seen.ended
    assert (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (7, 3)
    assert seen.completion_tokens() == 3


@given(st.sets(st.integers(0, len(STREAM))))
def test_usage_that_was_not_asked_for_is_hidden_but_counted(cuts):
    seen, edges = watch(hide=True), [0, *sorted(cuts), len(STREAM)]
    out = b"".join(seen.feed(STREAM[a:b]) for a, b in pairwise(edges)) + seen.close()
    assert out == TEXT * 3
    assert seen.held == DONE
    assert seen.usage.total_tokens == 10


def test_a_stream_that_breaks_off_is_counted_and_not_ended():
    seen = watch()
    assert seen.feed(TEXT + TEXT[:20]) == TEXT
    assert seen.close() == TEXT[:20]
    assert not seen.ended
    assert seen.usage is None
    assert seen.completion_tokens() == 1


def test_an_event_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("edge.relay.watch.EVENT_BYTES_MAX", 100)
    with pytest.raises(StreamTooWild):
        watch().feed(b"x" * 101)


def test_a_long_answer_is_counted_as_it_goes_and_never_held():
    """Four megabytes of a stream without usage, in pieces as they come from a socket: no more than two of them are kept."""
    counter = StreamCounter("gpt-4o-mini")

    def count(text: str) -> int:
        counter.feed(text)
        return counter.tokens

    seen = StreamWatch(get_dialect("openai").meter(), end_marks=(DONE.strip(),), hide_usage=False, count=count)
    piece, size = TEXT.replace(b"hi", b"hi ") * 500, 0
    seen.feed(piece)
    tracemalloc.start()
    try:
        while size < 4 << 20:
            size += len(seen.feed(piece))
        assert seen.usage is None
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * len(piece) and peak < 8 * len(piece), (kept, peak)
    assert seen.completion_tokens() >= (size + len(piece)) // len(TEXT) * 0.9


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param(TEXT + DONE, TEXT[6:-2], id="the first of several"),
        pytest.param(b": ping\r\n\r\nevent: e\r\ndata: a\r\ndata: b\r\n\r\ndata: c\n\n", b"a\nb", id="comments are passed over"),
        pytest.param(b": ping\n\n", None, id="none"),
        pytest.param(b"data: cut", b"cut", id="without its blank line"),
    ],
)  # fmt: skip
def test_the_first_payload(frames, expected):
    assert first_payload(frames) == expected
    assert payloads(frames)[:1] == ([] if expected is None else [expected])
