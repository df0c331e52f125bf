"""A generateContent body that stays in its dialect. The model stands in the URL, so little must change."""

from typing import Any

import msgspec

from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import DialectError
from schema.dialects.gemini.request_writer import thinking_config
from schema.dialects.system_prompt import set_system_prompt

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_CONFIG_NAMES = ("generationConfig", "generation_config")


def edit_request(body: bytes, target: Target) -> bytes:
    """The thinking of a suffix, unless the client gave its own; the very same bytes otherwise.

    Raises DialectError for a body that is not a JSON object.
    """
    try:
        members: dict[str, Any] = dict(_decode(body))
        changed = members.pop("model", None) is not None  # stands in the URL; the mapped name may differ
        if target.system_prompt:
            set_system_prompt("gemini", members, target.system_prompt)
            changed = True
        if target.reasoning is not None:
            changed = _think(members, target) or changed
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None
    return encode(members) if changed else body


def _think(members: dict[str, Any], target: Target) -> bool:
    name = next((name for name in _CONFIG_NAMES if name in members), _CONFIG_NAMES[0])
    config = msgspec.json.decode(members[name]) if name in members else {}
    if not isinstance(config, dict) or "thinkingConfig" in config or "thinking_config" in config:
        return False
    limit = config.get("maxOutputTokens", config.get("max_output_tokens"))
    members[name] = config | {
        "thinkingConfig": thinking_config(target.reasoning, limit if isinstance(limit, int) else None, target)
    }
    return True
