"""The models that a provider offers to a key: GET of its list, with the headers that this provider wants."""

import msgspec

from schema.dialects.neutral import UpstreamError
from schema.upstreams.account import Account
from schema.upstreams.exchange import Failed, open_client, request

TIMEOUT_S = 10.0
MODELS_MAX = 10_000
_NONE = frozenset({"midjourney", "midjourney_plus", "suno", "aws", "vertex"})  # no list over plain HTTP and a key


async def read_models(account: Account, *, private: bool) -> list[str]:
    """Ids in the provider's order. Raises Failed."""
    name = account.view.provider
    if name in _NONE:
        error = UpstreamError("This type of channel has no list of models.", "upstream_error", "not_offered")
        raise Failed(0, error, local=True)
    base = (account.view.base_url or account.provider.base_url).rstrip("/")
    if not base:
        error = UpstreamError("The channel has no address.", "upstream_error", "no_address")
        raise Failed(0, error, local=True)
    url, headers = where(name, base, account.view.key, account.view.other)
    async with open_client(account, private=private, timeout_s=TIMEOUT_S) as http:
        status, _, body, _, _ = await request(http, "GET", url, headers)
    if status != 200:
        raise Failed(status, account.provider.read_error(status, body, account.view))
    return read_ids(body)


def where(provider: str, base: str, key: str, other: str) -> tuple[str, list[tuple[str, str]]]:
    """Address and headers of the list."""
    bearer = [("Authorization", f"Bearer {key}")]
    match provider:
        case "gemini":
            return f"{base}/v1beta/openai/models", bearer
        case "anthropic":
            return f"{base}/v1/models?limit=1000", [("x-api-key", key), ("anthropic-version", "2023-06-01")]
        case "azure":
            return f"{base}/openai/models?api-version={other or '2024-10-21'}", [("api-key", key)]
        case "ollama":
            return f"{base}/api/tags", bearer if key else []
        case "cohere":
            return f"{base}/v1/models?page_size=1000", bearer
        case "zhipu_v4" | "zhipu":
            return f"{base}/api/paas/v4/models", bearer
        case "perplexity" | "github":
            return f"{base}/models", bearer
    return (f"{base}/models" if base.endswith(("/v1", "/v1beta/openai", "/v3")) else f"{base}/v1/models"), bearer


def read_ids(body: bytes) -> list[str]:
    """From OpenAI's `data[].id`, Ollama's and Cohere's `models[].name`, or a bare list. Raises Failed."""
    try:
        held = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Failed(200, UpstreamError("The answer is not JSON.", "upstream_error", "bad_response")) from None
    rows = (
        held
        if isinstance(held, list)
        else (held.get("data") or held.get("models") or [])
        if isinstance(held, dict)
        else []
    )
    found = [row.get("id") or row.get("name") or row.get("model") for row in rows if isinstance(row, dict)]
    ids = list(dict.fromkeys(name.removeprefix("models/") for name in found if isinstance(name, str) and name))
    if not ids:
        raise Failed(200, UpstreamError("The answer has no models.", "upstream_error", "bad_response"))
    return ids[:MODELS_MAX]
