"""OpenAI and the many that speak like it: one class, and a table of how each differs.

Sources: each provider's API reference; billing rules do not depend on any of this.
"""

from msgspec import Struct

from schema.dialects.base import OpenAIOptions
from schema.dialects.body import edit_members, read_object
from schema.dialects.providers.base import Call, ChannelView, Headers
from schema.dialects.providers.template import ALL, TEXT, BaseProvider, Draft
from schema.dialects.providers.urls import MODE_OF_PATH, append, join

CHAT_EMBED = TEXT | {"embedding"}


class Quirks(Struct, frozen=True):
    """How a server differs from OpenAI's. `paths` are the provider's own, by mode; others follow OpenAI's."""

    label: str
    base_url: str = ""
    modes: frozenset[str] = ALL
    paths: dict[str, str] = {}
    stream_options: bool = True  # takes stream_options.include_usage
    completions: bool = True  # has a /v1/completions of its own
    responses: bool = False  # has a /v1/responses of its own
    removed: frozenset[str] = frozenset()  # members that the server is known to refuse
    options: OpenAIOptions = OpenAIOptions()


class OpenAILike(BaseProvider):
    """Bytes pass through; the model's name, stream options and known refusals are edited in place."""

    def __init__(self, name: str, quirks: Quirks) -> None:
        self.name, self.label, self.base_url = name, quirks.label, quirks.base_url
        self.modes = quirks.modes | {"realtime"} if "chat" in quirks.modes else quirks.modes
        self.native_completions = quirks.completions and "completion" in quirks.modes
        self.native_responses = quirks.responses
        self.quirks = quirks

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = channel.base_url or self.base_url
        own = self.quirks.paths.get(MODE_OF_PATH[draft.path]) if self.quirks.paths else None
        return append(base, own) if own else join(base, draft.path)

    def takes_stream_options(self, channel: ChannelView) -> bool:
        return self.quirks.stream_options

    def openai_options(self, call: Call, channel: ChannelView) -> OpenAIOptions:
        return self.quirks.options

    @property
    def changes_chat(self) -> bool:
        """Whether `change_chat` may do anything."""
        return bool(self.quirks.removed) or type(self).change_chat is not OpenAILike.change_chat

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        if not self.quirks.removed:
            return body
        members = read_object(body)
        return edit_members(body, {name: None for name in self.quirks.removed if name in members})

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        beta = call.client_headers.get("openai-beta")
        return (("OpenAI-Beta", beta),) if beta else ()


class OpenAIProvider(OpenAILike):
    """OpenAI itself, and servers that claim to be it."""

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        organization: Headers = (("OpenAI-Organization", channel.organization),) if channel.organization else ()
        return (*super().extra_headers(draft, call, channel), *organization)


class CustomProvider(OpenAILike):
    """The channel's address is the whole URL: `{model}` and `{path}` are filled in. An address without a path is a base."""

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = channel.base_url
        if "{model}" in base or "{path}" in base:
            return base.replace("{model}", draft.model).replace("{path}", draft.path)
        _, _, rest = base.partition("://")
        return base if "/" in rest.rstrip("/") else join(base, draft.path)


class OpenRouterProvider(OpenAILike):
    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        held = call.settings
        shown = (("HTTP-Referer", held.server_address), ("X-Title", held.system_name))
        return (*super().extra_headers(draft, call, channel), *((name, text) for name, text in shown if text))


_COMPATIBLE = OpenAIOptions(
    developer_role=False, reasoning_effort=True, top_k=True, reasoning_prefixes=("o1", "o3", "o4", "gpt-5")
)
_REASONING_KEPT = OpenAIOptions(keep_reasoning=True, developer_role=False, top_k=True)

FAMILY: dict[str, Quirks] = {
    "closeai": Quirks("CloseAI", "https://api.closeai-proxy.xyz"),
    "openai-sb": Quirks("OpenAI-SB", "https://api.openai-sb.com"),
    "api2d": Quirks("API2D", "https://oa.api2d.net", stream_options=False),
    "openaimax": Quirks("OpenAIMax", "https://api.openaimax.com"),
    "ohmygpt": Quirks("OhMyGPT", "https://api.ohmygpt.com"),
    "ails": Quirks("AILS", "https://api.caipacity.com", stream_options=False),
    "aiproxy": Quirks("AIProxy", "https://api.aiproxy.io"),
    "api2gpt": Quirks("API2GPT", "https://api.api2gpt.com", stream_options=False),
    "aigc2d": Quirks("AIGC2D", "https://api.aigc2d.com", stream_options=False),
    "fastgpt": Quirks("FastGPT", "https://fastgpt.run/api/openapi", stream_options=False),
    "ai360": Quirks("360", "https://api.360.cn", stream_options=False),
    "lingyiwanwu": Quirks("01.AI", "https://api.lingyiwanwu.com"),
    "xinference": Quirks("Xinference", options=_COMPATIBLE),
    "baichuan": Quirks("Baichuan", "https://api.baichuan-ai.com", options=_COMPATIBLE),
    "groq": Quirks("Groq", "https://api.groq.com/openai", completions=False, responses=True),
    "stepfun": Quirks("StepFun", "https://api.stepfun.com", options=_COMPATIBLE),
    "together": Quirks("Together AI", "https://api.together.xyz", options=_COMPATIBLE),
    "novita": Quirks(
        "Novita",
        "https://api.novita.ai/v3/openai",
        paths={"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"},
        options=_COMPATIBLE,
    ),
    "xunfei-v2": Quirks(
        "Xunfei", "https://spark-api-open.xf-yun.com", modes=TEXT, completions=False, options=_COMPATIBLE
    ),
    "proxy": Quirks("the proxied service", options=_COMPATIBLE),
    "openai-compatible": Quirks("the provider", options=_COMPATIBLE),
    "gemini-openai": Quirks(
        "Gemini (OpenAI-compatible)",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        modes=CHAT_EMBED | {"image"},
        completions=False,
        options=OpenAIOptions(developer_role=False),
    ),
    "jina": Quirks("Jina", "https://api.jina.ai", modes=frozenset({"embedding", "rerank"})),
    "moonshot": Quirks("Moonshot", "https://api.moonshot.cn", options=_REASONING_KEPT),
}
