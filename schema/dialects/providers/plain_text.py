"""What providers with formats of their own share: requests cut down to text messages, and a reader that counts nothing itself.

Providers of the first years know roles and text alone; what they cannot express is refused, not lost.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from schema.dialects import neutral
from schema.dialects.base import EventReader, Meter, Target
from schema.dialects.errors import Unsupported
from schema.dialects.features import note_dropped, refuse_modalities, refuse_needed
from schema.dialects.files import Fetched, put_files, urls_of
from schema.dialects.openai.request_writer import schema_sentence
from schema.dialects.providers.base import Call, ChannelView, NeedsFiles
from schema.dialects.providers.template import BaseProvider, Draft
from schema.dialects.providers.wires import NoMeter
from schema.dialects.registry import get_dialect
from schema.dialects.sse import EVENT_BYTES_MAX, FrameReader
from schema.dialects.suffixes import Suffix
from schema.dialects.system_prompt import with_system_prompt

_TEXT_ONLY = frozenset({"text"})


class Message(Struct, frozen=True):
    role: str  # system, user, assistant
    text: str


def messages_of(request: neutral.Request, name: str) -> list[Message]:
    """System texts joined in front, then the turns. Raises Unsupported for what is no text."""
    system = [text.text for text in request.system]
    if request.response_format is not None and (sentence := schema_sentence(request.response_format)):
        system.append(sentence)
    messages = [Message("system", "\n\n".join(system))] if system else []
    for turn in request.turns:
        for block in turn.blocks:
            if isinstance(block, neutral.ToolCall | neutral.ToolResult):
                raise Unsupported("tools", name)
            if not isinstance(block, neutral.Text | neutral.Thinking):
                raise Unsupported(type(block).__name__.lower(), name)
        text = neutral.text_of(turn.blocks)
        if messages and messages[-1].role == turn.role:
            messages[-1] = Message(turn.role, f"{messages[-1].text}\n\n{text}")
        else:
            messages.append(Message(turn.role, text))
    return messages


class OwnFormat(BaseProvider):
    """Always translated: `write` makes the body, `wire` reads the answer."""

    native: frozenset[str] = frozenset()
    fetches = False  # pictures by URL must be fetched first
    streams = True  # False: the answer is always plain
    tools = False

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return Suffix(call.upstream_model)

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        client = get_dialect(call.client_dialect)
        request = client.read_request(call.body, path_model=call.upstream_model, stream=call.stream)
        target = self.target(call, channel)
        request = with_system_prompt(request, target.system_prompt)
        refuse_needed(request, self.label)
        refuse_modalities(request, _TEXT_ONLY, self.label)
        if not self.tools and any(isinstance(tool, neutral.Function) for tool in request.tools):
            raise Unsupported("tools", self.label)
        wanted = [url for url in urls_of(request, images=self.fetches) if url not in (files or {})]
        if wanted:
            return NeedsFiles(tuple(wanted))
        dropped: list[str] = []
        note_dropped(request, dropped)
        draft = self.write(put_files(request, files or {}), target, call, channel)
        draft.model, draft.dropped = target.model, tuple(dict.fromkeys(dropped))
        draft.stream = draft.stream or (call.stream and self.streams)
        return draft

    def write(self, request: neutral.Request, target: Target, call: Call, channel: ChannelView) -> Draft:
        raise NotImplementedError


class SSEReader:
    """Base of event readers: frames in, `read` is the provider's own."""

    def __init__(self) -> None:
        self.finished = False
        self._frames = FrameReader()

    def feed(self, data: bytes) -> list[neutral.Event]:
        return [event for payload in self._frames.feed(data) for event in self.read(payload)]

    def close(self) -> list[neutral.Event]:
        return [event for payload in self._frames.close() for event in self.read(payload)]

    def read(self, payload: bytes) -> list[neutral.Event]:
        raise NotImplementedError


class NamedFrames:
    """Server-sent events whose names matter, as (name, data)."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Raises ValueError for an event beyond EVENT_BYTES_MAX."""
        held = self._pending + data
        tail = b"\r" if held.endswith(b"\r") else b""  # perhaps half of a CRLF
        held = held[: len(held) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *frames, rest = held.split(b"\n\n")
        self._pending = rest + tail
        if len(self._pending) > EVENT_BYTES_MAX:
            raise ValueError(f"an event of {len(self._pending)} bytes")
        return [_named(frame) for frame in frames if frame.strip()]

    def close(self) -> list[tuple[str, bytes]]:
        frame, self._pending = self._pending.strip(), b""
        return [_named(frame)] if frame else []


def _named(frame: bytes) -> tuple[str, bytes]:
    name, lines = "", []
    for line in frame.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            lines.append(value)
    return name, b"\n".join(lines)


class NamedReader:
    """Base of event readers that need the events' names."""

    def __init__(self) -> None:
        self.finished = False
        self._frames = NamedFrames()

    def feed(self, data: bytes) -> list[neutral.Event]:
        return [event for name, payload in self._frames.feed(data) for event in self.read_named(name, payload)]

    def close(self) -> list[neutral.Event]:
        return [event for name, payload in self._frames.close() for event in self.read_named(name, payload)]

    def read(self, payload: bytes) -> list[neutral.Event]:
        return self.read_named("", payload)

    def read_named(self, name: str, payload: bytes) -> list[neutral.Event]:
        raise NotImplementedError


class Format:
    """A wire format from its two halves."""

    def __init__(self, read_answer: Callable[[bytes], neutral.Answer], reader: Callable[[], EventReader]) -> None:
        self._read_answer, self._reader = read_answer, reader

    def read_answer(self, body: bytes) -> neutral.Answer:
        return self._read_answer(body)

    def event_reader(self) -> EventReader:
        return self._reader()

    def meter(self) -> Meter:
        return NoMeter()


def given(**members: Any) -> dict[str, Any]:
    """Members that have a value."""
    return {name: value for name, value in members.items() if value not in (None, "", ())}


def text_answer(text: str, **members: Any) -> neutral.Answer:
    finish = members.pop("finish", "stop")
    blocks = (neutral.Text(text),) if text else ()
    return neutral.Answer(choices=(neutral.Choice(blocks, finish),), **members)
