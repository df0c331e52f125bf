import pytest

from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.dialects.fold import fold, unfold
from schema.dialects.registry import get_dialect
from schema.dialects.thinking_to_content import ThinkingToContent, turn_answer
from tests.schema.dialects.golden import cases, read

NAMES = ["openai", "claude", "gemini", "responses", "cohere"]
STREAMS = [(name, case) for name in NAMES for case in cases(name, "stream.sse") if case not in ("error", "failed")]
ANSWERS = [(name, case) for name in NAMES for case in cases(name, "answer.json") if case not in ("blocked", "failed")]


@pytest.mark.parametrize(("name", "case"), STREAMS)
def test_a_stream_folds_into_the_answer_it_tells(name, case):
    reader = get_dialect(name).event_reader()
    events = reader.feed(read(f"{name}/{case}.stream.sse")) + reader.close()
    answer = fold(events)
    text = "".join(event.text for event in events if isinstance(event, neutral.TextDelta))
    assert neutral.text_of(answer.choices[0].blocks) == text
    calls = [block for block in answer.choices[0].blocks if isinstance(block, neutral.ToolCall)]
    assert [call.name for call in calls] == [event.name for event in events if isinstance(event, neutral.ToolStart)]
    assert answer.choices[0].finish == next(event.reason for event in events if isinstance(event, neutral.Finished))


@pytest.mark.parametrize(("name", "case"), ANSWERS)
def test_an_answer_unfolds_and_folds_back(name, case):
    answer = get_dialect(name).read_answer(read(f"{name}/{case}.answer.json"))
    back = fold(unfold(answer))
    assert (back.id, back.model, back.usage) == (answer.id, answer.model, answer.usage)
    assert neutral.text_of(back.choices[0].blocks) == neutral.text_of(answer.choices[0].blocks)
    tools = [block for block in back.choices[0].blocks if isinstance(block, neutral.ToolCall)]
    assert tools == [block for block in answer.choices[0].blocks if isinstance(block, neutral.ToolCall)]


def test_a_failed_stream_is_a_bad_answer():
    with pytest.raises(BadAnswer):
        fold([neutral.TextDelta("a"), neutral.Failed(neutral.UpstreamError("x"))])


def test_thoughts_stand_between_tags_and_the_end_tag_before_the_finish():
    turner = ThinkingToContent()
    events = turner.turn([neutral.ThinkingDelta("a"), neutral.ThinkingDelta("b")])
    events += turner.turn([neutral.TextDelta("c"), neutral.Finished("stop")]) + turner.close()
    assert events == [
        neutral.TextDelta("<think>\na"),
        neutral.TextDelta("b"),
        neutral.TextDelta("\n</think>\n"),
        neutral.TextDelta("c"),
        neutral.Finished("stop"),
    ]
    turner = ThinkingToContent()
    assert turner.turn([neutral.ThinkingDelta("a"), neutral.Finished("length")])[1] == neutral.TextDelta("\n</think>\n")
    turner = ThinkingToContent()
    turner.turn([neutral.ThinkingDelta("a")])
    assert turner.close() == [neutral.TextDelta("\n</think>\n")]


def test_thoughts_of_a_plain_answer_stand_before_its_text():
    choice = neutral.Choice((neutral.Thinking("t", "s"), neutral.Text("x")))
    turned = turn_answer(neutral.Answer(choices=(choice,)))
    assert neutral.text_of(turned.choices[0].blocks) == "<think>\nt\n</think>\nx"
