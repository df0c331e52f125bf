"""SiliconFlow: OpenAI's chat, pictures in its own shape.

Source: docs.siliconflow.cn, API reference: chat completions, images/generations, rerank, audio.
"""

from schema.dialects import images
from schema.dialects.base import OpenAIOptions
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import CHAT_EMBED, OpenAILike, Quirks
from schema.dialects.providers.template import Draft
from schema.dialects.providers.urls import PATHS


class SiliconFlowProvider(OpenAILike):
    def __init__(self) -> None:
        quirks = Quirks(
            "SiliconFlow",
            "https://api.siliconflow.cn",
            modes=CHAT_EMBED | {"rerank", "image", "speech", "transcription"},
            options=OpenAIOptions(reasoning_prefixes=(), developer_role=False, top_k=True),
        )
        super().__init__("siliconflow", quirks)

    def image(self, call: Call, channel: ChannelView) -> Draft:
        body = images.write_siliconflow_request(images.read_request(call.body), call.upstream_model)
        return Draft(body, path=PATHS["image"], model=call.upstream_model)
