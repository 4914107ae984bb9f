"""Column types for the answers of a spec.

`datasets` guesses types from the first rows that it writes. An optional key that first appears in row 5,000 would end
the map there, with 5,000 answers paid for, so the types come from the schema where it says them.
"""

from __future__ import annotations

from typing import Any

import datasets
from datasets import Features, Value

__all__ = ["answer_features"]

_KINDS = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}


def answer_features(
    before: Features, removed: list[str], column: str, error_column: str, schema: dict[str, Any] | None
) -> Features | None:
    """The features of a dataset with the answers in it; None where only the answers can tell."""
    answer = Value("string") if schema is None else _feature(schema)
    if answer is None:
        return None
    kept = {name: feature for name, feature in before.items() if name not in removed}
    return Features({**kept, column: answer, error_column: Value("string")})


def _feature(schema: Any) -> Any:
    """The feature for values that fit the schema, or None."""
    if not isinstance(schema, dict):
        return None
    kind = _kind(schema)
    if kind in _KINDS:
        return Value(_KINDS[kind])
    if kind == "array" and (item := _feature(schema.get("items"))) is not None:
        return [item] if not hasattr(datasets, "List") else datasets.List(item)
    if kind == "object" and schema.get("additionalProperties") is False and schema.get("properties"):
        parts = {name: _feature(part) for name, part in schema["properties"].items()}
        if all(part is not None for part in parts.values()):
            return parts
    return datasets.Json() if hasattr(datasets, "Json") and kind in ("array", "object") else None


def _kind(schema: dict[str, Any]) -> str | None:
    """The one JSON type of the values, `null` beside it left aside."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = [kind for kind in kinds if kind != "null"]
        return kinds[0] if len(kinds) == 1 else None
    if kinds is None and isinstance(schema.get("enum"), list):
        return "string" if all(isinstance(value, str | None) for value in schema["enum"]) else None
    return kinds if isinstance(kinds, str) else None
