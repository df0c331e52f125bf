"""Realtime events as both interface generations write them; only the members that routing and billing need are read.

Audio stays base64 and is never decoded: its length tells its duration. Source: OpenAI Realtime reference, client and server
events, beta and GA names.
"""

import msgspec
from msgspec import Raw, Struct

from schema.usage import TokenUsage

AUDIO_DELTAS = frozenset({"response.audio.delta", "response.output_audio.delta"})
TEXT_DELTAS = frozenset(
    {
        "response.audio_transcript.delta",
        "response.output_audio_transcript.delta",
        "response.text.delta",
        "response.output_text.delta",
        "response.function_call_arguments.delta",
    }
)
SPEAKS = frozenset(
    {"conversation.item.create", "response.create", "session.update"}
)  # client events with words in them
_G711 = {"audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw", "audio/pcm": "pcm16"}


class Event(Struct, frozen=True):
    """One event of either side. Raw members are decoded where they matter."""

    type: str
    event_id: Raw = Raw()
    audio: Raw = Raw()
    item: Raw = Raw()
    session: Raw = Raw()
    response: Raw = Raw()
    response_id: str = ""
    delta: Raw = Raw()
    usage: Raw = Raw()


class Part(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    transcript: str | None = None
    audio: Raw = Raw()


class Item(Struct, frozen=True):
    type: str = ""
    content: list[Part] | None = None
    output: str | None = None  # of a function_call_output


class _Format(Struct, frozen=True):
    type: str = ""


class _Transcription(Struct, frozen=True):
    model: str | None = None


class _Input(Struct, frozen=True):
    format: _Format | None = None
    transcription: _Transcription | None = None


class _Output(Struct, frozen=True):
    format: _Format | None = None


class _Audio(Struct, frozen=True):
    input: _Input | None = None
    output: _Output | None = None


class Session(Struct, frozen=True):
    """`session` of session.update, session.created and session.updated, and the words of response.create."""

    instructions: str | None = None
    tools: Raw = Raw()
    input_audio_format: str | None = None
    output_audio_format: str | None = None
    input_audio_transcription: _Transcription | None = None
    audio: _Audio | None = None

    @property
    def formats(self) -> tuple[str, str]:
        """Of audio in and out; '' = not told."""
        given = self.audio or _Audio()
        heard = given.input.format.type if given.input and given.input.format else ""
        spoken = given.output.format.type if given.output and given.output.format else ""
        return (
            _G711.get(heard, heard) or self.input_audio_format or "",
            _G711.get(spoken, spoken) or self.output_audio_format or "",
        )

    @property
    def transcription_model(self) -> str:
        """'' = not told."""
        given = self.audio.input.transcription if self.audio and self.audio.input else None
        given = given or self.input_audio_transcription
        return (given.model or "") if given else ""


class _Cached(Struct, frozen=True):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _InputDetails(Struct, frozen=True):
    cached_tokens: int | None = None
    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens_details: _Cached | None = None


class _OutputDetails(Struct, frozen=True):
    text_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _InputDetails | None = None
    output_token_details: _OutputDetails | None = None
    seconds: float | None = None  # of a transcription billed by time


class Response(Struct, frozen=True):
    id: str = ""
    status: str = ""
    usage: Usage | None = None


read_event = msgspec.json.Decoder(Event).decode
read_item = msgspec.json.Decoder(Item).decode
read_session = msgspec.json.Decoder(Session).decode
read_response = msgspec.json.Decoder(Response).decode
read_usage = msgspec.json.Decoder(Usage).decode
read_text = msgspec.json.Decoder(str).decode


def token_usage(usage: Usage) -> TokenUsage:
    """Reported counts as disjoint ones. What the details do not tell is text.

    Cached tokens are taken off their own kind; without `cached_tokens_details` off the text first. All cached tokens are
    priced as cached text: OpenAI's price of a cached audio token is that of a cached text token.
    """
    held = usage.input_token_details or _InputDetails()
    audio, image = held.audio_tokens or 0, held.image_tokens or 0
    text = held.text_tokens if held.text_tokens is not None else max(0, (usage.input_tokens or 0) - audio - image)
    text = max(text, (usage.input_tokens or 0) - audio - image)
    cached, kinds = held.cached_tokens or 0, held.cached_tokens_details or _Cached()
    told = (kinds.text_tokens or 0) + (kinds.audio_tokens or 0) + (kinds.image_tokens or 0)
    of_audio, of_image = min(audio, kinds.audio_tokens or 0), min(image, kinds.image_tokens or 0)
    of_text = min(text, (kinds.text_tokens or 0) + max(0, cached - told))
    of_audio = min(audio, of_audio + max(0, cached - of_text - of_audio - of_image))
    spoken = usage.output_token_details or _OutputDetails()
    out_audio = spoken.audio_tokens or 0
    out_text = spoken.text_tokens or 0
    return TokenUsage(
        input_text=text - of_text,
        input_cached=of_text + of_audio + of_image,
        input_audio=audio - of_audio,
        input_image=image - of_image,
        output_text=max(out_text, (usage.output_tokens or 0) - out_audio),
        output_audio=out_audio,
    )


def error_event(event_id: str, kind: str, code: str, message: str, client_event_id: bytes = b"") -> str:
    """An error of our own, as OpenAI shapes them. `client_event_id`: raw JSON of the event that caused it."""
    cause = msgspec.json.decode(client_event_id) if client_event_id else None
    body = {
        "type": "error",
        "event_id": f"evt_{event_id}",
        "error": {
            "type": kind,
            "code": code,
            "message": message,
            "param": None,
            "event_id": cause if isinstance(cause, str) else None,
        },
    }
    return msgspec.json.encode(body).decode()
