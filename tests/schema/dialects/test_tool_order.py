from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.neutral import ToolArgs, ToolStart, ToolStop
from schema.dialects.tool_order import ToolQueue


def start(i: int) -> ToolStart:
    return ToolStart(i, f"id{i}", f"f{i}")


def test_one_call_streams_through_at_once():
    queue = ToolQueue()
    assert queue.write(start(0)) == [start(0)]
    assert queue.write(ToolArgs(0, "{}")) == [ToolArgs(0, "{}")]
    assert queue.write(ToolStop(0)) == [ToolStop(0)]


def test_the_next_call_comes_out_when_the_arguments_before_it_are_whole():
    queue = ToolQueue()
    queue.write(start(0))
    queue.write(ToolArgs(0, '{"a":1}'))
    assert queue.write(start(1)) == [ToolStop(0), start(1)]


def test_a_call_that_overtakes_waits_for_its_turn():
    queue = ToolQueue()
    queue.write(start(0))
    queue.write(ToolArgs(0, '{"a"'))
    assert queue.write(start(1)) == []
    assert queue.write(ToolArgs(1, "{}")) == []
    assert queue.write(ToolArgs(0, ":1}")) == [ToolArgs(0, ":1}")]
    assert queue.write(ToolStop(0)) == [ToolStop(0), start(1), ToolArgs(1, "{}")]
    assert queue.flush() == [ToolStop(1)]


def test_a_call_without_arguments_gets_an_empty_object():
    queue = ToolQueue()
    queue.write(start(0))
    assert queue.flush() == [ToolArgs(0, "{}"), ToolStop(0)]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["start", "args", "stop"]))))
def test_whatever_comes_in_single_file_comes_out(steps):
    queue, out = ToolQueue(), []
    for i, kind in steps:
        event = {"start": start(i), "args": ToolArgs(i, "x"), "stop": ToolStop(i)}[kind]
        out += queue.write(event)
    out += queue.flush()
    open_call = None
    for event in out:
        if isinstance(event, ToolStart):
            assert open_call is None
            open_call = event.i
        else:
            assert event.i == open_call
            if isinstance(event, ToolStop):
                open_call = None
    assert open_call is None
