"""Names of providers to their implementation. A new provider is one file and one line here."""

from functools import cache

from schema.dialects.base import OpenAIOptions
from schema.dialects.providers.aiproxy_library import LibraryProvider
from schema.dialects.providers.ali import AliProvider
from schema.dialects.providers.anthropic import AnthropicProvider
from schema.dialects.providers.aws import AWSProvider
from schema.dialects.providers.azure import AzureProvider
from schema.dialects.providers.baidu import BaiduProvider
from schema.dialects.providers.baidu_v2 import BaiduV2Provider
from schema.dialects.providers.base import Provider
from schema.dialects.providers.cloudflare import CloudflareProvider
from schema.dialects.providers.cohere import CohereProvider
from schema.dialects.providers.coze import CozeProvider
from schema.dialects.providers.deepl import DeepLProvider
from schema.dialects.providers.deepseek import DeepSeekProvider
from schema.dialects.providers.dify import DifyProvider
from schema.dialects.providers.gemini import GeminiProvider
from schema.dialects.providers.minimax import MiniMaxProvider
from schema.dialects.providers.mistral import MistralProvider
from schema.dialects.providers.ollama import OllamaProvider
from schema.dialects.providers.openai_like import (
    FAMILY,
    CustomProvider,
    OpenAILike,
    OpenAIProvider,
    OpenRouterProvider,
    Quirks,
)
from schema.dialects.providers.perplexity import PerplexityProvider
from schema.dialects.providers.replicate import ReplicateProvider
from schema.dialects.providers.siliconflow import SiliconFlowProvider
from schema.dialects.providers.small import MokaProvider, PaLMProvider
from schema.dialects.providers.template import ALL
from schema.dialects.providers.tencent import TencentProvider
from schema.dialects.providers.vertex import VertexProvider
from schema.dialects.providers.volcengine import VolcengineProvider
from schema.dialects.providers.xai import XAIProvider
from schema.dialects.providers.xunfei import XunfeiProvider
from schema.dialects.providers.zhipu import ZhipuProvider

FALLBACK = "openai-compatible"
VIDEO = frozenset({"video"})
TASK_FAMILY = {  # channels of tasks alone: see schema.tasks
    "midjourney": Quirks("Midjourney Proxy", modes=frozenset({"mj"})),
    "midjourney-plus": Quirks("Midjourney Proxy Plus", modes=frozenset({"mj"})),
    "suno": Quirks("Suno API", modes=frozenset({"suno"})),
}
_OPENROUTER = OpenAIOptions(openrouter=True, top_k=True, developer_role=False)


@cache
def providers() -> dict[str, Provider]:
    """All of them, by name."""
    found: list[Provider] = [
        OpenAIProvider("openai", Quirks("OpenAI", "https://api.openai.com", modes=ALL | VIDEO, responses=True)),
        CustomProvider("custom", Quirks("the custom provider", modes=ALL | VIDEO)),
        OpenRouterProvider("openrouter", Quirks("OpenRouter", "https://openrouter.ai/api", options=_OPENROUTER)),
        AzureProvider(),
        AnthropicProvider(),
        GeminiProvider(),
        VertexProvider(),
        AWSProvider(),
        CohereProvider(),
        MistralProvider(),
        DeepSeekProvider(),
        VolcengineProvider(),
        XAIProvider(),
        SiliconFlowProvider(),
        PerplexityProvider(),
        MiniMaxProvider(),
        ZhipuProvider("zhipu-v4"),
        ZhipuProvider("zhipu", prefixes=("glm-", "cogview", "embedding")),
        AliProvider(),
        AliProvider("ali-bailian"),
        BaiduV2Provider(),
        CloudflareProvider(),
        MokaProvider(),
        BaiduProvider(),
        CozeProvider(),
        DeepLProvider(),
        DifyProvider(),
        OllamaProvider(),
        ReplicateProvider(),
        TencentProvider(),
        XunfeiProvider(),
        LibraryProvider(),
        PaLMProvider(),
    ]
    found += [OpenAILike(name, quirks) for name, quirks in FAMILY.items()]
    found += [OpenAILike(name, quirks) for name, quirks in TASK_FAMILY.items()]
    return {provider.name: provider for provider in found}


ALIASES = {
    "360": "ai360",
    "claude": "anthropic",
    "bedrock": "aws",
    "vertexai": "vertex",
    "vertex-ai": "vertex",
    "doubao": "volcengine",
}


def canonical(name: str) -> str:
    """The registry's form of a name: lower case, hyphens, one word for each provider."""
    plain = name.strip().lower().replace("_", "-")
    return ALIASES.get(plain, plain)


@cache
def get_provider(name: str) -> Provider:
    """Names are lower case with hyphens (`_` is taken for one). What has no file of its own speaks like OpenAI."""
    held = providers()
    return held.get(canonical(name)) or held[FALLBACK]
