"""xAI: effort by suffix on grok-3-mini, pictures without size.

Source: docs.x.ai, REST API reference (chat completions, image generations), reasoning.
"""

from schema.dialects import images
from schema.dialects.base import OpenAIOptions
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import TEXT, Draft
from schema.dialects.providers.urls import PATHS
from schema.dialects.suffixes import Suffix, xai_suffix


class XAIProvider(OpenAILike):
    def __init__(self) -> None:
        options = OpenAIOptions(developer_role=False)
        quirks = Quirks("xAI", "https://api.x.ai", modes=TEXT | {"image"}, completions=False, options=options)
        super().__init__("xai", quirks)

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return xai_suffix(call.upstream_model, literal=channel.literal)

    def image(self, call: Call, channel: ChannelView) -> Draft:
        request = images.read_request(call.body)
        body = images.write_xai_request(request, call.upstream_model)
        return Draft(body, path=PATHS["image"], passthrough=True, model=call.upstream_model)
