"""What one Realtime session has used since its last turn: reported usage when a response ends, else counts of our own.

Sans-IO. Only what is answered is paid: input counts when a response takes it up, audio when it is committed. Text is kept
as it came and counted when somebody asks, 32 KiB at the most.
"""

import msgspec
from msgspec import Struct

from schema.counting import count_text, realtime_audio_seconds, realtime_audio_tokens, unmeasured_image_tokens
from schema.realtime.wire import (
    AUDIO_DELTAS,
    TEXT_DELTAS,
    Event,
    Session,
    read_event,
    read_item,
    read_response,
    read_session,
    read_text,
    read_usage,
    token_usage,
)
from schema.usage import TokenUsage

TEXT_BYTES_MAX = 32 * 1024  # uncounted text of one counter
RESPONSES_MAX = 64  # open at once; a provider opens one or two
TOOL_TOKENS = 8  # of a tool's frame, beside its text


class InvalidEvent(Exception):
    """The client's message is no event. `event_id`: raw JSON, where it could be read."""


class TurnEnd(Struct, frozen=True):
    """A response is done. `usage` is what to charge for it; `spoke_s` when its first delta came, on the caller's clock."""

    usage: TokenUsage
    completed: bool
    began_s: float
    spoke_s: float


class Transcribed(Struct, frozen=True):
    """A transcription of the user's speech, which has a model and a charge of its own."""

    model: str
    usage: TokenUsage


class _Words:
    """Text that is counted when it must be."""

    __slots__ = ("_bytes", "_model", "_parts", "_tokens")

    def __init__(self, model: str) -> None:
        self._model, self._tokens, self._bytes = model, 0, 0
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._bytes += len(text)
            if self._bytes > TEXT_BYTES_MAX:
                self._count()

    def _count(self) -> None:
        self._tokens += count_text(self._model, "".join(self._parts))
        self._parts, self._bytes = [], 0

    @property
    def tokens(self) -> int:
        if self._parts:
            self._count()
        return self._tokens

    def more(self, tokens: int) -> None:
        self._tokens += tokens


class _Response:
    """One answer on its way."""

    __slots__ = ("audio_bytes", "began_s", "spoke_s", "words")

    def __init__(self, model: str, now_s: float) -> None:
        self.words, self.audio_bytes = _Words(model), 0
        self.began_s, self.spoke_s = now_s, -1.0


