"""A Chat Completions body that stays in its dialect: only what must change is changed."""

from typing import Any

import msgspec

from schema.dialects.base import Target
from schema.dialects.body import UNREADABLE, encode
from schema.dialects.errors import DialectError
from schema.dialects.openai.request_writer import effort_of
from schema.dialects.suffixes import is_reasoning_model, takes_developer
from schema.dialects.system_prompt import set_system_prompt

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode_any = msgspec.json.decode


def edit_request(body: bytes, target: Target) -> bytes:
    """Model name, stream options and the rules for reasoning models; the very same bytes when nothing must change.

    Raises DialectError for a body that is not a JSON object.
    """
    try:
        members: dict[str, Any] = dict(_decode(body))
        before = dict(members)
        _put(members, "model", target.model)
        if "stream" in members and bytes(members["stream"]) == b"true":
            if target.openai.include_usage:
                _ask_for_usage(members)
            else:
                members.pop("stream_options", None)
        else:
            members.pop("stream_options", None)
        members.pop("group", None)  # the playground's own member
        if target.system_prompt:
            set_system_prompt("openai", members, target.system_prompt)
        if is_reasoning_model(target.model, target.openai.reasoning_prefixes):
            _reasoning_rules(members, target)
        else:
            if target.openai.max_tokens_name == "max_completion_tokens":
                _move_limit(members)
            if target.reasoning is not None and target.reasoning.effort:
                members["reasoning_effort"] = target.reasoning.effort  # grok-3-mini
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None
    return body if members == before else encode(members)


def leaves_as_it_came(target: Target, *, stream: bool) -> bool:
    """Whether `edit_request` changes nothing of a request that names the target's model and has no `group`: most of them need not
    be taken apart.

    `stream`: one that streams and asks for usage by `stream_options`; else one that has no `stream_options`.
    """
    return not (
        (stream and not target.openai.include_usage)
        or target.system_prompt
        or is_reasoning_model(target.model, target.openai.reasoning_prefixes)
        or target.openai.max_tokens_name == "max_completion_tokens"
        or (target.reasoning is not None and target.reasoning.effort)
    )


def _put(members: dict[str, Any], name: str, value: Any) -> None:
    if name not in members or _decode_any(members[name]) != value:
        members[name] = value


def _ask_for_usage(members: dict[str, Any]) -> None:
    options = _decode_any(members["stream_options"]) if "stream_options" in members else None
    if not isinstance(options, dict):
        members["stream_options"] = {"include_usage": True}
    elif options.get("include_usage") is not True:
        members["stream_options"] = options | {"include_usage": True}


def _reasoning_rules(members: dict[str, Any], target: Target) -> None:
    """max_tokens becomes max_completion_tokens, temperature goes, system becomes developer, a suffix sets the effort."""
    if target.openai.max_tokens_name in ("", "max_completion_tokens"):
        _move_limit(members)
    members.pop("temperature", None)
    if target.reasoning is not None and target.openai.reasoning_effort:
        effort = effort_of(target.reasoning)
        if effort:
            members["reasoning_effort"] = effort
    if (
        target.openai.developer_role
        and takes_developer(target.model)
        and b'"system"' in bytes(members.get("messages", b""))
    ):
        messages: list[dict[str, Any]] = [dict(message) for message in _decode_messages(members["messages"])]
        for message in messages:
            if "role" in message and bytes(message["role"]) == b'"system"':
                message["role"] = "developer"
        members["messages"] = messages


def _move_limit(members: dict[str, Any]) -> None:
    """max_tokens becomes max_completion_tokens, unless the client gave that one, too."""
    limit, held = members.pop("max_tokens", None), members.get("max_completion_tokens")
    if limit is not None and (held is None or bytes(held) in (b"0", b"null")):
        members["max_completion_tokens"] = limit
