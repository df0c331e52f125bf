"""Perplexity: chat without tools, at the address without a version.

Source: docs.perplexity.ai, API reference, chat completions.
"""

from schema.dialects.base import OpenAIOptions
from schema.dialects.body import edit_members, read_object
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import TEXT

_REFUSED = ("tools", "tool_choice", "parallel_tool_calls", "stream_options")


class PerplexityProvider(OpenAILike):
    def __init__(self) -> None:
        quirks = Quirks(
            "Perplexity",
            "https://api.perplexity.ai",
            modes=TEXT,
            paths={"chat": "/chat/completions"},
            completions=False,
            stream_options=False,
            options=OpenAIOptions(developer_role=False, reasoning_prefixes=(), top_k=True),
        )
        super().__init__("perplexity", quirks)

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        members = read_object(body)
        changes: dict[str, object] = {name: None for name in _REFUSED if name in members}
        top_p = members.get("top_p")
        if isinstance(top_p, int | float) and top_p >= 1:
            changes["top_p"] = 0.99
        return edit_members(body, changes)
