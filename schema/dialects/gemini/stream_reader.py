"""generateContent streams to neutral events.

Source: Gemini API reference, streamGenerateContent (alt=sse): every event is a GenerateContentResponse; the last totals count.
"""

from schema.dialects import neutral
from schema.dialects.body import UNREADABLE
from schema.dialects.gemini import wire
from schema.dialects.gemini.answer import blocked, read_citations, read_finish
from schema.dialects.gemini.errors import error_of
from schema.dialects.gemini.request_reader import code_text
from schema.dialects.gemini.usage import read_usage
from schema.dialects.sse import FrameReader
from schema.usage import TokenUsage


class EventReader:
    """State of one stream: calls are numbered per candidate, and usage is told only when it changed.

    Signatures of texts and thoughts are not told: no other dialect can bring them back, and Claude would refuse them.
    """

    def __init__(self) -> None:
        self.finished = False
        self.skipped = 0
        self._frames = FrameReader()
        self._started = False
        self._calls: dict[int, int] = {}
        self._usage: TokenUsage | None = None
        self._finished: set[int] = set()

    def feed(self, data: bytes) -> list[neutral.Event]:
        frames = self._frames.feed(data)
        if len(frames) == 1:
            return self.read(frames[0])
        return [event for payload in frames for event in self.read(payload)]

    def close(self) -> list[neutral.Event]:
        events: list[neutral.Event] = []
        for payload in self._frames.close():
            events += self.read(payload)
        return events

    def read(self, payload: bytes) -> list[neutral.Event]:
        """One GenerateContentResponse; [] for what cannot be read."""
        try:
            answer = wire.decode_answer(payload)
        except UNREADABLE:
            self.skipped += 1
            return []
        if answer.error:
            return [neutral.Failed(error_of(answer.error))]
        events: list[neutral.Event] = []
        if not self._started:
            self._started = True
            events.append(neutral.Start(answer.response_id or "", answer.model_version or ""))
        if answer.candidates:
            for candidate in answer.candidates:
                self._candidate(candidate, events)
        else:
            error = blocked(answer)
            if error is not None:
                events.append(neutral.Failed(error))
        if answer.usage_metadata is not None:
            usage = read_usage(answer.usage_metadata)
            if usage is not None and usage != self._usage:
                self._usage = usage
                events.append(neutral.UsageEvent(usage))
        return events

    def _candidate(self, candidate: wire.Candidate, events: list[neutral.Event]) -> None:
        at = candidate.index or 0
        for part in wire.parts_of(candidate.content):
            if part.text is not None:
                if part.text:
                    events.append(
                        neutral.ThinkingDelta(part.text, at) if part.thought else neutral.TextDelta(part.text, at)
                    )
            else:
                self._rare(part, at, events)
        events += [neutral.CitationOut(citation, at) for citation in read_citations(candidate.grounding_metadata)]
        if candidate.finish_reason and at not in self._finished:
            self._finished.add(at)
            self.finished = True
            called = bool(self._calls.get(at))
            events.append(neutral.Finished(read_finish(candidate.finish_reason, called=called), None, at))

    def _rare(self, part: wire.Part, at: int, events: list[neutral.Event]) -> None:
        if part.function_call is not None:
            call, i = part.function_call, self._calls.get(at, 0)
            self._calls[at] = i + 1
            events.append(neutral.ToolStart(i, call.id or "", call.name, at))
            events.append(neutral.ToolArgs(i, neutral.json_text(call.args or {}), at))
            if part.thought_signature:
                events.append(neutral.Signature(part.thought_signature, at, i))
            events.append(neutral.ToolStop(i, at))
        elif part.inline_data is not None:
            blob = part.inline_data
            if blob.mime_type.startswith("audio/"):
                events.append(neutral.AudioOut(blob.data, choice=at))
            else:
                events.append(neutral.ImageOut(blob.data, blob.mime_type or "image/png", choice=at))
        elif part.executable_code is not None or part.code_execution_result is not None:
            events.append(neutral.TextDelta(code_text(part), at))
