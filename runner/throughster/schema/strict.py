"""A schema tightened for OpenAI's strict mode, and its answers brought back to what the user's own schema asks for.

Strict mode knows no optional property: each becomes required and may be null instead. What strict mode cannot say but a
later check can (lengths, `uniqueItems`, formats it does not know) is left out; what would change what an answer may
look like (open objects, `not`, `if`) means that a schema cannot be strict.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from throughster.schema.answer import AnswerSchema
from throughster.schema.check import plain_schema, walk
from throughster.schema.keywords import Pointer

__all__ = ["drop_added_nulls", "strict_schema"]

_KEPT = frozenset(
    {"description", "title", "type", "pattern", "multipleOf", "minimum", "maximum", "minItems", "maxItems"}
)
_BOUNDS = ("exclusiveMinimum", "exclusiveMaximum")  # draft 4 has booleans there
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_REFUSED = frozenset(
    {
        "$dynamicRef",
        "$recursiveRef",
        "additionalItems",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "patternProperties",
        "prefixItems",
        "then",
    }
)
_DEFINITIONS = ("$defs", "definitions")
_BESIDE_REF = frozenset(
    {"description", "title", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}
)
_SCALARS = frozenset({"string", "number", "integer", "boolean"})
_TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_MOST_LEVELS = 10
_MOST_PROPERTIES = 5_000
_MOST_ENUM_VALUES = 1_000
_MOST_NAME_CHARACTERS = 120_000
_MANY_ENUM_VALUES, _MOST_ENUM_CHARACTERS = 250, 15_000


class _NotStrictError(Exception):
    """The schema says what strict mode cannot."""


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return a tightened copy for OpenAI's strict mode, or None where the schema cannot be strict.

    Answers to the copy fit `schema` after `drop_added_nulls`, except for what strict mode cannot say. The root is not
    wrapped: strict mode wants an object there.
    """
    plain, issues = plain_schema(schema)
    if issues or not isinstance(plain, dict):
        return None
    try:
        strict = _Tightener(plain).root()
    except (_NotStrictError, RecursionError):
        return None
    return strict if _within_limits(strict) else None


