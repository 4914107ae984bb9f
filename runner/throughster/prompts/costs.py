"""What the operations of templates cost, in the units of `budget`."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, Any

from jinja2.tests import TESTS

from throughster.prompts.budget import ITEM_COST, LOOP_COST, charge, charge_for_comparing, counted, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["charge_for_finding", "charge_for_order", "compare", "comparing_tests", "lines_in", "stripped", "wrapped"]

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_WORD = re.compile(r"\S{500,}")
_MOVED = 128  # characters that are moved in the time of one that is made
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
_COMPARING = (
    "==", "!=", "<", "<=", ">", ">=", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge",
)  # fmt: skip


def compare(left: Any, name: str, right: Any) -> Any:
    """`left name right`, charged for; `name` is what Jinja calls the operator."""
    if name in ("in", "notin"):
        right = charge_for_finding(left, right)
        return (left in right) is (name == "in")
    charge_for_comparing(left, right)
    return _OPERATORS[name](left, right)


def charge_for_finding(value: Any, place: Any) -> Any:
    """Charge for `value in place`; return what to look in, which counts where it is an iterator."""
    if isinstance(place, str):
        charge(1 + len(place) // 4)
    elif isinstance(place, dict):
        charge(size_of(value))
    elif isinstance(place, range):
        charge(1 if isinstance(value, int) else LOOP_COST * len(place))
    elif isinstance(place, Sized) and isinstance(place, Iterable):
        charge(len(place))
        if isinstance(value, str):
            length = len(value)
            charge(sum(length // 16 for one in place if isinstance(one, str) and len(one) == length))
        elif isinstance(value, Sized):
            for one in place:
                charge_for_comparing(value, one)
    elif isinstance(place, Iterable):
        return counted(place)
    return place


def comparing_tests() -> dict[str, Callable[..., Any]]:
    """Jinja's tests that compare, charged for."""

    def charged(test: Callable[..., Any]) -> Callable[..., Any]:
        def test_charged(left: Any, right: Any) -> Any:
            charge_for_comparing(left, right)
            return test(left, right)

        return test_charged

    known: dict[str, Any] = dict(TESTS)
    tests = {name: charged(known[name]) for name in _COMPARING}
    return {**tests, "in": lambda value, place: value in charge_for_finding(value, place)}


def charge_for_order(keys: Iterable[Any], times: int) -> None:
    """Charge for keys that are compared with each other `times` log(n) times, and copied once to ignore their case."""
    count, size = 0, 0
    for key in keys:
        count += 1
        charge(ITEM_COST + (len(key) if isinstance(key, str) else 0))
        size += size_of(key)
        if size > charge_for_order.most:  # type: ignore[attr-defined]
            break
    charge((size + 2 * count) * times * max(1, count.bit_length()))


charge_for_order.most = 40_000_000  # type: ignore[attr-defined]


def lines_in(text: str) -> int:
    """How many lines `splitlines` makes of it, at most."""
    return 1 + sum(text.count(end) for end in _LINE_ENDS)


def wrapped(text: str, width: Any, between: int) -> int:
    """Of wrapping a text: the parts of a word that is too long are cut off it one by one, and the rest moved."""
    wide = max(1, width if isinstance(width, int) else 1)
    moved = sum(len(word) ** 2 // (_MOVED * wide) for word in _WORD.findall(text))
    lines = lines_in(text) + len(text) // wide
    return 20 * len(text) + lines * (100 + between) + moved


def stripped(text: str) -> int:
    """Of taking tags away: with each one, the text is copied."""
    tags = text.count("<")
    return len(text) * (8 + tags // _MOVED) + 20 * tags
