"""Instances for JSON Schemas."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.emulator.dice import Dice
from throughster.emulator.grammars import GrammarError, pattern_of_grammar
from throughster.emulator.patterns import text_for_pattern
from throughster.emulator.synthesize import BadSchemaError, NoInstanceError, build_instance
from throughster.emulator.words import FORMATS

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["name", "kids"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
PYDANTIC = {
    "$defs": {"Mood": {"enum": ["glad", "sad"], "type": "string"}},
    "properties": {
        "mood": {"$ref": "#/$defs/Mood"},
        "score": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]},
        "tags": {"items": {"type": "string", "maxLength": 4}, "type": "array", "minItems": 2, "uniqueItems": True},
    },
    "required": ["mood", "score", "tags"],
    "type": "object",
}
SCHEMAS = [
    True,
    {},
    TREE,
    PYDANTIC,
    {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
    {"type": "integer", "minimum": -5, "exclusiveMaximum": -3, "multipleOf": 2},
    {"type": "number", "multipleOf": 0.01, "minimum": 0.5, "exclusiveMaximum": 0.52},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "string", "minLength": 50, "maxLength": 51},
    {"type": "string", "maxLength": 0},
    {"type": "string", "pattern": "^[a-z]+$", "minLength": 20, "maxLength": 22},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    {"type": "array", "contains": {"const": 7}, "items": {"type": "integer"}, "minItems": 3},
    {"type": "object", "minProperties": 3, "maxProperties": 3, "additionalProperties": {"type": "boolean"}},
    {"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "required": ["n_a"], "minProperties": 2},
    {"type": "object", "propertyNames": {"pattern": "^[a-z]{3}$"}, "minProperties": 2},
    {"type": "object", "properties": {"a": True, "b": True}, "dependentRequired": {"a": ["c"]}},
    {"type": "object", "properties": {"a": {"const": 1}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "null"}}}]},
    {"oneOf": [{"type": "integer", "multipleOf": 5}, {"type": "integer", "multipleOf": 3}]},
    {"not": {"type": "string"}},
    {"const": {"deep": [1, None, "x"]}},
    {"type": ["null", "integer"], "minimum": 3},
    {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "null"}], "type": "array"},
    {"$id": "https://example.com/s", "$defs": {"x": {"$anchor": "x", "type": "null"}}, "$ref": "#x"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_an_instance_is_valid_against_its_schema(schema):
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    for seed in range(20):
        value = build_instance(schema, seed)
        assert validator.is_valid(value), value


def test_every_format_of_json_schema_gets_a_text_of_that_format():
    assert "date-time" in FORMATS
    for name in FORMATS:
        schema = {"type": "string", "format": name}
        assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(build_instance(schema, 3)), name


def test_the_same_seed_gives_the_same_instance_and_another_seed_another():
    assert build_instance(TREE, 5) == build_instance(TREE, 5)
    assert len({json.dumps(build_instance(TREE, seed)) for seed in range(10)}) > 1


def test_optional_properties_are_there_and_in_the_schemas_order():
    schema = {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "integer"}}, "required": ["a"]}
    assert list(build_instance(schema, 1)) == ["z", "a"]


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "string", "enum": [1]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 1.2, "maximum": 1.8},
        {"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True},
        {"type": "array", "minItems": 10**9},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
    ],
)
def test_a_schema_that_nothing_fits_is_said_to_be_one(schema):
    with pytest.raises(NoInstanceError, match=r"\w+ \w+"):
        build_instance(schema, 1)


@pytest.mark.parametrize(
    "schema", [{"type": "nope"}, {"$ref": "https://example.com/other.json"}, {"$ref": "#/$defs/x"}]
)
def test_what_is_no_schema_by_itself_is_refused_without_fetching_anything(schema):
    with pytest.raises(BadSchemaError):
        build_instance(schema, 1)


_leaves = st.one_of(
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-1000, 1000),
        st.integers(0, 50),
    ),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text() | st.none(), min_size=1, max_size=4)),
    st.builds(lambda step: {"type": "number", "multipleOf": step}, st.sampled_from([0.5, 0.01, 3, 7.5])),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "string", "format": "date"}, True]),
)


def _objects(parts):
    names = st.sampled_from(["name", "age", "tags", "x"])
    return st.builds(
        lambda properties, required, closed: {
            "type": "object",
            "properties": properties,
            "required": sorted(required & properties.keys()),
            "additionalProperties": not closed,
        },
        st.dictionaries(names, parts, max_size=4),
        st.sets(names),
        st.booleans(),
    )


_schemas = st.recursive(
    _leaves,
    lambda parts: st.one_of(
        _objects(parts),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, parts, st.integers(0, 3)),
        st.builds(lambda options: {"anyOf": options}, st.lists(parts, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(schema=_schemas, seed=st.integers(0, 2**64 - 1))
def test_instances_of_generated_schemas_are_valid(schema, seed):
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(build_instance(schema, seed))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{3}-\d{4}$",
        r"^(Mr|Mrs|Dr)\. \w+$",
        r"^(?=.*\d)[a-z\d]{8,}$",
        r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
        r"(a|b)\1",
        r"^\S+\s\S+$",
        r"^(?<year>\d{4})-\p{Lu}+$",
        r"colou?r",
        r"^.{3,5}$",
        r"^[\w.-]+$",
        r"^\W$",
    ],
)
def test_a_text_for_a_pattern_matches_it(pattern):
    schema = jsonschema_rs.validator_for({"type": "string", "pattern": pattern.replace(r"\1", "")})
    for seed in range(20):
        text = text_for_pattern(pattern, Dice(seed))
        assert text is not None
        assert schema.is_valid(text), text


def test_a_pattern_that_nothing_matches_gives_no_text():
    assert text_for_pattern(r"^a(?!)", Dice(1)) is None
    assert text_for_pattern(r"^a{5}$", Dice(1), high=4) is None


@pytest.mark.parametrize(
    ("grammar", "matching"),
    [
        ('root ::= "yes" | "no"', r"yes|no"),
        ('start: "v" NUMBER\nNUMBER: /[0-9]+/', r"v\d+"),
        ('root ::= digit+ ("." digit+)?\ndigit ::= [0-9]', r"\d+(\.\d+)?"),
        ('# numbers\nroot ::= item ("," item)*\nitem ::= "a" | "b"', r"[ab](,[ab])*"),
    ],
)
def test_a_grammar_becomes_a_pattern_whose_texts_belong_to_it(grammar, matching):
    text = text_for_pattern(pattern_of_grammar(grammar), Dice(7))
    assert text is not None
    assert re.fullmatch(matching, text)


@pytest.mark.parametrize("grammar", ["no rules here", "root ::= missing", "root ::= ~"])
def test_a_grammar_that_is_not_understood_is_refused(grammar):
    with pytest.raises(GrammarError):
        pattern_of_grammar(grammar)
