"""A channel's parameter override, laid over the body that goes upstream. Numbers keep every digit.

Plain form: every member replaces or adds one of the body, `null` removes it. Form with operations:
`{"operations": [{"path": "generationConfig.topK", "mode": "set" | "delete" | "append", "value": …}]}`; both may be mixed.
"""

from typing import Any

import msgspec

from schema.dialects.body import UNREADABLE, encode, read_object

DEPTH_MAX = 16  # members of one path


class OverrideError(ValueError):
    """The override itself is malformed; said in the channel's health, never to clients."""


def read_override(text: str) -> dict[str, Any]:
    """Raises OverrideError for what is no object, or has an operation that we do not know."""
    try:
        override = msgspec.json.decode(text, type=dict[str, Any]) if text.strip() else {}
    except UNREADABLE as error:
        raise OverrideError(f"the parameter override is not a JSON object: {error}") from None
    operations = override.get("operations", [])
    if not isinstance(operations, list):
        raise OverrideError("operations must be a list")
    for at, operation in enumerate(operations):
        path = operation.get("path") if isinstance(operation, dict) else None
        if not isinstance(path, str) or not path or path.count(".") >= DEPTH_MAX:
            raise OverrideError(f"operations[{at}] needs a path")
        if operation.get("mode") not in ("set", "delete", "append"):
            raise OverrideError(f"operations[{at}].mode must be set, delete or append")
    return override


def apply_override(body: bytes, override: dict[str, Any]) -> bytes:
    """Raises DialectError for a body that is not a JSON object. The same bytes when there is nothing to lay over."""
    if not override:
        return body
    members = read_object(body)
    for name, value in override.items():
        if name == "operations":
            continue
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    for operation in override.get("operations", ()):
        _operate(members, operation["path"].split("."), operation["mode"], operation.get("value"))
    return encode(members)


def _operate(members: dict[str, Any], path: list[str], mode: str, value: Any) -> None:
    """Missing objects on the way are made for `set` and `append`; a path through something else is left alone."""
    *way, last = path
    place: Any = members
    for name in way:
        inner = place.get(name)
        if inner is None and mode != "delete":
            inner = place[name] = {}
        if not isinstance(inner, dict):
            return
        place = inner
    match mode:
        case "set":
            place[last] = value
        case "delete":
            place.pop(last, None)
        case "append":
            held = place.get(last)
            place[last] = [*(held if isinstance(held, list) else [] if held is None else [held]), value]
