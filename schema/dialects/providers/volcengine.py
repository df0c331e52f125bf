"""Volcano Engine Ark (Doubao): its own folder, and bots beside models.

Source: volcengine.com/docs/82379: ChatCompletions, bots, embeddings, image generation.
"""

from schema.dialects.base import OpenAIOptions
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft
from schema.dialects.providers.urls import PATHS, append


class VolcengineProvider(OpenAILike):
    def __init__(self) -> None:
        quirks = Quirks(
            "Volcano Engine",
            "https://ark.cn-beijing.volces.com",
            modes=CHAT_EMBED | {"image"},
            completions=False,
            options=OpenAIOptions(developer_role=False, keep_reasoning=True),
        )
        super().__init__("volcengine", quirks)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        task = draft.path.removeprefix("/v1")
        if draft.path == PATHS["chat"] and draft.model.startswith("bot"):
            task = "/bots" + task
        return append(channel.base_url or self.base_url, "/api/v3" + task)
