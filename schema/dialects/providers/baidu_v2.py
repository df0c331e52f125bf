"""Baidu Qianfan v2: OpenAI-like under /v2; the key may carry an application id.

Source: cloud.baidu.com/doc/qianfan-api: v2 chat completions, embeddings, rerank, images.
"""

from schema.dialects.base import OpenAIOptions
from schema.dialects.providers.base import Call, ChannelView, Headers
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft
from schema.dialects.providers.urls import append


class BaiduV2Provider(OpenAILike):
    def __init__(self) -> None:
        quirks = Quirks(
            "Baidu",
            "https://qianfan.baidubce.com",
            modes=CHAT_EMBED,
            completions=False,
            options=OpenAIOptions(developer_role=False, reasoning_prefixes=()),
        )
        super().__init__("baidu-v2", quirks)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return append(channel.base_url or self.base_url, "/v2" + draft.path.removeprefix("/v1"))

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        key, _, app = channel.key.strip().partition("|")
        bearer: Headers = (("Authorization", f"Bearer {key}"),)
        return (*bearer, ("appid", app)) if app else bearer
