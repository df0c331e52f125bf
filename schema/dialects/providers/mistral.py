"""Mistral: refuses some of OpenAI's members, and tool ids that are not nine letters or digits.

Source: docs.mistral.ai, API reference (chat completion, embeddings), function calling.
"""

import re
from typing import Any

import msgspec

from schema.dialects.base import OpenAIOptions
from schema.dialects.body import encode
from schema.dialects.ids import derived_id
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks

_ID = re.compile(r"[A-Za-z0-9]{9}").fullmatch
_REFUSED = ("stream_options", "logit_bias", "user", "logprobs", "top_logprobs")


class MistralProvider(OpenAILike):
    def __init__(self) -> None:
        options = OpenAIOptions(reasoning_prefixes=(), developer_role=False, max_tokens_name="max_tokens")
        quirks = Quirks(
            "Mistral",
            "https://api.mistral.ai",
            modes=CHAT_EMBED | {"moderation", "transcription"},
            stream_options=False,
            completions=False,
            options=options,
        )
        super().__init__("mistral", quirks)

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        before = dict(members)
        for name in _REFUSED:
            members.pop(name, None)
        limit = members.pop("max_completion_tokens", None)
        if limit is not None:
            members.setdefault("max_tokens", limit)
        if "seed" in members:
            members["random_seed"] = members.pop("seed")
        if b"tool_call" in bytes(members.get("messages", b"")):
            members["messages"] = _short_ids(msgspec.json.decode(members["messages"]))
        return body if members == before else encode(members)


def _short_ids(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for message in messages:
        if isinstance(message.get("tool_call_id"), str):
            message["tool_call_id"] = short_id(message["tool_call_id"])
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict) and isinstance(call.get("id"), str):
                call["id"] = short_id(call["id"])
    return messages


def short_id(id: str) -> str:
    """The same id always becomes the same nine characters."""
    return id if _ID(id) else derived_id("", id, "mistral")[:9]
