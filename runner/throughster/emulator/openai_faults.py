"""The words of OpenAI's error bodies; Azure uses the same for what the model's API itself refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from throughster.emulator.checks import kind_of
from throughster.emulator.exchange import RejectedError

if TYPE_CHECKING:
    from throughster.emulator.checks import Fault, Place

__all__ = ["first_fault", "openai_error", "openai_fault"]

_A_KIND: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a decimal",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def openai_error(status: int, message: str, param: str | None = None, code: str | None = None) -> RejectedError:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return RejectedError(status, {"error": error})


def openai_fault(faults: list[Fault]) -> RejectedError:
    """Return the refusal for the first fault; unknown top-level names are listed together."""
    unknown = [str(fault.place[0]) for fault in faults if fault.kind == "unknown" and len(fault.place) == 1]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        return openai_error(400, f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")
    return openai_error(400, *_words(faults[0]))


def first_fault(faults: list[Fault]) -> RejectedError:
    """Return the Responses API's refusal: it names what is missing before what it does not know."""
    missing = [fault for fault in faults if fault.kind == "missing"]
    return openai_error(400, *_words((missing or faults)[0]))


def _words(fault: Fault) -> tuple[str, str, str]:
    """Return the message, `param` and `code`."""
    place = _place_text(fault.place)
    if fault.kind == "unknown":
        return f"Unknown parameter: '{place}'.", place, "unknown_parameter"
    if fault.kind == "missing":
        return f"Missing required parameter: '{place}'.", place, "missing_required_parameter"
    if fault.kind in {"low", "high"}:
        return _range_words(fault, place)
    if fault.kind == "value":
        assert fault.field is not None
        supported = _listed(fault.field.values)
        return f"Invalid value: '{fault.found}'. Supported values are: {supported}.", place, "invalid_value"
    return _form_words(fault, place)


def _listed(values: tuple[str, ...]) -> str:
    *others, last = [f"'{value}'" for value in values]
    if not others:
        return last
    return f"{', '.join(others)}{',' if len(others) > 1 else ''} and {last}"


def _range_words(fault: Fault, place: str) -> tuple[str, str, str]:
    assert fault.field is not None
    sort = "integer" if isinstance(fault.found, int) else "decimal"
    side, sign, bound = (
        ("below minimum", ">=", fault.field.low)
        if fault.kind == "low"
        else (
            "above maximum",
            "<=",
            fault.field.high,
        )
    )
    message = (
        f"Invalid '{place}': {sort} {side} value. Expected a value {sign} {bound:g}, but got {fault.found} instead."
    )
    return message, place, f"{sort}_{side[:5]}_{side[6:9]}_value"


def _form_words(fault: Fault, place: str) -> tuple[str, str, str]:
    field = fault.field
    if fault.kind == "too_few":
        expected, found = "Expected an array with minimum length 1", "an empty array"
        return f"Invalid '{place}': empty array. {expected}, but got {found} instead.", place, "empty_array"
    if fault.kind == "pattern" or field is None:
        expected = "Expected one that matches '^[a-zA-Z0-9_-]{1,64}$'"
        return f"Invalid '{place}': string does not match pattern. {expected}.", place, "invalid_value"
    if fault.kind == "too_many":
        expected = f"Expected at most {field.most} items, but got {len(fault.found)} instead"
        return f"Invalid '{place}': array too long. {expected}.", place, "array_above_max_length"
    expected = " or ".join(_A_KIND[kind] for kind in field.kinds)
    found = _A_KIND[kind_of(fault.found)]
    return f"Invalid type for '{place}': expected {expected}, but got {found} instead.", place, "invalid_type"


def _place_text(place: Place) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
