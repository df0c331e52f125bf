"""Azure OpenAI: deployments in the URL, the key in `api-key`.

Source: Azure OpenAI REST API reference (learn.microsoft.com/azure/ai-services/openai/reference), API version lifecycle (v1).
"""

from urllib.parse import quote

from schema.dialects.providers.base import Call, ChannelView, Headers, KeyFormatError
from schema.dialects.providers.openai_like import OpenAILike, Quirks
from schema.dialects.providers.template import Draft
from schema.dialects.providers.urls import PATHS

_CLOUDFLARE = "https://gateway.ai.cloudflare.com"


class AzureProvider(OpenAILike):
    def __init__(self) -> None:
        super().__init__("azure", Quirks("Azure", responses=True))

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = channel.base_url.rstrip("/")
        if not base:
            raise KeyFormatError("an Azure channel needs the resource's address")
        if draft.path == PATHS["responses"]:
            return f"{base}/openai/v1/responses?api-version=preview"
        version = call.query.get("api-version") or channel.other or call.settings.azure_api_version
        deployment = draft.model if channel.setting.get("azure_keep_dots") else draft.model.replace(".", "")
        task = draft.path.removeprefix("/v1/")
        if base.startswith(_CLOUDFLARE):  # the gateway's address already names resource and deployment's folder
            return f"{base}/{quote(deployment)}/{task}?api-version={quote(version)}"
        return f"{base}/openai/deployments/{quote(deployment)}/{task}?api-version={quote(version)}"

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return (("api-key", channel.key.strip()),)

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        organization: Headers = (("OpenAI-Organization", channel.organization),) if channel.organization else ()
        return (*super().extra_headers(draft, call, channel), *organization)
