"""Prompt tokens counted here, for calls whose provider reports none, and for the free routes that only ask for a count."""

from collections.abc import Mapping

import msgspec

from edge.relay.routes import Place
from edge.relay.wanted import Wanted
from schema.config import Config
from schema.counting import (
    MESSAGE_TOKENS,
    REPLY_TOKENS,
    count_messages,
    count_text,
    picture_tokens,
    unmeasured_image_tokens,
)
from schema.dialects import embeddings, moderation, neutral
from schema.dialects.count_tokens import countable, read_count_request
from schema.dialects.errors import DialectError
from schema.dialects.registry import get_dialect

AUDIO_TOKENS = 100  # of a recording in a chat
DOCUMENT_TOKENS = 5000  # of a file in a chat


class _Chat(msgspec.Struct, frozen=True):
    messages: list[dict[str, object]] = []
    tools: list[dict[str, object]] = []


def count_prompt(place: Place, wanted: Wanted, body: bytes, *, media_tokens: int | None = None) -> int:
    """Never fails: a body that the provider took but we cannot read is counted as text.

    `media_tokens`: of each picture; None = measure those that the body holds.
    """
    if wanted.exact_tokens is not None:
        return wanted.exact_tokens
    if wanted.characters:
        return count_text(wanted.model, wanted.characters)
    try:
        return _count(place, wanted.model, body, media_tokens)
    except (DialectError, msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return count_text(wanted.model, body.decode("utf-8", "replace"))


def media_rule(config: Config, model: str, *, stream: bool) -> int | None:
    """What GET_MEDIA_TOKEN and GET_MEDIA_TOKEN_NOT_STREAM make of a picture; None: measure it."""
    if not stream and not config.get_media_token_not_stream:
        return 3 * 85
    return None if config.get_media_token else unmeasured_image_tokens(model)


def _count(place: Place, model: str, body: bytes, media_tokens: int | None) -> int:
    match place.mode:
        case "embedding":
            if place.dialect == "gemini":
                request = embeddings.read_gemini_request(body, path_model=model)
            else:
                request = embeddings.read_openai_request(body, path_model=model)
            if request.token_inputs:  # the client has counted
                return _count_ids(body)
            return sum(count_text(model, text) for text in request.inputs)
        case "moderation":
            return sum(count_text(model, text) for text in moderation.read_request(body).texts)
        case "image":
            return 0
    if place.dialect == "openai":
        chat = msgspec.json.decode(body, type=_Chat)
        tools = sum(count_text(model, msgspec.json.encode(tool).decode()) for tool in chat.tools)
        return count_messages(model, chat.messages, media_tokens=media_tokens) + tools
    return count_request(model, get_dialect(place.dialect).read_request(body, path_model=model), media_tokens)


class _Ids(msgspec.Struct, frozen=True):
    input: list[int | list[int]]


def _count_ids(body: bytes) -> int:
    ids = msgspec.json.decode(body, type=_Ids).input
    return sum(len(item) if isinstance(item, list) else 1 for item in ids)


def count_request(model: str, request: neutral.Request, media_tokens: int | None = None) -> int:
    """Tokens of a request in any dialect."""
    parts = countable(request)
    total = REPLY_TOKENS + sum(MESSAGE_TOKENS + count_text(model, role) for role in parts.roles)
    total += sum(count_text(model, text) for text in (*parts.texts, *parts.tools))
    total += sum(picture_tokens(model, image.data, image.detail, media_tokens) for image in parts.images)
    return total + parts.audios * AUDIO_TOKENS + len(parts.documents) * DOCUMENT_TOKENS


def answer_count(place: Place, model: str, body: bytes) -> bytes:
    """Claude's count_tokens and Gemini's countTokens, counted here. Raises DialectError."""
    request = read_count_request(place.dialect, body, path_model=place.path_model)
    tokens = count_request(model, request)
    answer: Mapping[str, int] = {"input_tokens": tokens} if place.dialect == "claude" else {"totalTokens": tokens}
    return msgspec.json.encode(answer)
