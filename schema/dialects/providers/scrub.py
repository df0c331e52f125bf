"""An upstream's error text without what belongs to the operator: key material, addresses."""

import re
from urllib.parse import urlsplit

import msgspec

from schema.dialects.neutral import UpstreamError

_KEYS = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|pplx|r8|jina|hf|AIza|AKIA|ASIA|app|tgp_v1|ms)[-_]?[A-Za-z0-9_*.\-]{12,}|Bearer\s+\S+"
)
_SHORTEST = 6  # characters; shorter parts of a key (regions, app ids) are no secrets and would hit ordinary words


def scrub(text: str, *, key: str, base_url: str) -> str:
    """`text` without the key, its parts, things that look like keys, and the host of the channel's address."""
    for part in sorted({key, *re.split(r"[|\s]+", key)}, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, "***")
    text = _KEYS.sub("***", text)
    host = urlsplit(base_url).netloc
    if host:
        text = re.sub(r"(?:https?://|wss?://)?" + re.escape(host) + r"[^\s\"'<>]*", "[upstream]", text)
    return text


def scrub_error(error: UpstreamError, *, key: str, base_url: str) -> UpstreamError:
    message = scrub(error.message, key=key, base_url=base_url)
    return error if message == error.message else msgspec.structs.replace(error, message=message)
