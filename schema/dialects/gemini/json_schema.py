"""JSON Schema to the part of OpenAPI's that Gemini takes, and back.

Source: Gemini API reference, Schema; structured output guide. Gemini refuses a request with a member it does not know.
"""

from typing import Any

from schema.dialects.errors import DialectError

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
_NODES_MAX = 20_000  # of one schema with its references inlined; a bomb is refused
_ANYTHING: dict[str, Any] = {"type": "object"}  # where a schema comes back to itself


def clean_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """What Gemini understands of a JSON Schema: `$ref` inlined, `const` as enum, null types as `nullable`, the rest gone.

    Raises DialectError (400) for a schema that grows beyond bounds when its references are inlined.
    """
    definitions = {**_dict(schema.get("definitions")), **_dict(schema.get("$defs"))}
    try:
        return _Cleaner(definitions).clean(schema, frozenset())
    except RecursionError:
        raise DialectError("the schema is nested too deeply", param="parameters") from None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Cleaner:
    """One schema. `within` are the references that led to a node: to follow one of them again would never end."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._nodes = 0

    def clean(self, node: dict[str, Any], within: frozenset[str]) -> dict[str, Any]:
        self._count()
        flat = self._flat(node, within)
        if flat is None:
            return _ANYTHING
        node, within = flat
        cleaned = {name: value for name, value in node.items() if name in _KEPT}
        _types(cleaned)
        _enums(cleaned, node)
        if cleaned.get("type") == "string" and cleaned.get("format") not in _STRING_FORMATS:
            cleaned.pop("format", None)
        properties, required = cleaned.get("properties"), _list(cleaned.pop("required", None))
        if isinstance(properties, dict):
            cleaned["properties"] = {name: self.clean(_dict(value), within) for name, value in properties.items()}
            known = [name for name in required if name in properties]
            if known:
                cleaned["required"] = known
        else:
            cleaned.pop("properties", None)
        items = cleaned.pop("items", None)
        if cleaned.get("type") == "array":
            cleaned["items"] = self.clean(items, within) if isinstance(items, dict) else {"type": "string"}
        if "anyOf" in cleaned:
            self._alternatives(cleaned, within)
        return cleaned

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > _NODES_MAX:
            raise DialectError("the schema is too large when its references are followed", param="parameters")

    def _flat(self, node: dict[str, Any], within: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]] | None:
        """The node with its reference, its `allOf` and its `oneOf` worked in; None when it comes back to itself."""
        self._count()
        while isinstance(reference := node.get("$ref"), str):
            if reference in within:
                return None
            within |= {reference}
            rest = {name: value for name, value in node.items() if name != "$ref"}
            node = _dict(self._definitions.get(reference.rpartition("/")[2])) | rest
        for part in _list(node.get("allOf")):
            flat = self._flat(_dict(part), within)
            if flat is None:
                continue
            merged, within = flat
            properties = _dict(node.get("properties")) | _dict(merged.get("properties"))
            required = [*_list(node.get("required")), *_list(merged.get("required"))]
            node = merged | node
            if properties:
                node["properties"] = properties
            if required:
                node["required"] = required
        if "oneOf" in node and "anyOf" not in node:
            node = node | {"anyOf": node["oneOf"]}
        return node, within

    def _alternatives(self, cleaned: dict[str, Any], within: frozenset[str]) -> None:
        kept = [self.clean(_dict(choice), within) for choice in _list(cleaned.pop("anyOf"))]
        real = [choice for choice in kept if choice.get("type") != "null"]
        if len(real) < len(kept):
            cleaned["nullable"] = True
        if len(real) == 1:
            for name, value in real[0].items():
                cleaned.setdefault(name, value)
        elif real:
            cleaned["anyOf"] = real


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