class _Tightener:
    """Tightens one schema; knows its root, for references."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._inlining: list[str] = []
        self._nodes = 0

    def root(self) -> dict[str, Any]:
        without = {key: value for key, value in self._root.items() if key not in _DEFINITIONS}
        strict = self.tighten(without, 1)
        for keyword in _DEFINITIONS:
            if isinstance(self._root.get(keyword), dict):
                strict[keyword] = {name: self.tighten(part, 1) for name, part in self._root[keyword].items()}
        return strict

    def tighten(self, part: Any, level: int) -> dict[str, Any]:
        self._nodes += 1
        if not isinstance(part, dict) or level > _MOST_LEVELS or self._nodes > 4 * _MOST_PROPERTIES:
            raise _NotStrictError
        if "$ref" in part:
            return self._reference(part, level)
        if "allOf" in part:
            return self.tighten(self._merged(part), level)
        if any(part.get(keyword) not in (None, {}) for keyword in _REFUSED):
            raise _NotStrictError
        strict = {key: value for key, value in part.items() if key in _KEPT}
        strict.update((key, part[key]) for key in _BOUNDS if key in part and not isinstance(part[key], bool))
        if part.get("format") in _FORMATS:
            strict["format"] = part["format"]
        self._add_values(part, strict)
        self._add_choices(part, strict, level)
        self._add_object(part, strict, level)
        self._add_array(part, strict, level)
        if "type" not in strict and "anyOf" not in strict:
            raise _NotStrictError
        return strict

    def _reference(self, part: dict[str, Any], level: int) -> dict[str, Any]:
        """Return the bare reference, or the schema it leads to where something stands beside the reference."""
        reference = part["$ref"]
        target = self._target(reference)
        beside = {key: value for key, value in part.items() if key != "$ref" and key not in _DEFINITIONS}
        if not beside and level > 1:
            return {"$ref": reference}
        if reference in self._inlining:  # a circle: what stands beside it can only be left out
            if beside.keys() - _BESIDE_REF:
                raise _NotStrictError
            return {"$ref": reference}
        self._inlining.append(reference)
        try:
            return self.tighten(_merge(target, beside), level)
        finally:
            self._inlining.pop()

    def _target(self, reference: Any) -> dict[str, Any]:
        if not isinstance(reference, str) or not (
            reference == "#" or reference.startswith(("#/$defs/", "#/definitions/"))
        ):
            raise _NotStrictError
        found = _at(self._root, _steps(reference))
        if not isinstance(found, dict):
            raise _NotStrictError
        return {key: value for key, value in found.items() if reference != "#" or key not in _DEFINITIONS}

    def _merged(self, part: dict[str, Any]) -> dict[str, Any]:
        only = part["allOf"]
        if not isinstance(only, list) or len(only) != 1 or not isinstance(only[0], dict):
            raise _NotStrictError
        return _merge(only[0], {key: value for key, value in part.items() if key != "allOf"})

    def _add_values(self, part: dict[str, Any], strict: dict[str, Any]) -> None:
        if "const" in part:
            strict["const"] = part["const"]
        if "enum" in part:
            strict["enum"] = part["enum"]
        values = [part["const"]] if "const" in part else part.get("enum")
        if values is not None and "type" not in part:
            names = list(dict.fromkeys(_TYPE_NAMES.get(type(value), "") for value in values))
            if not names or "" in names:
                raise _NotStrictError
            strict["type"] = names[0] if len(names) == 1 else names

    def _add_choices(self, part: dict[str, Any], strict: dict[str, Any], level: int) -> None:
        if "anyOf" in part and "oneOf" in part:
            raise _NotStrictError
        choices = part.get("anyOf", part.get("oneOf"))  # that only one of them fits is checked later
        if choices is not None:
            if "properties" in part or not isinstance(choices, list) or not choices:
                raise _NotStrictError
            strict["anyOf"] = [self.tighten(choice, level) for choice in choices]

    def _add_object(self, part: dict[str, Any], strict: dict[str, Any], level: int) -> None:
        if "properties" in part:
            strict.setdefault("type", "object")
        if "object" not in _types(strict):
            return
        properties, required = part.get("properties", {}), part.get("required", [])
        is_closed = part.get("additionalProperties") is False
        if not is_closed and (not properties or part.get("additionalProperties") is not None):
            raise _NotStrictError
        if not isinstance(properties, dict) or not set(required) <= properties.keys():
            raise _NotStrictError
        tight = {name: self.tighten(child, level + 1) for name, child in properties.items()}
        strict["properties"] = {
            name: child if name in required else self._nullable(child) for name, child in tight.items()
        }
        strict["required"] = list(properties)
        strict["additionalProperties"] = False

    def _add_array(self, part: dict[str, Any], strict: dict[str, Any], level: int) -> None:
        if "items" in part:
            strict.setdefault("type", "array")
        if "array" in _types(strict):
            strict["items"] = self.tighten(part.get("items"), level + 1)

    def _nullable(self, part: dict[str, Any]) -> dict[str, Any]:
        if self._takes_null(part, 0):
            return part
        types = _types(part)
        if types and types <= _SCALARS and not part.keys() & {"enum", "const", "anyOf"}:
            listed = part["type"] if isinstance(part["type"], list) else [part["type"]]
            return {**part, "type": [*listed, "null"]}
        if "anyOf" in part and not types:
            return {**part, "anyOf": [*part["anyOf"], {"type": "null"}]}
        about: dict[str, Any] = {key: part[key] for key in ("title", "description") if key in part}
        return {**about, "anyOf": [{k: v for k, v in part.items() if k not in about}, {"type": "null"}]}

    def _takes_null(self, part: dict[str, Any], hops: int) -> bool:
        if "$ref" in part:
            return hops < _MOST_LEVELS and self._takes_null(self._target(part["$ref"]), hops + 1)
        if "enum" in part or "const" in part:
            return None in part.get("enum", [None]) and part.get("const") is None and "null" in _types(part)
        if "type" in part and "null" not in _types(part):
            return False
        choices = part.get("anyOf", part.get("oneOf"))
        return choices is None or any(isinstance(c, dict) and self._takes_null(c, hops + 1) for c in choices)


def drop_added_nulls(value: Any, schema: AnswerSchema | dict[str, Any]) -> Any:
    """Return `value` without the nulls that only strict mode asked for: optional properties that may not be null.

    `schema`: the user's own. `value` is not changed; what is kept may be shared with it.
    """
    if not _has_null(value):
        return value
    own = schema if isinstance(schema, AnswerSchema) else AnswerSchema(schema)
    return _without_nulls(value, own, ())


def _without_nulls(value: Any, schema: AnswerSchema, pointer: Pointer) -> Any:
    part = _at(schema.schema, pointer)
    if not isinstance(part, dict) or not isinstance(value, (dict, list)):
        return value
    if isinstance(part.get("$ref"), str) and part["$ref"].startswith("#"):
        value = _without_nulls(value, schema, _steps(part["$ref"]))
    for index in range(len(part.get("allOf", ()))):
        value = _without_nulls(value, schema, (*pointer, "allOf", index))
    for keyword in ("anyOf", "oneOf"):
        places: list[Pointer] = [(*pointer, keyword, index) for index in range(len(part.get(keyword, ())))]
        candidates = ((place, _without_nulls(value, schema, place)) for place in places)
        value = next((fit for place, fit in candidates if schema.part_is_valid(place, fit)), value)
    if isinstance(value, list):
        return [_without_nulls(item, schema, (*pointer, "items")) for item in value] if "items" in part else value
    properties, required = part.get("properties", {}), part.get("required", ())
    kept = {}
    for name, child in value.items():
        place: Pointer = (*pointer, "properties", name)
        if child is None and name in properties and name not in required and not schema.part_is_valid(place, None):
            continue
        kept[name] = _without_nulls(child, schema, place) if name in properties else child
    return kept


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(child is None or _has_null(child) for child in value.values())
    return isinstance(value, list) and any(map(_has_null, value))


def _merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both schemas as one; `second` may say anew only what describes."""
    if (first.keys() & second.keys()) - _BESIDE_REF:
        raise _NotStrictError
    return {**first, **second}


