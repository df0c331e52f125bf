from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.sse import EVENT_BYTES_MAX, EventTooLong, FrameReader

STREAM = (
    b"\xef\xbb\xbf: hello\r\n\r\nevent: a\r\ndata: one\r\n\r\ndata:two\ndata: lines\n\n\n\nid: 7\nretry: 10\ndata: \xc3\xa9\r\r"
    b"data\n\n: ping\n\ndata:  kept blank\n\nevent: nodata\n\ndata: last"
)
FRAMES = [b"one", b"two\nlines", b"\xc3\xa9", b"", b" kept blank", b"last"]


@given(st.sets(st.integers(0, len(STREAM))))
def test_frames_do_not_depend_on_how_the_network_slices_them(cuts):
    reader, edges = FrameReader(), [0, *sorted(cuts), len(STREAM)]
    found = [frame for a, b in pairwise(edges) for frame in reader.feed(STREAM[a:b])]
    assert found + reader.close() == FRAMES


def test_an_event_leaves_as_soon_as_its_blank_line_is_there():
    reader = FrameReader()
    assert reader.feed(b"data: a\n\ndata: b\n") == [b"a"]
    assert reader.feed(b"\n") == [b"b"]


def test_a_long_event_costs_its_length_and_not_its_square():
    reader, piece = FrameReader(), b"x" * 1000
    assert reader.feed(b"data: ") == []
    for _ in range(8000):
        assert reader.feed(piece) == []
    assert [len(frame) for frame in reader.feed(b"\n\n")] == [8_000_000]


def test_an_endless_event_is_refused():
    reader = FrameReader()
    with pytest.raises(EventTooLong):
        reader.feed(b"data: " + b"x" * EVENT_BYTES_MAX)
