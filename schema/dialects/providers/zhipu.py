"""Zhipu (bigmodel.cn): v4 is OpenAI-like; v3 is retired and served by v4.

Source: docs.bigmodel.cn: chat completions, authentication (JWT or the raw key), CogView images, embeddings.
"""

from typing import Any

import msgspec

from schema.dialects import images
from schema.dialects.base import OpenAIOptions
from schema.dialects.body import encode
from schema.dialects.providers.base import Call, ChannelView, Headers
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft
from schema.dialects.providers.urls import PATHS, append
from schema.dialects.signing.jwt import SigningKeyError, zhipu_token

_DATA = b'"data:'


class ZhipuProvider(OpenAILike):
    """`name` is zhipu-v4, or zhipu: the same, for names that v4 knows."""

    def __init__(self, name: str, *, prefixes: tuple[str, ...] = ()) -> None:
        quirks = Quirks(
            "Zhipu",
            "https://open.bigmodel.cn",
            modes=CHAT_EMBED | {"image"},
            completions=False,
            options=OpenAIOptions(developer_role=False, reasoning_prefixes=()),
        )
        super().__init__(name, quirks)
        self._prefixes = prefixes

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        """chatglm_* died with v3."""
        return super().supports(mode, channel, model) and (not self._prefixes or model.startswith(self._prefixes))

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        return append(channel.base_url or self.base_url, "/api/paas/v4" + draft.path.removeprefix("/v1"))

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        """A token without Bearer from `id.secret`; any other key as it is."""
        try:
            return (("Authorization", zhipu_token(channel.key, call.now_s)),)
        except SigningKeyError:
            return super().credentials(call, channel, credential)

    def change_chat(self, body: bytes, call: Call, channel: ChannelView) -> bytes:
        members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        before = dict(members)
        top_p = _number(members.get("top_p"))
        if top_p is not None and top_p >= 1:
            members["top_p"] = 0.99
        stop = members.get("stop")
        if stop is not None and bytes(stop)[:1] == b'"':
            members["stop"] = [stop]
        if _DATA in bytes(members.get("messages", b"")):
            members["messages"] = _bare_pictures(msgspec.json.decode(members["messages"]))
        return body if members == before else encode(members)

    def image(self, call: Call, channel: ChannelView) -> Draft:
        body = images.write_zhipu_request(images.read_request(call.body), call.upstream_model)
        return Draft(body, path=PATHS["image"], passthrough=True, model=call.upstream_model)


def _number(raw: Any) -> float | None:
    value = msgspec.json.decode(raw) if raw is not None else None
    return value if isinstance(value, int | float) else None


def _bare_pictures(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pictures as bare base64: Zhipu's v4 takes no data URIs in older models."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            image = part.get("image_url") if isinstance(part, dict) else None
            if isinstance(image, dict) and str(image.get("url", "")).startswith("data:image/"):
                image["url"] = str(image["url"]).partition(",")[2]
    return messages
