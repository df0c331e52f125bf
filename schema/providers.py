"""Channel types: the numbers of both predecessors, our symbolic names, and default base URLs. Routing goes by the name."""

from msgspec import Struct


class Provider(Struct, frozen=True):
    """One kind of upstream. Numbers are None where that predecessor has no such type."""

    name: str
    label: str
    base_url: str
    number: int | None  # of new-api; what the management API shows (>= 1000: known to One API alone)
    one_api_number: int | None


_OPENAI_SB = "https://api.openai-sb.com"
_ROWS: tuple[tuple[str, str, str, int | None, int | None], ...] = (
    ("unknown", "Unknown", "", 0, 0),
    ("openai", "OpenAI", "https://api.openai.com", 1, 1),
    ("midjourney", "Midjourney Proxy", "", 2, None),
    ("azure", "Azure OpenAI", "", 3, 3),
    ("ollama", "Ollama", "http://localhost:11434", 4, 30),
    ("midjourney_plus", "Midjourney Proxy Plus", "", 5, None),
    ("openaimax", "OpenAIMax", "https://api.openaimax.com", 6, 6),
    ("ohmygpt", "OhMyGPT", "https://api.ohmygpt.com", 7, 7),
    ("custom", "Custom", "", 8, 8),
    ("ails", "AILS", "https://api.caipacity.com", 9, 9),
    ("aiproxy", "AIProxy", "https://api.aiproxy.io", 10, 10),
    ("palm", "PaLM", "https://generativelanguage.googleapis.com", 11, 11),
    ("api2gpt", "API2GPT", "https://api.api2gpt.com", 12, 12),
    ("aigc2d", "AIGC2D", "https://api.aigc2d.com", 13, 13),
    ("anthropic", "Anthropic Claude", "https://api.anthropic.com", 14, 14),
    ("baidu", "Baidu Wenxin", "https://aip.baidubce.com", 15, 15),
    ("zhipu", "Zhipu", "https://open.bigmodel.cn", 16, 16),
    ("ali", "Alibaba DashScope", "https://dashscope.aliyuncs.com", 17, 17),
    ("xunfei", "Xunfei Spark", "", 18, 18),
    ("360", "360", "https://api.360.cn", 19, 19),
    ("openrouter", "OpenRouter", "https://openrouter.ai/api", 20, 20),
    ("aiproxy_library", "AIProxy Library", "https://api.aiproxy.io", 21, 21),
    ("fastgpt", "FastGPT", "https://fastgpt.run/api/openapi", 22, 22),
    ("tencent", "Tencent Hunyuan", "https://hunyuan.tencentcloudapi.com", 23, 23),
    ("gemini", "Google Gemini", "https://generativelanguage.googleapis.com", 24, 24),
    ("moonshot", "Moonshot", "https://api.moonshot.cn", 25, 25),
    ("zhipu_v4", "Zhipu v4", "https://open.bigmodel.cn", 26, None),
    ("perplexity", "Perplexity", "https://api.perplexity.ai", 27, None),
    ("lingyiwanwu", "01.AI", "https://api.lingyiwanwu.com", 31, 31),
    ("aws", "AWS Bedrock", "", 33, 33),
    ("cohere", "Cohere", "https://api.cohere.ai", 34, 35),
    ("minimax", "MiniMax", "https://api.minimax.chat", 35, 27),
    ("suno", "Suno API", "", 36, None),
    ("dify", "Dify", "https://api.dify.ai", 37, None),
    ("jina", "Jina", "https://api.jina.ai", 38, None),
    ("cloudflare", "Cloudflare", "https://api.cloudflare.com", 39, 37),
    ("siliconflow", "SiliconFlow", "https://api.siliconflow.cn", 40, 44),
    ("vertex", "Vertex AI", "", 41, 42),
    ("mistral", "Mistral", "https://api.mistral.ai", 42, 28),
    ("deepseek", "DeepSeek", "https://api.deepseek.com", 43, 36),
    ("mokaai", "MokaAI", "https://api.moka.ai", 44, None),
    ("volcengine", "Volcano Engine", "https://ark.cn-beijing.volces.com", 45, 40),
    ("baidu_v2", "Baidu Qianfan v2", "https://qianfan.baidubce.com", 46, 47),
    ("xinference", "Xinference", "", 47, None),
    ("xai", "xAI", "https://api.x.ai", 48, 45),
    ("api2d", "API2D", "https://oa.api2d.net", 1002, 2),
    ("closeai", "CloseAI", "https://api.closeai-proxy.xyz", 1004, 4),
    ("openai_sb", "OpenAI-SB", _OPENAI_SB, 1005, 5),
    ("baichuan", "Baichuan", "https://api.baichuan-ai.com", 1026, 26),
    ("groq", "Groq", "https://api.groq.com/openai", 1029, 29),
    ("stepfun", "StepFun", "https://api.stepfun.com", 1032, 32),
    ("coze", "Coze", "https://api.coze.com", 1034, 34),
    ("deepl", "DeepL", "https://api-free.deepl.com", 1038, 38),
    ("together", "Together AI", "https://api.together.xyz", 1039, 39),
    ("novita", "Novita", "https://api.novita.ai/v3/openai", 1041, 41),
    ("proxy", "Proxy", "", 1043, 43),
    ("replicate", "Replicate", "https://api.replicate.com/v1/models/", 1046, 46),
    ("xunfei_v2", "Xunfei Spark v2", "https://spark-api-open.xf-yun.com", 1048, 48),
    ("ali_bailian", "Ali Bailian", "https://dashscope.aliyuncs.com", 1049, 49),
    ("openai_compatible", "OpenAI-compatible", "", 1050, 50),
    ("gemini_openai", "Gemini, OpenAI form", "https://generativelanguage.googleapis.com/v1beta/openai/", 1051, 51),
)
PROVIDERS: dict[str, Provider] = {row[0]: Provider(*row) for row in _ROWS}
_BY_NUMBER = {entry.number: entry.name for entry in PROVIDERS.values() if entry.number is not None}
_BY_ONE_API = {entry.one_api_number: entry.name for entry in PROVIDERS.values() if entry.one_api_number is not None}
ONE_API_COMPATIBLE = 50  # stored for providers that One API does not know


def provider_of(number: int, *, one_api: bool = False) -> str:
    """The name for a stored `channels.type`; a number nobody knows is spoken to as OpenAI-compatible."""
    return (_BY_ONE_API if one_api else _BY_NUMBER).get(number, "openai_compatible")


def stored_number(name: str, *, one_api: bool = False) -> int:
    """What to write into `channels.type`, in the numbering of the program that made the database."""
    entry = PROVIDERS.get(name, PROVIDERS["openai_compatible"])
    if one_api:
        return entry.one_api_number if entry.one_api_number is not None else ONE_API_COMPATIBLE
    return entry.number or 0


def shown_number(name: str) -> int:
    """The number in replies of the management API."""
    return PROVIDERS.get(name, PROVIDERS["openai_compatible"]).number or 0
