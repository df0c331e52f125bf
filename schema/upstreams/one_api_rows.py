"""Channels of One API keep parts of their credentials in `config`; they are read from there and never written elsewhere."""

from collections.abc import Mapping
from typing import Any

# What stands in for an empty `other`, by provider. Source: One API's adaptors.
_OTHER = {
    "azure": "api_version", "gemini": "api_version", "xunfei": "api_version", "cloudflare": "user_id", "ali": "plugin",
    "aiproxy-library": "library_id", "aiproxy_library": "library_id", "coze": "user_id", "vertex": "region",
}  # fmt: skip


def read_credentials(provider: str, key: str, other: str, config: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """(key, other, members for `setting`) of a row with a `config`; what the row itself says wins."""

    def held(name: str) -> str:
        value = config.get(name)
        return value.strip() if isinstance(value, str) else ""

    if provider == "aws" and key.count("|") != 2 and held("ak"):
        key = "|".join((held("ak"), held("sk"), held("region")))
    if provider == "vertex" and held("vertex_ai_adc"):
        key = held("vertex_ai_adc")
    more = {"vertex_project_id": held("vertex_ai_project_id")} if provider == "vertex" else {}
    return key, other or held(_OTHER.get(provider, "")), {name: value for name, value in more.items() if value}
