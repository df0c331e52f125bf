"""Channel setting thinking_to_content: thoughts shown as text, between `<think>` tags."""

import msgspec

from schema.dialects import neutral

_BEGIN, _END = "<think>\n", "\n</think>\n"


class ThinkingToContent:
    """Turns the events of one stream; the end tag always stands before the finish, and before a call."""

    def __init__(self) -> None:
        self._open: set[int] = set()  # choices that are thinking

    def turn(self, events: list[neutral.Event]) -> list[neutral.Event]:
        turned: list[neutral.Event] = []
        for event in events:
            if isinstance(event, neutral.ThinkingDelta):
                begun = event.choice in self._open
                self._open.add(event.choice)
                turned.append(neutral.TextDelta(event.text if begun else _BEGIN + event.text, event.choice))
            elif isinstance(event, neutral.Signature) and event.tool < 0:
                continue
            else:
                if isinstance(event, neutral.TextDelta | neutral.ToolStart | neutral.Finished | neutral.ImageOut):
                    turned += self._end(event.choice)
                turned.append(event)
        return turned

    def close(self) -> list[neutral.Event]:
        return [event for choice in sorted(self._open) for event in self._end(choice)]

    def _end(self, choice: int) -> list[neutral.Event]:
        if choice not in self._open:
            return []
        self._open.discard(choice)
        return [neutral.TextDelta(_END, choice)]


def turn_answer(answer: neutral.Answer) -> neutral.Answer:
    """The same for a plain answer: all thoughts first, then the content."""
    return msgspec.structs.replace(answer, choices=tuple([_turn_choice(choice) for choice in answer.choices]))


def _turn_choice(choice: neutral.Choice) -> neutral.Choice:
    thoughts = "".join([block.text for block in choice.blocks if isinstance(block, neutral.Thinking)])
    rest = tuple([block for block in choice.blocks if not isinstance(block, neutral.Thinking)])
    if not thoughts:
        return msgspec.structs.replace(choice, blocks=rest)
    return msgspec.structs.replace(choice, blocks=(neutral.Text(_BEGIN + thoughts + _END), *rest))
