"""A stream folded into one answer, and an answer unfolded into a stream: for upstreams that send what was not asked for."""

from collections.abc import Iterable

from schema.dialects import neutral
from schema.dialects.errors import BadAnswer
from schema.usage import TokenUsage


class _Choice:
    """What was said so far in one choice; neighbouring pieces of one kind become one block."""

    def __init__(self) -> None:
        self.blocks: list[neutral.Block] = []
        self.calls: dict[int, tuple[neutral.ToolStart, list[str]]] = {}
        self.signatures: dict[int, str] = {}
        self.finish: neutral.Finish | None = None
        self.stop_sequence: str | None = None

    def add(self, event: neutral.Event) -> None:
        last = self.blocks[-1] if self.blocks else None
        match event:
            case neutral.TextDelta():
                self._text(event.text)
            case neutral.ThinkingDelta():
                if isinstance(last, neutral.Thinking):
                    self.blocks[-1] = neutral.Thinking(last.text + event.text, last.signature)
                else:
                    self.blocks.append(neutral.Thinking(event.text))
            case neutral.Signature() if event.tool >= 0:
                self.signatures[event.tool] = event.signature
            case neutral.Signature():
                if event.redacted:
                    self.blocks.append(neutral.Thinking(redacted=event.signature))
                elif isinstance(last, neutral.Thinking):
                    self.blocks[-1] = neutral.Thinking(last.text, event.signature)
            case neutral.ToolStart():
                self.calls[event.i] = (event, [])
            case neutral.ToolArgs() if event.i in self.calls:
                self.calls[event.i][1].append(event.text)
            case neutral.ImageOut():
                self.blocks.append(neutral.Image(url=event.url, data=event.data, media_type=event.media_type))
            case neutral.AudioOut():
                self._audio(event)
            case neutral.CitationOut():
                self._text("", event.citation)
            case neutral.Finished():
                self.finish, self.stop_sequence = event.reason, event.stop_sequence

    def _text(self, text: str, *citations: neutral.Citation) -> None:
        last = self.blocks[-1] if self.blocks else None
        if isinstance(last, neutral.Text):
            self.blocks[-1] = neutral.Text(last.text + text, citations=(*last.citations, *citations))
        else:
            self.blocks.append(neutral.Text(text, citations=citations))

    def _audio(self, event: neutral.AudioOut) -> None:
        last = self.blocks[-1] if self.blocks else None
        if isinstance(last, neutral.Audio):
            self.blocks.pop()
        held = last if isinstance(last, neutral.Audio) else neutral.Audio()
        transcript = held.transcript + event.transcript
        self.blocks.append(neutral.Audio(held.data + event.data, transcript=transcript, id=held.id or event.id))

    def whole(self, index: int) -> neutral.Choice:
        calls = [
            neutral.ToolCall(start.id, start.name, "".join(parts) or "{}", self.signatures.get(i, ""))
            for i, (start, parts) in sorted(self.calls.items())
        ]
        return neutral.Choice((*self.blocks, *calls), self.finish, self.stop_sequence, index=index)


def fold(events: Iterable[neutral.Event]) -> neutral.Answer:
    """One answer of a whole stream. Raises BadAnswer if the stream failed."""
    start, usage = neutral.Start(), None
    choices: dict[int, _Choice] = {}
    for event in events:
        match event:
            case neutral.Start():
                start = event
            case neutral.UsageEvent():
                usage = event.usage
            case neutral.Failed():
                raise BadAnswer(event.error)
            case _:
                choices.setdefault(event.choice, _Choice()).add(event)
    whole = tuple([choice.whole(index) for index, choice in sorted(choices.items())])
    return neutral.Answer(start.id, start.model, start.created_s, whole, usage)


def unfold(answer: neutral.Answer, usage: TokenUsage | None = None) -> list[neutral.Event]:
    """The events of a plain answer, in the order a stream would have them. `usage`: when the answer has none."""
    events: list[neutral.Event] = [neutral.Start(answer.id, answer.model, answer.created_s)]
    for choice in answer.choices:
        count = 0
        for block in choice.blocks:
            events += _events_of(block, choice.index, count)
            count += isinstance(block, neutral.ToolCall)
        if choice.finish is not None:
            events.append(neutral.Finished(choice.finish, choice.stop_sequence, choice.index))
    counted = answer.usage or usage
    return [*events, neutral.UsageEvent(counted)] if counted is not None else events


def _events_of(block: neutral.Block, at: int, i: int) -> list[neutral.Event]:
    match block:
        case neutral.Text():
            text: list[neutral.Event] = [neutral.TextDelta(block.text, at)] if block.text else []
            return text + [neutral.CitationOut(citation, at) for citation in block.citations]
        case neutral.Thinking() if block.redacted and not block.text:
            return [neutral.Signature(block.redacted, at, redacted=True)]
        case neutral.Thinking():
            proof: list[neutral.Event] = [neutral.Signature(block.signature, at)] if block.signature else []
            return [neutral.ThinkingDelta(block.text, at), *proof]
        case neutral.ToolCall():
            proof = [neutral.Signature(block.signature, at, i)] if block.signature else []
            begun: list[neutral.Event] = [
                neutral.ToolStart(i, block.id, block.name, at),
                neutral.ToolArgs(i, block.arguments, at),
            ]
            return [*begun, *proof, neutral.ToolStop(i, at)]
        case neutral.Image():
            return [neutral.ImageOut(block.data, block.media_type or "image/png", block.url, at)]
        case neutral.Audio():
            return [neutral.AudioOut(block.data, block.transcript, block.id, at)]
    return []
