"""Numbers within the bounds of a JSON Schema, reckoned exactly so that `multipleOf: 0.01` holds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, lcm
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.schema_merge import NoInstanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator.dice import Dice

__all__ = ["number_within"]

_SPREAD: Final = 40  # steps to choose among where a side has no bound


@dataclass(frozen=True, slots=True)
class _Bound:
    value: Fraction
    excluded: bool


def number_within(schema: Mapping[str, Any], dice: Dice, *, whole: bool) -> int | float:
    """Return a number that keeps to minimum, maximum, their exclusive forms and multipleOf. Raises NoInstanceError."""
    low = _bound(schema, "minimum", "exclusiveMinimum", pick=max)
    high = _bound(schema, "maximum", "exclusiveMaximum", pick=min)
    step = _step(schema, whole=whole)
    value = _on_grid(low, high, step, dice) if step is not None else _between(low, high, dice)
    if value.denominator == 1 and (whole or step is not None):
        return value.numerator
    return float(value)


def _bound(schema: Mapping[str, Any], inclusive: str, exclusive: str, *, pick: Any) -> _Bound | None:
    found: list[_Bound] = []
    limit, excluding = schema.get(inclusive), schema.get(exclusive)
    if limit is not None:
        found.append(_Bound(_exact(limit), excluding is True))  # `true` is how draft 4 says exclusive
    if excluding is not None and not isinstance(excluding, bool):
        found.append(_Bound(_exact(excluding), excluded=True))
    if not found:
        return None
    tightest = pick(bound.value for bound in found)
    return _Bound(tightest, any(bound.excluded for bound in found if bound.value == tightest))


def _exact(number: float) -> Fraction:
    return Fraction(number) if isinstance(number, int) else Fraction(str(number))


def _step(schema: Mapping[str, Any], *, whole: bool) -> Fraction | None:
    if "multipleOf" not in schema:
        return Fraction(1) if whole else None
    step = _exact(schema["multipleOf"])
    # The least whole number that is a multiple of a/b, in lowest terms, is a.
    return Fraction(lcm(step.numerator, 1)) if whole else step


def _on_grid(low: _Bound | None, high: _Bound | None, step: Fraction, dice: Dice) -> Fraction:
    first = None if low is None else ceil(low.value / step)
    last = None if high is None else floor(high.value / step)
    if first is not None and low is not None and low.excluded and first * step == low.value:
        first += 1
    if last is not None and high is not None and high.excluded and last * step == high.value:
        last -= 1
    if first is None:
        first = 1 if last is None or last >= 1 else last - _SPREAD
    elif first < 1 and (last is None or last >= 1):
        first = max(first, 1)
    if last is None:
        last = first + _SPREAD
    if first > last:
        raise NoInstanceError("no number keeps to the bounds and to `multipleOf`")
    return step * (first + dice.below(min(last - first, _SPREAD) + 1))


def _between(low: _Bound | None, high: _Bound | None, dice: Dice) -> Fraction:
    if low is None and high is None:
        return Fraction(5 + dice.below(990), 10)
    if low is None:
        assert high is not None
        return high.value - Fraction(5 + dice.below(100), 10)
    if high is None:
        return low.value + Fraction(5 + dice.below(100), 10)
    width = high.value - low.value
    if width < 0 or (width == 0 and (low.excluded or high.excluded)):
        raise NoInstanceError(f"no number lies between {float(low.value)} and {float(high.value)}")
    value = low.value + width * Fraction(1 + dice.below(98), 100)
    tidy = round(value, 2)
    return tidy if low.value < tidy < high.value else value
