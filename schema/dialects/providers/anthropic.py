"""Anthropic's own API.

Source: Anthropic API reference, Messages, versions and beta headers.
"""

from schema.dialects.providers.base import Call, ChannelView, Headers
from schema.dialects.providers.template import BaseProvider, Draft, by_name
from schema.dialects.providers.urls import join
from schema.dialects.suffixes import Suffix

VERSION = "2023-06-01"


class AnthropicProvider(BaseProvider):
    name = "anthropic"
    label = "Claude"
    base_url = "https://api.anthropic.com"
    wire = "claude"
    native = frozenset({"claude"})

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return by_name(call, channel)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        url = join(channel.base_url or self.base_url, "/v1/messages")
        return f"{url}?beta=true" if call.query.get("beta") == "true" else url

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return (("x-api-key", channel.key.strip()),)

    def extra_headers(self, draft: Draft, call: Call, channel: ChannelView) -> Headers:
        """Option claude.model_headers_settings replaces what would be sent under the same names."""
        headers = {"anthropic-version": [call.client_headers.get("anthropic-version") or VERSION]}
        beta = call.client_headers.get("anthropic-beta")
        if beta:
            headers["anthropic-beta"] = [beta]
        for name, values in call.settings.claude_headers.get(call.model, {}).items():
            headers[name.lower()] = list(values)
        return tuple((name, value) for name, values in headers.items() for value in values)