class Meter:
    """One session. `model`: the name asked for, whose encoding counts."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._format_in = self._format_out = "pcm16"
        self._transcriber = ""
        self._asked = _Words(model)
        self._pending_bytes = self._audio_bytes = 0  # appended; committed
        self._images = 0
        self._told: dict[str, str] = {}  # instructions and tools as counted last
        self._open: dict[str, _Response] = {}

    # -- the client's side

    def client_event(self, data: bytes) -> Event:
        """Note what the client says. Raises InvalidEvent: the message must not go on."""
        try:
            event = read_event(data)
            match event.type:
                case "input_audio_buffer.append":
                    self._pending_bytes += _audio_bytes(event.audio)
                case "input_audio_buffer.clear":
                    self._pending_bytes = 0
                case "conversation.item.create" if event.item:
                    self._take_item(event.item)
                case "session.update" if event.session:
                    self._take_words(read_session(event.session))
                case "response.create" if event.response:
                    self._take_words(read_session(event.response))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidEvent(str(error)) from None
        return event

    def _take_item(self, raw: msgspec.Raw) -> None:
        item = read_item(raw)
        self._asked.add(item.output or "")
        for part in item.content or ():
            self._asked.add(part.text or part.transcript or "")
            self._audio_bytes += _audio_bytes(part.audio)
            self._images += part.type == "input_image"

    def _take_words(self, session: Session) -> None:
        """Instructions and tools count once a change: the provider keeps them."""
        if session.instructions and self._told.get("instructions") != session.instructions:
            self._told["instructions"] = session.instructions
            self._asked.add(session.instructions)
        tools = bytes(session.tools).decode() if session.tools else ""
        if tools not in ("", "null", "[]") and self._told.get("tools") != tools:
            self._told["tools"] = tools
            self._asked.add(tools)
            self._asked.more(TOOL_TOKENS)

    # -- the upstream's side

    def upstream_event(self, data: bytes, now_s: float) -> TurnEnd | Transcribed | None:
        """Note what the provider says; events of unknown kinds and odd shape pass unseen. `now_s`: any steady clock."""
        try:
            event = read_event(data)
            kind = event.type
            if kind in AUDIO_DELTAS:
                self._response(event.response_id, now_s, spoke=True).audio_bytes += _audio_bytes(event.delta)
            elif kind in TEXT_DELTAS:
                self._response(event.response_id, now_s, spoke=True).words.add(read_text(event.delta))
            elif kind == "response.done":
                return self._end(event, now_s)
            elif kind == "response.created":
                self._response(read_response(event.response).id, now_s)
            elif kind == "input_audio_buffer.committed":
                self._audio_bytes += self._pending_bytes
                self._pending_bytes = 0
            elif kind in ("session.created", "session.updated"):
                self._learn(read_session(event.session))
            elif kind == "conversation.item.input_audio_transcription.completed" and event.usage:
                return self._transcribed(event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return None

    def _response(self, number: str, now_s: float, *, spoke: bool = False) -> _Response:
        found = self._open.get(number)
        if found is None:
            if len(self._open) >= RESPONSES_MAX:  # a provider that never ends them: they share one counter
                number = next(iter(self._open))
            found = self._open.setdefault(number, _Response(self._model, now_s))
        if spoke and found.spoke_s < 0:
            found.spoke_s = now_s
        return found

    def _learn(self, session: Session) -> None:
        heard, spoken = session.formats
        self._format_in, self._format_out = heard or self._format_in, spoken or self._format_out
        self._transcriber = session.transcription_model or self._transcriber

    def _end(self, event: Event, now_s: float) -> TurnEnd:
        done = read_response(event.response) if event.response else read_response(b"{}")
        answer = self._open.pop(done.id, None) or _Response(self._model, now_s)
        usage = token_usage(done.usage) if done.usage is not None else self._counted([answer])
        self._forget_input()
        return TurnEnd(usage, done.status == "completed", answer.began_s, answer.spoke_s)

    def _transcribed(self, event: Event) -> Transcribed:
        usage = read_usage(event.usage)
        if usage.seconds is not None:
            counted = TokenUsage(input_audio=realtime_audio_tokens(usage.seconds, output=False), estimated=True)
        else:
            counted = token_usage(usage)
        return Transcribed(self._transcriber, counted)

    # -- counts of our own

    @property
    def answering(self) -> bool:
        """Is a response under way?"""
        return bool(self._open)

    def open_usage(self) -> TokenUsage:
        """What to charge if the session ended now: nothing where no response is under way."""
        return self._counted(list(self._open.values())) if self._open else TokenUsage()

    def abandon(self) -> TokenUsage:
        """The session ends: what its open responses have used."""
        usage = self.open_usage()
        self._open.clear()
        self._forget_input()
        return usage

    def _counted(self, answers: list[_Response]) -> TokenUsage:
        heard_s = realtime_audio_seconds(self._audio_bytes, self._format_in)
        spoken_s = realtime_audio_seconds(sum(answer.audio_bytes for answer in answers), self._format_out)
        return TokenUsage(
            input_text=self._asked.tokens,
            input_audio=realtime_audio_tokens(heard_s, output=False),
            input_image=self._images * unmeasured_image_tokens(self._model),
            output_text=sum(answer.words.tokens for answer in answers),
            output_audio=realtime_audio_tokens(spoken_s, output=True),
            estimated=True,
        )

    def _forget_input(self) -> None:
        self._asked = _Words(self._model)
        self._audio_bytes = self._images = 0


def _audio_bytes(base64: msgspec.Raw) -> int:
    """Of audio that stands as a JSON string."""
    return max(0, len(memoryview(base64)) - 2) * 3 // 4 if base64 else 0
