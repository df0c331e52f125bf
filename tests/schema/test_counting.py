"""Local counts agree with the tokenizer's published examples, however a stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema import counting


def test_worked_example():
    assert counting.count_messages("gpt-4o-mini", [{"role": "user", "content": "Hello, world!"}]) == 11
    assert counting.count_text("gpt-4o-mini", "Hi there! How can I help you today?") == 10
    assert counting.count_text("gpt-4", "<|endoftext|>") > 1


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4o-mini", (1024, 1024), 25_501),
        ("gpt-4o", (2048, 4096), 1105),
        ("gpt-4o", (1000, 8000), 4 * 170 + 85),
    ],
)
def test_pictures(model, size, tokens):
    assert counting.image_tokens(model, *size) == tokens


def test_audio():
    assert counting.transcription_tokens(61.2) == 1033
    assert counting.realtime_audio_tokens(60, output=False) == 1666
    assert counting.realtime_audio_tokens(60, output=True) == 833


TEXT = "The quick brown fox jumps over the lazy dog. " * 8


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, len(TEXT))))
def test_a_stream_of_words_counts_like_the_whole(cuts):
    counter, edges = counting.StreamCounter("gpt-4o"), [0, *sorted(cuts), len(TEXT)]
    for start, end in pairwise(edges):
        counter.feed(TEXT[start:end])
    assert counter.tokens == counting.count_text("gpt-4o", TEXT)
