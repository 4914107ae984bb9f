"""Values of declared inputs: text from a file becomes the number, boolean or list that `inputs` says it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from throughster.spec.model import InputSpec

__all__ = ["Converted", "convert"]

_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


class Converted:
    """Rows with the values of declared inputs converted. Raises SpecError at a value that is not what it should be."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], inputs: Mapping[str, InputSpec], file: str) -> None:
        self._rows = rows
        self._types = {name: declared.type for name, declared in inputs.items() if declared.type != "string"}
        self._file = file

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if not self._types:
            return iter(self._rows)
        return self._converted()

    def _converted(self) -> Iterator[Mapping[str, Any]]:
        for number, row in enumerate(self._rows, start=1):
            changed = {}
            for name, kind in self._types.items():
                if name in row:
                    try:
                        changed[name] = convert(row[name], kind)
                    except ValueError:
                        found = str(row[name])[:60]
                        message = f"Row {number}: `{name}` must be {_WORDS[kind]}, found `{found}`."
                        raise SpecError([Problem(self._file, 0, 0, message)]) from None
            yield {**row, **changed}


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
