"""Which fields a request may have: a table per provider, one checker for all, and findings that take no side.

Each provider words the findings its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["TOOLS", "Fault", "Field", "Kind", "Place", "check_fields", "check_tools", "is_function_name", "kind_of"]

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "array", "object", "null"]
Place: TypeAlias = tuple[str | int, ...]

_LONGEST_NAME: Final = 64
_MOST_TOOLS: Final = 128


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold. `open_low`: `low` itself is excluded. `least`, `most`: how many items of an array.

    `items`: what each of them may be. Null counts as absent.
    """

    kinds: tuple[Kind, ...]
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    values: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    items: Field | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request. `place`: the path into the body. `field`: the rule that was broken, if any."""

    kind: Literal["unknown", "missing", "type", "low", "high", "value", "too_few", "too_many", "pattern"]
    place: Place
    found: Any = None
    field: Field | None = None


def kind_of(value: Any) -> Kind:
    """How JSON calls the type of a value; whole numbers are integers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def check_fields(
    body: Mapping[str, Any],
    fields: Mapping[str, Field],
    *,
    required: tuple[str, ...] = (),
    unknown_allowed: bool = False,
    place: Place = (),
) -> Iterator[Fault]:
    """Every fault of an object's fields: unknown keys first, then missing ones, then values."""
    if not unknown_allowed:
        for key, value in body.items():
            if key not in fields:
                yield Fault("unknown", (*place, key), value)
    for key in required:
        if body.get(key) is None:
            yield Fault("missing", (*place, key), body, fields.get(key))
    for key, value in body.items():
        field = fields.get(key)
        if field is not None and value is not None:
            yield from _check_value(value, field, (*place, key))


def _check_value(value: Any, field: Field, place: Place) -> Iterator[Fault]:
    kind = kind_of(value)
    if kind not in field.kinds and not (kind == "integer" and "number" in field.kinds):
        yield Fault("type", place, value, field)
    elif kind in {"integer", "number"}:
        if field.low is not None and (value < field.low or (field.open_low and value == field.low)):
            yield Fault("low", place, value, field)
        elif field.high is not None and value > field.high:
            yield Fault("high", place, value, field)
    elif kind == "array":
        if len(value) < field.least:
            yield Fault("too_few", place, value, field)
        elif field.most is not None and len(value) > field.most:
            yield Fault("too_many", place, value, field)
        for position, item in enumerate(value if field.items is not None else ()):
            if field.items is not None and kind_of(item) not in field.items.kinds:
                yield Fault("type", (*place, position), item, field.items)
    elif kind == "string" and field.values and value not in field.values:
        yield Fault("value", place, value, field)


_TOOL: Final = {"type": Field(("string",), values=("function",)), "function": Field(("object",))}
_FUNCTION: Final = {
    "name": Field(("string",)),
    "description": Field(("string",)),
    "parameters": Field(("object", "boolean")),
    "strict": Field(("boolean",)),
}
TOOLS: Final = Field(("array",), least=1, most=_MOST_TOOLS)


def check_tools(tools: Any, *, type_required: bool = True) -> Iterator[Fault]:
    """Every fault of the tools in an array: each one's shape, each function's name."""
    required = ("type", "function") if type_required else ("function",)
    for position, tool in enumerate(tools or ()):
        place: Place = ("tools", position)
        if not isinstance(tool, dict):
            yield Fault("type", place, tool, Field(("object",)))
            continue
        faults = list(check_fields(tool, _TOOL, required=required, unknown_allowed=True, place=place))
        yield from faults
        if not faults:
            yield from _check_function(tool["function"], (*place, "function"))


def _check_function(function: dict[str, Any], place: Place) -> Iterator[Fault]:
    faults = list(check_fields(function, _FUNCTION, required=("name",), unknown_allowed=True, place=place))
    yield from faults
    if not faults and not is_function_name(function["name"]):
        yield Fault("pattern", (*place, "name"), function["name"])


def is_function_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
