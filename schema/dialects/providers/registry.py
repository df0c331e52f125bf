"""Names of providers to their implementation. A new provider is one file and one line here."""

from functools import cache

from schema.dialects.providers.base import Provider
from schema.dialects.providers.openai_like import (
    FAMILY,
    CustomProvider,
    OpenAILike,
    OpenAIProvider,
    OpenRouterProvider,
    Quirks,
)

FALLBACK = "openai-compatible"


@cache
def providers() -> dict[str, Provider]:
    """All of them, by name."""
    found: list[Provider] = [
        OpenAIProvider("openai", Quirks("OpenAI", "https://api.openai.com", responses=True)),
        CustomProvider("custom", Quirks("the custom provider")),
        OpenRouterProvider(
            "openrouter",
            Quirks("OpenRouter", "https://openrouter.ai/api"),
        ),
    ]
    found += [OpenAILike(name, quirks) for name, quirks in FAMILY.items()]
    return {provider.name: provider for provider in found}


ALIASES = {"claude": "anthropic", "bedrock": "aws", "vertexai": "vertex", "vertex-ai": "vertex", "doubao": "volcengine"}


@cache
def get_provider(name: str) -> Provider:
    """Names are lower case with hyphens (`_` is taken for one). What has no file of its own speaks like OpenAI."""
    plain = name.strip().lower().replace("_", "-")
    held = providers()
    return held.get(ALIASES.get(plain, plain)) or held[FALLBACK]
