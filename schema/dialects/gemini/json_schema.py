"""JSON Schema to the part of OpenAPI's that Gemini takes, and back.

Source: Gemini API reference, Schema; structured output guide. Gemini refuses a request with a member it does not know.
"""

from typing import Any

_KEPT = frozenset(
    {
        "type",
        "format",
        "description",
        "nullable",
        "enum",
        "items",
        "properties",
        "propertyOrdering",
        "required",
        "anyOf",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
    }
)
_STRING_FORMATS = frozenset({"enum", "date-time"})
_DEPTH_MAX = 32  # levels; a schema that refers to itself is cut there


def clean_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """What Gemini understands of a JSON Schema: `$ref` inlined, `const` as enum, null types as `nullable`, the rest gone."""
    definitions = {**_dict(schema.get("definitions")), **_dict(schema.get("$defs"))}
    return _clean(schema, definitions, 0)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _clean(node: dict[str, Any], definitions: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > _DEPTH_MAX:
        return {"type": "object"}
    node = _flat(node, definitions)
    cleaned = {name: value for name, value in node.items() if name in _KEPT}
    _types(cleaned)
    _enums(cleaned, node)
    if cleaned.get("type") == "string" and cleaned.get("format") not in _STRING_FORMATS:
        cleaned.pop("format", None)
    properties = cleaned.get("properties")
    if isinstance(properties, dict):
        cleaned["properties"] = {
            name: _clean(_dict(value), definitions, depth + 1) for name, value in properties.items()
        }
        required = [name for name in cleaned.get("required") or () if name in properties]
        cleaned.pop("required", None)
        if required:
            cleaned["required"] = required
    else:
        cleaned.pop("required", None)
    if cleaned.get("type") == "array":
        items = node.get("items")
        cleaned["items"] = _clean(items, definitions, depth + 1) if isinstance(items, dict) else {"type": "string"}
    if "anyOf" in cleaned:
        _alternatives(cleaned, definitions, depth)
    return cleaned


def _flat(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The node with its reference, its `allOf` and its `oneOf` worked in."""
    for _ in range(_DEPTH_MAX):
        reference = node.get("$ref")
        if not isinstance(reference, str):
            break
        rest = {name: value for name, value in node.items() if name != "$ref"}
        node = _dict(definitions.get(reference.rpartition("/")[2])) | rest
    for part in node.get("allOf") or ():
        merged = _flat(_dict(part), definitions)
        properties = _dict(node.get("properties")) | _dict(merged.get("properties"))
        required = [*(node.get("required") or ()), *(merged.get("required") or ())]
        node = merged | node
        if properties:
            node["properties"] = properties
        if required:
            node["required"] = required
    if "oneOf" in node and "anyOf" not in node:
        node = node | {"anyOf": node["oneOf"]}
    return node


def _types(cleaned: dict[str, Any]) -> None:
    """`["string", "null"]` -> string, nullable; several types -> anyOf."""
    kinds = cleaned.get("type")
    if not isinstance(kinds, list):
        return
    wanted = [kind for kind in kinds if kind != "null"]
    if len(wanted) < len(kinds):
        cleaned["nullable"] = True
    if len(wanted) == 1:
        cleaned["type"] = wanted[0]
    else:
        del cleaned["type"]
        if wanted:
            cleaned["anyOf"] = [{"type": kind} for kind in wanted]


def _enums(cleaned: dict[str, Any], node: dict[str, Any]) -> None:
    """Gemini's enums are text; others are left to the description."""
    values = [node["const"]] if "const" in node else cleaned.get("enum")
    cleaned.pop("enum", None)
    if isinstance(values, list):
        texts = [value for value in values if isinstance(value, str) and value]
        if texts:
            cleaned["enum"] = texts
            cleaned.setdefault("type", "string")


def _alternatives(cleaned: dict[str, Any], definitions: dict[str, Any], depth: int) -> None:
    kept = [_clean(_dict(choice), definitions, depth + 1) for choice in cleaned.pop("anyOf") or ()]
    real = [choice for choice in kept if choice.get("type") != "null"]
    if len(real) < len(kept):
        cleaned["nullable"] = True
    if len(real) == 1:
        for name, value in real[0].items():
            cleaned.setdefault(name, value)
    elif real:
        cleaned["anyOf"] = real


def widen_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Gemini's schema as JSON Schema: lower-case types, `nullable` as a null type."""
    widened: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            widened["type"] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            widened["properties"] = {key: widen_schema(_dict(held)) for key, held in value.items()}
        elif name == "items" and isinstance(value, dict):
            widened["items"] = widen_schema(value)
        elif name == "anyOf" and isinstance(value, list):
            widened["anyOf"] = [widen_schema(_dict(held)) for held in value]
        elif name not in ("nullable", "propertyOrdering", "example"):
            widened[name] = _number(value) if name.startswith(("min", "max")) else value
    if schema.get("nullable") and isinstance(widened.get("type"), str):
        widened["type"] = [widened["type"], "null"]
    return widened


def _number(value: Any) -> Any:
    """Google writes 64-bit numbers as text."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
