"""Addresses: base URL and path joined, without doubling versions."""

import re

_VERSIONED = re.compile(r"/v\d+[a-z0-9]*(?:/openai)?$")
_CLOUDFLARE = "https://gateway.ai.cloudflare.com"

PATHS = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "responses": "/v1/responses",
    "embedding": "/v1/embeddings",
    "moderation": "/v1/moderations",
    "rerank": "/v1/rerank",
    "image": "/v1/images/generations",
    "image_edit": "/v1/images/edits",
    "image_variation": "/v1/images/variations",
    "speech": "/v1/audio/speech",
    "transcription": "/v1/audio/transcriptions",
    "translation": "/v1/audio/translations",
}
MODE_OF_PATH = {path: mode for mode, path in PATHS.items()}


def join(base: str, path: str) -> str:
    """A base that ends in a version (`/v1`, `/v4`, `/api/v3`, `/v1beta/openai`) takes the path without its own version."""
    base = base.rstrip("/")
    if path.startswith("/v1/") and (_VERSIONED.search(base) or base.startswith(_CLOUDFLARE)):
        return base + path[3:]
    return base + path


def append(base: str, path: str) -> str:
    """A provider's own path; the part that both share (`…/api/v3` + `/api/v3/chat`) stands once."""
    base = base.rstrip("/")
    parts = path.split("/")
    for length in range(len(parts) - 1, 1, -1):
        shared = "/".join(parts[:length])
        if base.endswith(shared):
            return base + path[len(shared) :]
    return base + path