def _steps(reference: str) -> Pointer:
    return tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in reference.split("/")[1:])


def _at(root: Any, pointer: Pointer) -> Any:
    """Return what stands at `pointer`, or None."""
    for step in pointer:
        if isinstance(root, list) and str(step).isdecimal() and int(step) < len(root):
            root = root[int(step)]
        elif isinstance(root, dict) and step in root:
            root = root[step]
        else:
            return None
    return root


def _types(part: dict[str, Any]) -> set[str]:
    named = part.get("type", [])
    return set(named) if isinstance(named, list) else {named}


def _within_limits(strict: dict[str, Any]) -> bool:
    properties = values = characters = 0
    for _pointer, part in walk(strict):
        own = part.get("enum", [])
        own_characters = sum(len(value) for value in own if isinstance(value, str))
        if len(own) > _MANY_ENUM_VALUES and own_characters > _MOST_ENUM_CHARACTERS:
            return False
        names = [*part.get("properties", {}), *(name for key in _DEFINITIONS for name in part.get(key, {}))]
        properties += len(part.get("properties", {}))
        values += len(own)
        constant = part.get("const")
        characters += sum(map(len, names)) + own_characters + (len(constant) if isinstance(constant, str) else 0)
    return properties <= _MOST_PROPERTIES and values <= _MOST_ENUM_VALUES and characters <= _MOST_NAME_CHARACTERS
