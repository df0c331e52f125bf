"""Providers that need no more than a line or two: embedding and rerank services, and what is retired."""

from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import BaseProvider


class MokaProvider(OpenAILike):
    """MokaAI's m3e embeddings, at the address without a version. Source: platform.moka.ai."""

    def __init__(self) -> None:
        modes = frozenset({"embedding"})
        super().__init__(
            "mokaai", Quirks("MokaAI", "https://api.moka.ai", modes=modes, paths={"embedding": "/embeddings"})
        )


class PaLMProvider(BaseProvider):
    """Google switched PaLM off in 2024; channels may be stored and are never selected."""

    name = "palm"
    label = "PaLM"
    base_url = "https://generativelanguage.googleapis.com"
    retired = True
