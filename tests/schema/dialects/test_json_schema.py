from typing import Any

import pytest
from google.genai.types import Schema
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects.errors import DialectError
from schema.dialects.gemini.json_schema import clean_schema, widen_schema

CLEAN = [
    pytest.param(
        {
            "$schema": "x",
            "$id": "y",
            "title": "T",
            "type": "object",
            "additionalProperties": False,
            "properties": {"a": {"type": "integer", "default": 1, "exclusiveMinimum": 0, "title": "A", "minimum": 1}},
            "required": ["a", "gone"],
        },
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]},
        id="unknown members go, at every level",
    ),
    pytest.param(
        {"type": "object", "properties": {"title": {"type": "string"}, "default": {"type": "string"}}},
        {"type": "object", "properties": {"title": {"type": "string"}, "default": {"type": "string"}}},
        id="properties that are called like a keyword stay",
    ),
    pytest.param(
        {
            "type": "object",
            "properties": {"p": {"$ref": "#/$defs/P"}},
            "$defs": {"P": {"type": "array", "items": {"$ref": "#/$defs/Q"}}, "Q": {"const": "x"}},
        },
        {
            "type": "object",
            "properties": {"p": {"type": "array", "items": {"type": "string", "enum": ["x"]}}},
        },
        id="references are inlined, const is an enum",
    ),
    pytest.param({"type": ["string", "null"]}, {"type": "string", "nullable": True}, id="nullable by type"),
    pytest.param(
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"type": "integer", "nullable": True},
        id="nullable by anyOf",
    ),
    pytest.param(
        {"oneOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        id="oneOf is anyOf; formats that Gemini refuses go",
    ),
    pytest.param(
        {"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}, id="date-time stays"
    ),
    pytest.param(
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}},
                {"properties": {"b": {"type": "null"}}},
            ]
        },
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "null"}}},
        id="allOf is merged",
    ),
    pytest.param({"type": "array"}, {"type": "array", "items": {"type": "string"}}, id="an array needs items"),
    pytest.param({"type": "integer", "enum": [1, 2]}, {"type": "integer"}, id="enums are text"),
]


@pytest.mark.parametrize(("schema", "expected"), CLEAN)
def test_clean(schema, expected):
    assert clean_schema(schema) == expected


def test_a_schema_that_refers_to_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}, "other": {"$ref": "#/$defs/N"}}}
    inner = {"type": "object", "properties": {"next": {"type": "object"}, "other": {"type": "object"}}}
    assert clean_schema({"$ref": "#/$defs/N", "$defs": {"N": node}}) == inner
    assert clean_schema({"$ref": "#/$defs/N", "$defs": {"N": {"$ref": "#/$defs/N"}}}) == {"type": "object"}
    assert clean_schema({"$ref": "#/$defs/N", "$defs": {"N": {"allOf": [{"$ref": "#/$defs/N"}]}}}) == {}


def test_a_schema_that_explodes_is_refused():
    bomb: dict[str, Any] = {"N0": {"type": "string"}}
    for i in range(1, 40):
        bomb[f"N{i}"] = {"type": "object", "properties": {name: {"$ref": f"#/$defs/N{i - 1}"} for name in "ab"}}
    with pytest.raises(DialectError):
        clean_schema({"$ref": "#/$defs/N39", "$defs": bomb})


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": ["integer", "null"]}, {"const": 1}, {}, True, None, {"enum": ["a", 1]}]
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"type": "object", "properties": {"a": a, "b": b}, "required": ["a"]}, inner, inner),
        st.builds(lambda a: {"type": "array", "items": a}, inner),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a, b: {"allOf": [a, b], "oneOf": [b]}, inner, inner),
    ),
    max_leaves=6,
)


@given(SCHEMAS.filter(lambda schema: isinstance(schema, dict)))
def test_any_schema_becomes_one_that_googles_sdk_knows(schema):
    Schema.model_validate(clean_schema(schema))


def test_widen():
    gemini = {
        "type": "OBJECT",
        "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING", "nullable": True}, "minItems": "1"}},
        "propertyOrdering": ["a"],
    }
    assert widen_schema(gemini) == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 1}},
    }
