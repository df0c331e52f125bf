"""A channel's own system prompt: put into a request in place of the client's, in every dialect."""

from typing import Any

import msgspec

from schema.dialects.body import encode
from schema.dialects.neutral import Request, Text

_decode_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_SYSTEM_ROLES = (b'"system"', b'"developer"')


def with_system_prompt(request: Request, prompt: str) -> Request:
    """The request with its first system text replaced, or one put in front. '' changes nothing."""
    if not prompt:
        return request
    return msgspec.structs.replace(request, system=(Text(prompt), *request.system[1:]))


def set_system_prompt(dialect: str, members: dict[str, Any], prompt: str) -> None:
    """The same in a body that stays in its dialect. `members` hold raw JSON; only one of them is touched."""
    match dialect:
        case "claude":
            members["system"] = prompt
        case "gemini":
            members.pop("system_instruction", None)
            members["systemInstruction"] = {"parts": [{"text": prompt}]}
        case "responses":
            members["instructions"] = prompt
        case _:
            messages: list[dict[str, Any]] = [
                dict(message) for message in _decode_messages(members.get("messages", b"[]"))
            ]
            if messages and bytes(messages[0].get("role", b"")) in _SYSTEM_ROLES:
                messages[0]["content"] = prompt
            else:
                messages.insert(0, {"role": "system", "content": prompt})
            members["messages"] = msgspec.Raw(encode(messages))
