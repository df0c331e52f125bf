"""DeepSeek: completions under /beta, and a reasoner that takes no sampling and no thoughts of earlier turns.

Source: api-docs.deepseek.com: chat completion, completion (beta), reasoning model.
"""

from typing import Any

import msgspec

from schema.dialects.base import OpenAIOptions
from schema.dialects.body import encode
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import TEXT, Draft
from schema.dialects.providers.urls import PATHS

_REASONER_REFUSES = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")


class DeepSeekProvider(OpenAILike):
    def __init__(self) -> None:
        options = OpenAIOptions(reasoning_prefixes=(), developer_role=False, json_schema=False)
        super().__init__("deepseek", Quirks("DeepSeek", "https://api.deepseek.com", modes=TEXT, options=options))

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        if draft.path == PATHS["completion"]:
            return (channel.base_url or self.base_url).rstrip("/").removesuffix("/v1") + "/beta/completions"
        return super().address(draft, call, channel)

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        if not call.upstream_model.startswith("deepseek-reasoner"):
            return body
        members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        before = dict(members)
        for name in _REASONER_REFUSES:
            members.pop(name, None)
        if b'"reasoning_content"' in bytes(members.get("messages", b"")):
            messages: list[dict[str, Any]] = msgspec.json.decode(members["messages"], type=list[dict[str, msgspec.Raw]])
            members["messages"] = [
                {name: value for name, value in message.items() if name != "reasoning_content"} for message in messages
            ]
        return body if members == before else encode(members)
