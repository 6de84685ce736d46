"""Every value made for a schema is one that a validator accepts."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.simulator.schema import Draws, instance

LEAF = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": "string"}),
    st.builds(lambda a, b: {"type": "string", "minLength": a, "maxLength": a + b}, st.integers(0, 80), st.integers(0, 9)),
    st.sampled_from([{"type": "string", "format": name} for name in ("date", "date-time", "email", "uuid", "ipv4")]),
    st.builds(lambda a, b: {"type": "integer", "minimum": a, "maximum": a + b}, st.integers(-99, 99), st.integers(0, 50)),
    st.builds(lambda a: {"type": "integer", "exclusiveMinimum": a}, st.integers(-99, 99)),
    st.builds(lambda a: {"type": "integer", "maximum": a, "multipleOf": 5}, st.integers(-99, 99)),
    st.builds(lambda a: {"type": "number", "exclusiveMaximum": a}, st.integers(-99, 99)),
    st.builds(lambda values: {"enum": values}, st.lists(st.one_of(st.text(), st.integers(), st.none()), min_size=1)),
    st.builds(lambda value: {"const": value}, st.one_of(st.text(), st.booleans())),
    st.just({"type": ["string", "null"]}),
)  # fmt: skip


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    return st.one_of(
        st.builds(
            lambda found: {
                "type": "object",
                "properties": found,
                "required": sorted(found),
                "additionalProperties": False,
            },
            properties,
        ),
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda branch: {"allOf": [branch]}, inner),
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(schema=st.recursive(LEAF, nested, max_leaves=12), text=st.text(max_size=40))
def test_a_value_fits_its_schema(schema: dict[str, Any], text: str) -> None:
    value = instance(schema, text, Draws("x"))
    assert json.loads(json.dumps(value)) == value
    jsonschema_rs.validate(schema, value)
    assert value == instance(schema, text, Draws("x"))


def test_references_and_recursion_end() -> None:
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "required": ["name", "next"],
                "properties": {
                    "name": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
            }
        },
        "$ref": "#/$defs/node",
    }
    jsonschema_rs.validate(schema, instance(schema, "text", Draws("x")))
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    assert isinstance(instance(endless, "text", Draws("x")), dict)
    assert instance({"$ref": "#/nowhere"}, "text", Draws("x")) == {}


def test_an_enum_takes_what_the_text_names() -> None:
    schema = {"enum": ["storm", "water", "theft"]}
    assert instance(schema, "Water in the cellar", Draws("x")) == "water"
    assert instance(schema, "no hint", Draws("x")) in schema["enum"]


@pytest.mark.parametrize(
    "pattern",
    ["^[A-Z]{3}-[0-9]{3}$", "^\\d{4}$", "^[a-z]+$", "^\\+?[0-9]{8,}$", "^[0-9]{12}$", "^$"],
)
def test_usual_patterns_are_met(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    jsonschema_rs.validate(schema, instance(schema, "text", Draws("x")))


def test_an_unusual_pattern_gives_a_string_and_no_error() -> None:
    for pattern in ("^(ab){3}c$", "(", "(?<name>"):
        assert instance({"type": "string", "pattern": pattern}, "t", Draws("x")) == ""


def test_a_unique_array_repeats_nothing() -> None:
    schema = {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"enum": [1, 2, 3, 4]}}
    jsonschema_rs.validate(schema, instance(schema, "text", Draws("x")))


def test_draws_are_the_same_everywhere() -> None:
    draws = Draws("seed")
    assert [draws.below(1000) for _ in range(4)] == [164, 738, 514, 822]
    assert [Draws("seed").below(1000), Draws("other").below(1000)] == [164, 649]
