"""JSON Schemas that refer to themselves, to others and to much, or match without end; answers that take them on."""

from __future__ import annotations

import json

from tests.hostile.attack import SPEC, Attack

FAMILY = "schemas"
_CHECK = ("throughster", "check", "s.yaml")
_RUN = ("throughster-run", "s.yaml")


def _object(**more):
    return {"type": "object", "properties": {"a": {"type": "string"}}, **more}


_CHAIN = {"$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5000)} | {"d5000": {"type": "string"}}}
_TREE = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {"type": "object"}}
_ANY = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {"type": "string"}}


def _deep(depth: int, key: str = "properties"):
    """As text: the standard library's writer does not go so deep."""
    opens = '{"type":"object","properties":{"a":' if key == "properties" else f'{{"{key}":'
    return opens * depth + '{"type":"string"}' + "}" * (2 * depth if key == "properties" else depth)


_SCHEMAS = {
    "ref-chain": {**_CHAIN, **_object(), "properties": {"a": {"$ref": "#/$defs/d0"}}},
    "ref-loop": {**_object(), "properties": {"a": {"$ref": "#/properties/a"}}},
    "ref-self": {"$ref": "#"},
    "ref-ring": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "ref-tree": {"$defs": _TREE, "$ref": "#/$defs/d0"},
    "ref-any": {"$defs": _ANY, **_object(), "properties": {"a": {"$ref": "#/$defs/d0"}}},
    "ref-one": {"$defs": json.loads(json.dumps(_ANY).replace("anyOf", "oneOf")), "type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}},
    "ref-http": {**_object(), "properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}},
    "ref-file": {**_object(), "properties": {"a": {"$ref": "file:///etc/passwd"}}},
    "ref-out": {**_object(), "properties": {"a": {"$ref": "../../../../../../etc/passwd"}}},
    "ref-id": {"$id": "http://127.0.0.1:9/", **_object(), "properties": {"a": {"$ref": "other.json"}}},
    "schema-unknown": {"$schema": "http://127.0.0.1:9/schema", **_object()},
    "dynamic": {"$dynamicRef": "#a", "$defs": {"x": {"$dynamicAnchor": "a", "$dynamicRef": "#a"}}},
    "deep": _deep(2000),
    "deep-not": _deep(2000, "not"),
    "deep-items": _deep(2000, "items"),
    "patterns-many": _object(patternProperties={f"^(a|b{n})*$": {"type": "string"} for n in range(5000)}),
    "pattern-slow": _object(properties={"a": {"type": "string", "pattern": "(a+)+$"}}),
    "pattern-repeat": _object(properties={"a": {"type": "string", "pattern": "((a{1000}){1000}){1000}"}}),
    "pattern-long": _object(properties={"a": {"type": "string", "pattern": "(a|b)" * 50_000}}),
    "pattern-backwards": _object(properties={"a": {"type": "string", "pattern": "(a)\\1"}}),
    "pattern-lookahead": _object(properties={"a": {"type": "string", "pattern": "(?=(a+))a*b"}}),
    "property-names": _object(propertyNames={"pattern": "(x+x+)+y"}),
    "properties-many": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20_000)}},
    "enum-many": _object(properties={"a": {"enum": [f"e{n}" for n in range(80_000)]}}),
    "enum-twice": _object(properties={"a": {"enum": ["e"] * 80_000}}),
    "enum-deep": _object(properties={"a": {"enum": [[[[[[[[n]]]]]]] for n in range(20_000)]}}),
    "required-many": _object(required=[f"r{n}" for n in range(80_000)]),
    "any-of-many": _object(properties={"a": {"anyOf": [{"const": n} for n in range(20_000)]}}),
    "all-of-many": {"allOf": [_object() for _ in range(5000)], "type": "object"},
    "if-many": {"allOf": [{"if": {"required": ["a"]}, "then": {"required": ["b"]}} for _ in range(5000)], "type": "object"},
    "dependent": _object(dependentSchemas={f"d{n}": {"type": "object"} for n in range(5000)}),
    "numbers": _object(properties={"a": {"type": "integer", "minimum": -(10**300), "maximum": 10**300, "multipleOf": 1e-300}}),
    "lengths": _object(properties={"a": {"type": "string", "minLength": 10**15}}),
    "items-count": _object(properties={"a": {"type": "array", "minItems": 10**12, "items": {"type": "string"}}}),
    "unique": _object(properties={"a": {"type": "array", "uniqueItems": True}}),
    "unevaluated": {"unevaluatedProperties": False, "allOf": [_object()] * 2000, "type": "object"},
    "keywords-misspelt": {"type": "object", "properties": {f"p{n}": {"tpye": "string"} for n in range(10_000)}},
    "types-wrong": {"type": "object", "properties": {f"p{n}": {"type": "sting"} for n in range(10_000)}},
    "default-secret": _object(properties={"a": {"type": "string", "default": "{{ env.OPENAI_API_KEY }}"}}),
}  # fmt: skip


def _attacks():
    for name, schema in _SCHEMAS.items():
        spec = SPEC + "prompt: x\noutput: {schema: schema.json, max_attempts: 1}\n"
        files = {"s.yaml": spec, "schema.json": schema if isinstance(schema, str) else json.dumps(schema)}
        yield Attack(FAMILY, name, _CHECK, files, (0, 2))
    for name in ("ref-chain", "ref-any", "ref-one", "pattern-slow", "unevaluated", "if-many", "unique"):
        answers = json.dumps([{"contains": "x", "answer": {"a": "a" * 5000 + "!"}}])
        spec = "version: 1\nprovider: {name: offline, answers: a.yml}\nprompt: x\noutput: {schema: schema.json, max_attempts: 1}\n"
        files = {"s.yaml": spec, "schema.json": json.dumps(_SCHEMAS[name]), "a.yml": answers}
        yield Attack(FAMILY, f"answer-{name}", _RUN, files, (0, 1, 2))


ATTACKS = tuple(_attacks())
