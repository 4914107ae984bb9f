"""Builds one value along a JSON Schema. It is a guess that is nearly always right; `synthesize` checks it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.patterns import text_for_pattern
from throughster.emulator.quantities import number_within
from throughster.emulator.schema_merge import NoInstanceError
from throughster.emulator.schema_options import SchemaOptions
from throughster.emulator.words import FORMATS, sentence, text_of_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from throughster.emulator.dice import Dice

__all__ = ["InstanceBuilder"]

_GENEROUS_DEPTH: Final = 3  # from here on optional parts are left out, so that recursion ends
_DEEPEST: Final = 40
_MOST_STEPS: Final = 5_000
_MANY: Final = 10_000  # items or properties; a schema that asks for more gets no answer
_TYPE_OF_KEYWORD: Final = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "minProperties": "object",
    "patternProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "contains": "array",
    "minItems": "array",
    "maxItems": "array",
    "uniqueItems": "array",
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}


class InstanceBuilder:
    """Builds a value for one schema.

    `terse`: only what is required. `prefer_else`: `if` conditions are left unmet. `untyped`: what a schema without a
    type, and without a keyword that tells it, stands for.
    """

    def __init__(
        self, schema: Any, dice: Dice, *, terse: bool = False, prefer_else: bool = False, untyped: str = "string"
    ) -> None:
        self._schema = schema
        self._dice = dice
        self._terse = terse
        self._untyped = untyped
        self._options = SchemaOptions(schema, dice, terse=terse, prefer_else=prefer_else)
        self._steps = 0
        self._makers: Final[dict[str, Callable[[Mapping[str, Any], int], Any]]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda flat, _: number_within(flat, self._dice, whole=True),
            "number": lambda flat, _: number_within(flat, self._dice, whole=False),
            "boolean": lambda _flat, _depth: self._dice.below(2) == 1,
            "null": lambda _flat, _depth: None,
        }

    def build(self) -> Any:
        """Return the value. Raises NoInstanceError where no alternative of the schema led to one."""
        return self._value(self._schema, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        self._steps += 1
        if depth > _DEEPEST or self._steps > _MOST_STEPS:
            raise NoInstanceError("the schema asks for a value without an end, or for too large a one")
        reason = "a schema that is `false` allows no value"
        for flat in self._options.of(schema, shallow_first=depth >= _GENEROUS_DEPTH):
            try:
                return self._flat_value(flat, depth)
            except NoInstanceError as error:
                reason = str(error)
        raise NoInstanceError(reason)

    def _flat_value(self, flat: Mapping[str, Any], depth: int) -> Any:
        types = _types_of(flat, self._untyped)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            fitting = [value for value in flat["enum"] if "type" not in flat or _is_of_type(value, types)]
            if not fitting:
                raise NoInstanceError("no value of `enum` is of the type asked for")
            return self._dice.pick(fitting)
        reason = "there is no type to choose"
        for name in sorted(types, key=lambda t: t == "null", reverse=depth > _GENEROUS_DEPTH):
            try:
                return self._makers[name](flat, depth)
            except NoInstanceError as error:
                reason = str(error)
        raise NoInstanceError(reason)

    def _string(self, flat: Mapping[str, Any], _depth: int) -> str:
        low, high = int(flat.get("minLength", 0)), flat.get("maxLength")
        high = None if high is None else int(high)
        if (high is not None and low > high) or low > _MANY * 100:
            raise NoInstanceError(f"no text has {low} characters or more and {high} or less")
        if "pattern" in flat:
            text = text_for_pattern(flat["pattern"], self._dice, low, high)
            if text is None:
                raise NoInstanceError(f"no text was found for the pattern {flat['pattern']!r}")
            return text
        if flat.get("format") in FORMATS:
            return FORMATS[flat["format"]](self._dice)
        return text_of_length(self._dice, low, high)

    def _array(self, flat: Mapping[str, Any], depth: int) -> list[Any]:
        first, rest = _item_schemas(flat)
        low, high = int(flat.get("minItems", 0)), int(flat.get("maxItems", _MANY))
        contained = int(flat.get("minContains", 1)) if "contains" in flat else 0
        low = max(low, contained)
        if low > min(high, _MANY):
            raise NoInstanceError(f"an array cannot have {low} items or more and {high} or less")
        generous = not self._terse and depth < _GENEROUS_DEPTH
        wanted = max(low, len(first), 1 + self._dice.below(3)) if generous else low
        items: list[Any] = []
        seen: set[str] | None = set() if flat.get("uniqueItems") else None
        for position in range(min(wanted, high)):
            schema = first[position] if position < len(first) else rest
            if len(items) < contained:
                schema = _both(schema, flat["contains"])
            try:
                items.append(self._new_item(schema, depth, seen))
            except NoInstanceError:
                if len(items) >= low:
                    break
                raise
        return items

    def _new_item(self, schema: Any, depth: int, seen: set[str] | None) -> Any:
        if seen is None:
            return self._value(schema, depth + 1)
        for _ in range(24):
            item = self._value(schema, depth + 1)
            key = json.dumps(item, sort_keys=True).removesuffix(".0")  # 1 and 1.0 are equal in JSON Schema
            if key not in seen:
                seen.add(key)
                return item
        raise NoInstanceError("not enough different items were found for `uniqueItems`")

    def _object(self, flat: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = flat.get("properties", {})
        required = _with_dependents(list(flat.get("required", ())), flat)
        generous = not self._terse and depth < _GENEROUS_DEPTH
        names = [name for name in properties if generous or name in required]
        names += [name for name in required if name not in properties]
        room = int(flat.get("maxProperties", _MANY))
        if len(required) > room:
            raise NoInstanceError(f"{len(required)} properties are required and {room} allowed")
        if len(names) > room:
            names = [name for name in names if name in required][:room]
        if generous:
            needed = set(_with_dependents(names, flat))
            names += [name for name in needed if name not in names]
        built: dict[str, Any] = {}
        for name in names:
            try:
                built[name] = self._value(_property_schema(flat, name), depth + 1)
            except NoInstanceError:
                if name in required:
                    raise
        self._fill_up(built, flat, depth)
        return built

    def _fill_up(self, built: dict[str, Any], flat: Mapping[str, Any], depth: int) -> None:
        """Add properties until there are `minProperties` of them."""
        least = int(flat.get("minProperties", 0))
        if least > _MANY:
            raise NoInstanceError(f"the schema asks for {least} properties")
        for name in self._spare_names(flat, least):
            if len(built) >= least:
                return
            if name not in built:
                built[name] = self._value(_property_schema(flat, name), depth + 1)
        if len(built) < least:
            raise NoInstanceError(f"{least} properties are asked for, and no more names were found")

    def _spare_names(self, flat: Mapping[str, Any], count: int) -> Iterator[str]:
        yield from flat.get("properties", {})
        for pattern in flat.get("patternProperties", {}):
            for _ in range(4 * count):
                name = text_for_pattern(pattern, self._dice)
                if name is not None:
                    yield name
        for number in range(4 * count):
            if "propertyNames" in flat:
                name = self._value({"allOf": [{"type": "string"}, flat["propertyNames"]]}, _GENEROUS_DEPTH)
                yield str(name)
            else:
                yield f"{sentence(self._dice, 1)}_{number}"


def _both(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {"allOf": [first, second]}
    if first is False or second is False:
        return False
    return second if isinstance(second, dict) else first


def _types_of(flat: Mapping[str, Any], untyped: str) -> list[str]:
    declared = flat.get("type")
    if isinstance(declared, str):
        return [declared]
    if declared:
        return list(declared)
    return [next((kind for keyword, kind in _TYPE_OF_KEYWORD.items() if keyword in flat), untyped)]


def _is_of_type(value: Any, types: list[str]) -> bool:
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int | float):
        return "number" in types or ("integer" in types and float(value).is_integer())
    kind = "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
    return kind in types


def _item_schemas(flat: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the schemas of the first items, and the one of all others; before 2020-12 both stood under `items`."""
    items = flat.get("items", True)
    if isinstance(items, list):
        return items, flat.get("additionalItems", True)
    return list(flat.get("prefixItems", ())), items


def _property_schema(flat: Mapping[str, Any], name: str) -> Any:
    applying = [flat["properties"][name]] if name in flat.get("properties", {}) else []
    for pattern, schema in flat.get("patternProperties", {}).items():
        try:
            found = re.search(pattern, name)
        except re.error:
            continue  # an expression that only ECMAScript knows; the check of the whole value covers it
        if found:
            applying.append(schema)
    if not applying:
        return flat.get("additionalProperties", flat.get("unevaluatedProperties", True))
    return applying[0] if len(applying) == 1 else {"allOf": applying}


def _with_dependents(names: list[str], flat: Mapping[str, Any]) -> list[str]:
    """Return the names, and those that `dependentRequired` (`dependencies` before 2019-09) asks for because of them."""
    asked = {**flat.get("dependencies", {}), **flat.get("dependentRequired", {})}
    result = list(names)
    for name in result:
        more = asked.get(name)
        if isinstance(more, list):
            result.extend(other for other in more if other not in result)
    return result
