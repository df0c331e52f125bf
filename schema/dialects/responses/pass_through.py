"""A Responses body that stays in its dialect: only what must change is changed."""

from typing import Any

import msgspec

from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import DialectError
from schema.dialects.openai.request_writer import effort_of
from schema.dialects.suffixes import is_reasoning_model
from schema.dialects.system_prompt import set_system_prompt

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.decode


def edit_request(body: bytes, target: Target) -> bytes:
    """Model name, and the effort of a suffix. Raises DialectError for a body that is not a JSON object."""
    try:
        members: dict[str, Any] = dict(_decode(body))
        before = dict(members)
        if "model" not in members or _decode_any(members["model"]) != target.model:
            members["model"] = target.model
        members.pop("group", None)  # the playground's own member
        if target.system_prompt:
            set_system_prompt("responses", members, target.system_prompt)
        if is_reasoning_model(target.model, target.openai.reasoning_prefixes):
            members.pop("temperature", None)
        effort = effort_of(target.reasoning) if target.reasoning is not None else ""
        if effort:
            held = _decode_any(members["reasoning"]) if "reasoning" in members else {}
            members["reasoning"] = (held if isinstance(held, dict) else {}) | {"effort": effort}
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None
    return body if members == before else encode(members)
