"""Values of declared inputs: text from a file becomes the number, boolean or list that `inputs` says it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.spec.model import InputSpec

__all__ = ["Types", "convert"]

_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


class Types:
    """The declared types of variables. Calling it gives a row's values converted."""

    def __init__(self, inputs: Mapping[str, InputSpec]) -> None:
        self._types = {name: declared.type for name, declared in inputs.items() if declared.type != "string"}

    def __bool__(self) -> bool:
        return bool(self._types)

    def __call__(self, values: dict[str, Any], place: str) -> dict[str, Any]:
        """The values, converted. Raises SpecError naming `place` for a value that is not what it should be."""
        for name, kind in self._types.items():
            if name in values:
                try:
                    values[name] = convert(values[name], kind)
                except ValueError:
                    found = str(values[name])[:60]
                    message = f"`{name}` must be {_WORDS[kind]} (see `inputs`), found `{found}`."
                    raise SpecError([Problem(place, 0, 0, message)]) from None
        return values


def convert(value: Any, kind: str) -> Any:
    """The value as `kind` (string, number, integer, boolean, array, object). Raises ValueError."""
    if isinstance(value, str) and kind != "string":
        value = _parse(value, kind)
    fits = {
        "string": isinstance(value, str),
        "number": isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }
    if not fits[kind]:
        raise ValueError(kind)
    return value


def _parse(text: str, kind: str) -> Any:
    stripped = text.strip()
    if kind == "integer":
        return int(stripped)
    if kind == "number":
        return int(stripped) if stripped.lstrip("+-").isdigit() else float(stripped)
    try:
        return orjson.loads(stripped)
    except orjson.JSONDecodeError as error:
        raise ValueError(kind) from error
