"""A Messages body that stays in its dialect: only what must change is changed."""

from typing import Any

import msgspec

from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.claude.request_writer import default_max_tokens, thinking_members, wants_adaptive
from schema.dialects.errors import DialectError
from schema.dialects.system_prompt import set_system_prompt

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode_any = msgspec.json.decode


def edit_request(body: bytes, target: Target) -> bytes:
    """Model name, default limit, the thinking of a suffix, and what Bedrock and Vertex want in the body.

    Raises DialectError for a body that is not a JSON object.
    """
    try:
        members: dict[str, Any] = dict(_decode(body))
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None
    before = dict(members)
    asked_for = _value(members, "model")
    if target.claude.anthropic_version:
        members.pop("model", None)
        members["anthropic_version"] = target.claude.anthropic_version
        if not target.claude.keep_stream:
            members.pop("stream", None)
    elif asked_for != target.model:
        members["model"] = target.model
    if not _value(members, "max_tokens"):
        names = (asked_for, target.model) if isinstance(asked_for, str) else (target.model,)
        members["max_tokens"] = default_max_tokens(target.claude.default_max_tokens, *names)
    members.pop("group", None)  # the playground's own member
    if target.system_prompt:
        set_system_prompt("claude", members, target.system_prompt)
    _drop_unproven_thinking(members)
    if target.reasoning is not None and target.reasoning.mode == "on" and "thinking" not in members:
        _think(members, target)
    return body if members == before else encode(members)


def _drop_unproven_thinking(members: dict[str, Any]) -> None:
    """Thoughts of another provider's model, which we once showed this client, have no signature: Claude refuses them.

    If the turn that the tools now answer loses its thoughts, Claude would refuse to think on: thinking is off then.
    """
    raw = bytes(members.get("messages", b""))
    if b'"signature":""' not in raw and b'"signature": ""' not in raw:
        return
    messages = _decode_messages(raw)
    unthought = False
    for message in messages:
        content = _decode_any(message["content"]) if "content" in message else None
        if not isinstance(content, list):
            continue
        kept = [block for block in content if not _is_unproven(block)]
        if len(kept) < len(content):
            message["content"] = msgspec.Raw(encode(kept or [{"type": "text", "text": "..."}]))
            unthought = not any(isinstance(block, dict) and block.get("type") == "thinking" for block in kept)
    members["messages"] = msgspec.Raw(encode(messages))
    last = _decode_any(messages[-1].get("content", b"null")) if messages else None
    answers = isinstance(last, list) and any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in last
    )
    if unthought and answers:
        members.pop("thinking", None)


def _is_unproven(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")


def _think(members: dict[str, Any], target: Target) -> None:
    """The suffix asks for thinking: what cannot go with it leaves."""
    assert target.reasoning is not None
    limit = _value(members, "max_tokens")
    members.update(thinking_members(target.reasoning, target, limit if isinstance(limit, int) else 0))
    if wants_adaptive(target.model):
        members.pop("temperature", None)
    else:
        members["temperature"] = 1.0
    members.pop("top_p", None)
    members.pop("top_k", None)
    choice = _value(members, "tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("any", "tool"):
        members["tool_choice"] = {name: value for name, value in choice.items() if name != "name"} | {"type": "auto"}


def _value(members: dict[str, Any], name: str) -> Any:
    held = members.get(name)
    return _decode_any(held) if isinstance(held, msgspec.Raw) else held
