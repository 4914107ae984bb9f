"""How servers built on pydantic (Mistral's, vLLM) word what is wrong with a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.emulator.checks import Fault, Field

__all__ = ["pydantic_words"]

_OF_KIND: Final = {
    "string": ("string_type", "string"),
    "integer": ("int_type", "integer"),
    "number": ("float_type", "number"),
    "boolean": ("bool_type", "boolean"),
    "array": ("list_type", "list"),
    "object": ("dict_type", "dictionary"),
}


def pydantic_words(fault: Fault) -> tuple[str, str]:
    """Return the error's `type` and its `msg`."""
    if fault.field is None or fault.kind in _WITHOUT_FIELD:
        return _WITHOUT_FIELD[fault.kind]
    return _OF_FAULT[fault.kind](fault.field, fault.found)


def _type_words(field: Field, _found: Any) -> tuple[str, str]:
    kind, name = _OF_KIND[field.kinds[0]]
    return kind, f"Input should be a valid {name}"


def _low_words(field: Field, _found: Any) -> tuple[str, str]:
    if field.open_low:
        return "greater_than", f"Input should be greater than {field.low:g}"
    return "greater_than_equal", f"Input should be greater than or equal to {field.low:g}"


def _high_words(field: Field, _found: Any) -> tuple[str, str]:
    return "less_than_equal", f"Input should be less than or equal to {field.high:g}"


def _few_words(field: Field, found: Any) -> tuple[str, str]:
    return "too_short", f"List should have at least {field.least} item after validation, not {len(found)}"


def _many_words(field: Field, found: Any) -> tuple[str, str]:
    return "too_long", f"List should have at most {field.most} items after validation, not {len(found)}"


def _value_words(field: Field, _found: Any) -> tuple[str, str]:
    *others, last = [f"'{value}'" for value in field.values]
    return "literal_error", f"Input should be {', '.join(others)} or {last}" if others else f"Input should be {last}"


_WITHOUT_FIELD: Final[dict[str, tuple[str, str]]] = {
    "unknown": ("extra_forbidden", "Extra inputs are not permitted"),
    "missing": ("missing", "Field required"),
    "pattern": ("string_pattern_mismatch", "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
}
_OF_FAULT: Final[dict[str, Callable[[Field, Any], tuple[str, str]]]] = {
    "type": _type_words,
    "low": _low_words,
    "high": _high_words,
    "too_few": _few_words,
    "too_many": _many_words,
    "value": _value_words,
}
