"""The keywords of JSON Schema: which there are, and where schemas stand inside schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DIALECTS", "KNOWN", "Pointer", "dialect_of", "in_place", "is_known", "subschemas"]

Pointer: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the root of a document to a place in it."""

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIALECTS = (
    DEFAULT_DIALECT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)

_ONE = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_MANY = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})
_IN_PLACE = frozenset({"allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
_PLAIN = frozenset(
    {
        "$anchor",
        "$comment",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$recursiveAnchor",
        "$recursiveRef",
        "$ref",
        "$schema",
        "$vocabulary",
        "const",
        "contentEncoding",
        "contentMediaType",
        "default",
        "dependentRequired",
        "deprecated",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "id",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "readOnly",
        "required",
        "title",
        "type",
        "uniqueItems",
        "writeOnly",
    }
)
KNOWN = _ONE | _MANY | _NAMED | _PLAIN
_OPENAPI = frozenset({"discriminator", "example", "externalDocs", "nullable", "xml"})  # common, and without effect here


def is_known(keyword: str) -> bool:
    """Return whether `keyword` is one of JSON Schema's, one that tools add, or marked as an extension."""
    return keyword in KNOWN or keyword in _OPENAPI or keyword.startswith(("x-", "x_"))


def dialect_of(schema: dict[str, Any]) -> str | None:
    """Return the dialect that `$schema` names (2020-12 where it names none), or None for one that is not known."""
    named = schema.get("$schema", DEFAULT_DIALECT)
    plain = named.rstrip("#") if isinstance(named, str) else ""
    return next((uri for uri in DIALECTS if plain.split("://")[-1] == uri.split("://")[-1]), None)


def subschemas(schema: Any) -> Iterator[tuple[Pointer, Any]]:
    """Yield (pointer from `schema`, subschema) for the schemas that stand directly in `schema`."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, dict):
            yield from (((keyword, name), child) for name, child in value.items() if not isinstance(child, list))
        elif keyword in _MANY and isinstance(value, list):
            yield from (((keyword, index), child) for index, child in enumerate(value))
        elif keyword in _ONE and isinstance(value, (dict, bool)):
            yield (keyword,), value


def in_place(schema: dict[str, Any]) -> Iterator[tuple[Pointer, Any]]:
    """Yield the schemas in `schema` that apply to the same value as it does."""
    return ((pointer, child) for pointer, child in subschemas(schema) if pointer[0] in _IN_PLACE)
