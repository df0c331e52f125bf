"""The WebSocket handshake towards a provider: address and headers. The key goes into a header, never into a URL.

Sources: OpenAI "Realtime API with WebSockets"; Azure OpenAI "Realtime audio reference" (preview and GA addresses).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct

from schema.dialects.providers.azure import AzureProvider
from schema.dialects.providers.base import ChannelView, Headers, KeyFormatError, Provider
from schema.dialects.providers.urls import join

FORWARDED = ("intent", "session_id", "call_id")  # query parameters of the client that go on
PATH = "/v1/realtime"


class Handshake(Struct, frozen=True):
    url: str
    headers: Headers


def write_handshake(
    provider: Provider,
    channel: ChannelView,
    *,
    model: str,
    query: Mapping[str, str],
    beta: str,
    azure_version: str,
) -> Handshake:
    """
    Args:
        model: the upstream's name, after the channel's mapping.
        query: the client's own parameters.
        beta: the client's `OpenAI-Beta`; '' = none, as the GA interface wants it.
        azure_version: AZURE_DEFAULT_API_VERSION.
    Raises KeyFormatError when the channel lacks an address.
    """
    kept = {name: query[name] for name in FORWARDED if query.get(name)}
    base = channel.base_url or getattr(provider, "base_url", "")
    if not base:
        raise KeyFormatError("the channel needs an address")
    if isinstance(provider, AzureProvider):
        return Handshake(*_azure(channel, base.rstrip("/"), model, kept, query.get("api-version", ""), azure_version))
    headers: Headers = (("Authorization", f"Bearer {channel.key.strip()}"),)
    if beta:
        headers += (("OpenAI-Beta", beta),)
    if channel.organization:
        headers += (("OpenAI-Organization", channel.organization),)
    return Handshake(f"{_websocket(join(base, PATH))}?{urlencode({'model': model, **kept})}", headers)


def _azure(
    channel: ChannelView, base: str, model: str, kept: Mapping[str, str], asked: str, default: str
) -> tuple[str, Headers]:
    headers: Headers = (("api-key", channel.key.strip()),)
    if channel.setting.get("azure_realtime_ga") and channel.other in ("", "v1"):
        return f"{_websocket(base)}/openai/v1/realtime?{urlencode({'model': model, **kept})}", headers
    deployment = model if channel.setting.get("azure_keep_dots") else model.replace(".", "")
    named = {"deployment": deployment, "api-version": asked or channel.other or default}
    return f"{_websocket(base)}/openai/realtime?{urlencode({**named, **kept})}", headers


def _websocket(url: str) -> str:
    return "ws" + url[4:] if url.startswith("http") else url
