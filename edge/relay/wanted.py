"""What routing and billing read of a request; everything else passes by untouched."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from edge.relay.refusal import Refused
from edge.relay.routes import Place
from schema.dialects import audio, images, moderation, rerank
from schema.dialects.errors import DialectError

MAX_TOKENS_MAX = 1_073_741_823  # a greater limit is a mistake
TALKS = frozenset({"chat", "completion", "responses"})  # modes with an answer of tokens
_FORMS = frozenset({"transcription", "translation", "image_edit", "image_variation"})
_FACTUAL = frozenset({"image", "speech", "rerank", "moderation"})  # whose price or form depends on more
_DEFAULT_MODELS = {"moderation": "text-moderation-stable", "image": "dall-e", "speech": "tts-1"}


class Pictures(Struct, frozen=True):
    """What a call for pictures is priced by."""

    count: int
    size: str
    quality: str


class Wanted(Struct, frozen=True):
    """`max_tokens` 0 = no limit given. `exact_tokens`: prompt tokens that the request itself tells (speech, recordings)."""

    model: str
    stream: bool = False
    max_tokens: int = 0
    include_usage: bool = False  # the client wants to see usage in the stream
    pictures: Pictures | None = None
    exact_tokens: int | None = None
    characters: str = ""  # text of a speech whose model counts tokens
    group: str = ""  # playground only
    conversation: str = ""  # calls with the same name profit from the same prompt cache; '' = not told
    bare: bool = False  # it has nothing that is edited on the way: see `leaves_as_it_came`


class _Json(Struct, frozen=True):
    model: str = ""
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    stream_options: dict[str, Any] | UnsetType | None = UNSET
    group: str | UnsetType | None = UNSET
    prompt_cache_key: Any = None
    user: Any = None
    metadata: Any = None


class _Limits(Struct, frozen=True, rename="camel"):
    max_output_tokens: int | None = None


class _Gemini(Struct, frozen=True, rename="camel"):
    generation_config: _Limits | None = None


_read_json = msgspec.json.Decoder(_Json).decode
_read_gemini = msgspec.json.Decoder(_Gemini).decode


def read_wanted(place: Place, body: bytes, headers: Mapping[bytes, bytes]) -> Wanted:
    """Raises Refused (400), DialectError."""
    if place.mode in _FORMS:
        return _read_form(place, body, headers.get(b"content-type", b"").decode("latin-1"))
    try:
        held = _read_json(body)
        wanted = Wanted(
            place.path_model or held.model or _DEFAULT_MODELS.get(place.mode, ""),
            bool(held.stream) if place.stream is None else place.stream,
            _limit(held) if held.max_tokens or held.max_completion_tokens or held.max_output_tokens else 0,
            bool(held.stream_options and held.stream_options.get("include_usage")),
            None,
            None,
            "",
            held.group or "",
            _conversation(held) if held.prompt_cache_key or held.user or held.metadata else "",
            held.group is UNSET and (_asks_usage(held) if held.stream else held.stream_options is UNSET),
        )  # by position: each name would cost 0.1 us
        if place.dialect == "gemini":
            config = _read_gemini(body).generation_config
            wanted = replace(wanted, max_tokens=config.max_output_tokens or 0 if config else 0)
    except msgspec.ValidationError as error:
        raise Refused(400, "invalid_request", f"The request body does not fit: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused(400, "invalid_request", "The request body is not valid JSON.") from None
    if not wanted.model:
        raise Refused(400, "invalid_request", "model is required")
    return _with_facts(place, body, wanted) if place.mode in _FACTUAL else wanted


def _asks_usage(held: _Json) -> bool:
    """In the very words in which a provider is asked for it."""
    return isinstance(held.stream_options, dict) and held.stream_options.get("include_usage") is True


def without_group(body: bytes) -> bytes:
    """A playground's request as a provider knows it."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members.pop("group", None)
    return msgspec.json.encode(members)


def _conversation(held: _Json) -> str:
    """As OpenAI's clients name it (`prompt_cache_key`, formerly `user`), or Claude's (`metadata.user_id`)."""
    told = held.prompt_cache_key or held.user
    if not told and isinstance(held.metadata, dict):
        told = held.metadata.get("user_id")
    return told if isinstance(told, str) else ""


def _limit(held: _Json) -> int:
    limits = (held.max_tokens or 0, held.max_completion_tokens or 0, held.max_output_tokens or 0)
    limit = max(limits)
    if limit > MAX_TOKENS_MAX or min(limits) < 0:
        raise Refused(400, "invalid_text_request", "max_tokens is invalid")
    return limit


def _with_facts(place: Place, body: bytes, wanted: Wanted) -> Wanted:
    match place.mode:
        case "image":
            asked = images.read_request(body, path_model=wanted.model)
            return replace(wanted, pictures=Pictures(asked.n, asked.size, asked.quality))
        case "speech":
            text = audio.read_speech_request(body).input
            if wanted.model.startswith("tts"):
                return replace(wanted, exact_tokens=len(text))
            return replace(wanted, characters=text)
        case "rerank":
            asked_rank = rerank.read_request(body, path_model=wanted.model)
            text = asked_rank.query + "".join(rerank.text_of(document) for document in asked_rank.documents)
            return replace(wanted, characters=text)
        case "moderation":
            moderation.read_request(body)
    return wanted


def _read_form(place: Place, body: bytes, content_type: str) -> Wanted:
    if not content_type.startswith("multipart/form-data"):
        raise Refused(400, "invalid_request", "The request must be multipart/form-data.")
    if place.mode in ("transcription", "translation"):
        try:
            asked = audio.read_transcription_request(body, content_type)
        except DialectError as error:
            if error.code != "model_required":
                raise
            raise Refused(400, "invalid_audio_request", "model is required") from None
        duration = audio.read_duration(memoryview(body)[asked.file.start : asked.file.end])
        return Wanted(asked.model, asked.stream, exact_tokens=duration.prompt_tokens)
    picture, _ = images.read_form_request(body, content_type)
    return Wanted(picture.model, pictures=Pictures(picture.n, picture.size, picture.quality))
