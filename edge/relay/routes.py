"""Which call a path means: mode, the client's dialect, and what a URL may already say about model and streaming."""

import re
from urllib.parse import unquote

from msgspec import Struct


class Place(Struct, frozen=True):
    """One kind of call."""

    mode: str
    dialect: str
    path_model: str = ""  # '' = the body names it
    stream: bool | None = None  # None = the body tells
    json_array: bool = False  # Gemini without alt=sse
    session: bool = False  # signed in as on the console, not with a key
    free: bool = False  # answered here, never billed: counting tokens


_FIXED = {
    "/v1/chat/completions": Place("chat", "openai"),
    "/pg/chat/completions": Place("chat", "openai", session=True),
    "/v1/completions": Place("completion", "completions"),
    "/v1/responses": Place("responses", "responses"),
    "/v1/messages": Place("chat", "claude"),
    "/v1/messages/count_tokens": Place("chat", "claude", free=True),
    "/v1/embeddings": Place("embedding", "openai"),
    "/v1/moderations": Place("moderation", "openai"),
    "/v1/rerank": Place("rerank", "openai"),
    "/rerank": Place("rerank", "openai"),
    "/v2/rerank": Place("rerank", "cohere"),
    "/v2/chat": Place("chat", "cohere"),
    "/v1/images/generations": Place("image", "openai"),
    "/v1/images/edits": Place("image_edit", "openai"),
    "/v1/images/variations": Place("image_variation", "openai"),
    "/v1/audio/speech": Place("speech", "openai"),
    "/v1/audio/transcriptions": Place("transcription", "openai"),
    "/v1/audio/translations": Place("translation", "openai"),
}
UNSERVED = "unserved"  # mode of routes that no gateway can share between accounts
_GEMINI = re.compile(r"/v1(?:beta|alpha|beta1)?/models/([^/:]+):([A-Za-z]+)")
_ENGINE = re.compile(r"/v1/engines/([^/]+)/embeddings")
_NOT_SERVED = (
    "/v1/edits", "/v1/files", "/v1/fine-tunes", "/v1/fine_tuning", "/v1/assistants", "/v1/threads", "/v1/batches",
    "/v1/vector_stores", "/v1/uploads", "/v1/realtime/",
)  # fmt: skip


def find_place(path: str, query: str = "") -> Place | None:
    """None: not a relay route."""
    place = _FIXED.get(path)
    if place is not None:
        return place
    if path.endswith("/") and len(path) > 1:
        return _FIXED.get(path.rstrip("/"))
    found = _GEMINI.fullmatch(path)
    if found is not None:
        return _gemini(unquote(found[1]), found[2], query)
    found = _ENGINE.fullmatch(path)
    if found is not None:
        return Place("embedding", "openai", path_model=unquote(found[1]))
    return None


def _gemini(model: str, action: str, query: str) -> Place | None:
    match action:
        case "generateContent":
            return Place("chat", "gemini", model, stream=False)
        case "streamGenerateContent":
            return Place("chat", "gemini", model, stream=True, json_array="alt=sse" not in query)
        case "countTokens":
            return Place("chat", "gemini", model, free=True)
        case "embedContent" | "batchEmbedContents":
            return Place("embedding", "gemini", model, stream=False)
    return None


def find_unserved(path: str) -> Place | None:
    """Routes of a provider that no gateway can share between accounts: 501 once the key is known."""
    return Place(UNSERVED, "openai") if path.startswith(_NOT_SERVED) else None
