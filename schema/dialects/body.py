"""JSON bodies: read into Structs with errors in the client's words, and edited in place where only a member changes."""

from typing import Any, TypeVar

import msgspec

from schema.dialects.errors import DialectError

T = TypeVar("T")
UNREADABLE = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
)  # what decoding raises for bytes that are no JSON

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
encode = msgspec.json.Encoder().encode


def read_object(body: bytes) -> dict[str, Any]:
    """Raises DialectError (400) for what is not a JSON object."""
    try:
        return _decode_object(body)
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None


def read_struct(members: dict[str, Any], kind: type[T]) -> T:
    """Raises DialectError (400) naming the member of the wrong type."""
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as error:
        message, mark, path = str(error).partition(" - at `$")
        member = path.rstrip("`").lstrip(".") if mark else ""
        raise DialectError(f"{message} in {member}" if member else message, param=member) from None


def rest_of(members: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Members that `kind` does not name."""
    known = kind.__struct_encode_fields__
    return {name: value for name, value in members.items() if name not in known}


def edit_members(body: bytes, changes: dict[str, Any]) -> bytes:
    """`body` with top-level members set (or, for None, removed); all others keep their very bytes.

    Raises DialectError when the body is no JSON object. Used for pass-through: model mapping, stream options, overrides.
    """
    if not changes:
        return body
    try:
        members = _decode_members(body)
    except UNREADABLE as error:
        raise DialectError(f"the body is not a JSON object: {error}", code="invalid_json") from None
    for name, value in changes.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    return encode(members)


def without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
