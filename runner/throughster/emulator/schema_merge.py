"""Two schemas as one: what holds for both, for the keywords that can be joined without looking at values."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["NoInstanceError", "merged"]


class NoInstanceError(Exception):
    """No value could be built that fits the schema; the message says what stood in the way."""


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that asks for what both ask. Raises NoInstanceError where they plainly exclude each other."""
    result = dict(first)
    for key, value in second.items():
        if key not in result:
            result[key] = value
        elif result[key] != value and key in _JOIN:
            result[key] = _JOIN[key](result[key], value)
    return result


def _both(first: Any, second: Any) -> dict[str, Any]:
    return {"allOf": [first, second]}


def _types(first: Any, second: Any) -> list[str]:
    one = [first] if isinstance(first, str) else first
    two = [second] if isinstance(second, str) else second
    common = [t for t in one if t in two or (t == "integer" and "number" in two)]
    if "number" in one and "integer" in two and "integer" not in common:
        common.append("integer")
    if not common:
        raise NoInstanceError(f"a value cannot be of type {first!r} and of type {second!r}")
    return common


def _enums(first: list[Any], second: list[Any]) -> list[Any]:
    common = [value for value in first if value in second]
    if not common:
        raise NoInstanceError("two `enum` lists that both apply have no value in common")
    return common


def _consts(first: Any, second: Any) -> Any:
    raise NoInstanceError(f"a value cannot be {first!r} and {second!r}")


def _multiples(first: Any, second: Any) -> Any:
    one, two = Fraction(str(first)), Fraction(str(second))
    common = Fraction(lcm(one.numerator * two.denominator, two.numerator * one.denominator))
    common /= one.denominator * two.denominator
    return common.numerator if common.denominator == 1 else float(common)


def _by_name(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    result = dict(first)
    for name, schema in second.items():
        result[name] = _both(result[name], schema) if name in result else schema
    return result


def _union(first: list[str], second: list[str]) -> list[str]:
    return [*first, *(name for name in second if name not in first)]


_JOIN: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "type": _types,
    "enum": _enums,
    "const": _consts,
    "multipleOf": _multiples,
    "required": _union,
    "uniqueItems": lambda first, second: first or second,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
    **dict.fromkeys(("properties", "patternProperties"), _by_name),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames", "contains"), _both),
}
