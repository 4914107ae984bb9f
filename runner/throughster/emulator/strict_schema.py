"""OpenAI's rules for schemas that are sent with `strict: true`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["strict_problem"]

# Refused wherever they stand; https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
_REFUSED: Final = (
    *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"),
    *("propertyNames", "unevaluatedProperties", "unevaluatedItems", "minProperties", "maxProperties"),
    *("uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "default"),
)
_MOST_PROPERTIES: Final = 5_000
_MOST_LEVELS: Final = 10
_MOST_ENUM_VALUES: Final = 1_000
_MOST_CHARACTERS: Final = 120_000

_Place = tuple[str, ...]


def strict_problem(schema: Any) -> str | None:
    """Return the first rule that a schema breaks, in OpenAI's words, or None."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        found = schema.get("type") if isinstance(schema, dict) else schema
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: {_quoted(found)}'."
    if "anyOf" in schema:
        return "In context=(), 'anyOf' is not permitted at the root."
    parts = list(_parts(schema, (), 1))
    for place, part, level in parts:
        problem = _part_problem(place, part)
        if problem is not None:
            return problem
        if level > _MOST_LEVELS and ("properties" in part or "items" in part):
            return f"The schema exceeds the maximum nesting of {_MOST_LEVELS} levels."
    return _size_problem([part for _, part, _ in parts])


def _size_problem(parts: list[dict[str, Any]]) -> str | None:
    values = [
        value for part in parts for value in (*part.get("enum", ()), *([part["const"]] if "const" in part else []))
    ]
    names = [name for part in parts for name in part.get("properties", ())]
    texts = [*names, *(value for value in values if isinstance(value, str))]
    texts += [name for part in parts for name in part.get("$defs", ())]
    for what, count, most in (
        ("properties", len(names), _MOST_PROPERTIES),
        ("enum values", sum(len(part.get("enum", ())) for part in parts), _MOST_ENUM_VALUES),
        ("characters in its names and values", sum(map(len, texts)), _MOST_CHARACTERS),
    ):
        if count > most:
            return f"The schema has {count} {what}; the maximum is {most}."
    return None


def _part_problem(place: _Place, part: dict[str, Any]) -> str | None:
    context = f"In context={place!r}"
    for keyword in _REFUSED:
        if keyword in part:
            return f"{context}, '{keyword}' is not permitted."
    if "$ref" in part and len(part) > 1:
        others = sorted(set(part) - {"$ref", "$defs"})
        if others:
            listed = ", ".join(repr(name) for name in others)
            return f"{context}, $ref cannot have keywords {{{listed}}}."
    kinds = part.get("type")
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds) and "properties" not in part:
        return None
    if part.get("additionalProperties") is not False:
        return f"{context}, 'additionalProperties' is required to be supplied and to be false."
    missing = [name for name in part.get("properties", {}) if name not in part.get("required", ())]
    if missing:
        return (
            f"{context}, 'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing '{missing[0]}'."
        )
    return None


def _parts(schema: Any, place: _Place, level: int) -> Iterator[tuple[_Place, dict[str, Any], int]]:
    """Every subschema with its place and how many objects and arrays it lies in, itself included."""
    if not isinstance(schema, dict):
        return
    yield place, schema, level
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, (*place, "properties", name), level + 1)
    yield from _parts(schema.get("items"), (*place, "items"), level + 1)
    for position, part in enumerate(schema.get("anyOf", ())):
        yield from _parts(part, (*place, "anyOf", str(position)), level)
    for name, part in {**schema.get("definitions", {}), **schema.get("$defs", {})}.items():
        yield from _parts(part, (*place, "$defs", name), 1)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
