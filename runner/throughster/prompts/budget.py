"""How much one render may do: one budget of work and memory, since a template can neither be timed nor be trusted.

A unit is at most about 20 nanoseconds and 4 bytes: one character copied. Everything that a template can do is charged
before it is done, by what it costs: loops, calls, operators and filters too, so that a template that writes nothing
ends as well. All of it takes about a second, or 120 MB.
"""

from __future__ import annotations

from collections.abc import ItemsView as Items
from collections.abc import Iterable, Iterator, KeysView, Sized, ValuesView
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError

if TYPE_CHECKING:
    from contextvars import Token

__all__ = [
    "CALL_COST",
    "COPIED",
    "FILTER_COST",
    "ITEM_COST",
    "LONGEST_TEXT",
    "LOOP_COST",
    "NODE_COST",
    "Budget",
    "charge",
    "charge_for_comparing",
    "counted",
    "end",
    "size_of",
    "start",
]

WORK = 30_000_000
LONGEST_TEXT = 10_000_000
LOOP_COST = 20
FILTER_COST = 60
CALL_COST = 200
ITEM_COST = 20  # a new text of a few characters, or a step of an iterator
NODE_COST = 8  # a part of a template's tree, each time it runs
COPIED = 2  # an element of a list that is copied
_READ = 16  # characters that are compared, or moved, in the time of one that is made
_VISIT = 10  # an element that is visited while something is measured
_HOLDERS = (dict, list, tuple, KeysView, ValuesView, Items)


class Budget:
    """What is left of one render's work."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WORK


_current: ContextVar[Budget] = ContextVar("prompt_budget")


def start() -> Token[Budget]:
    return _current.set(Budget())


def end(token: Token[Budget]) -> None:
    _current.reset(token)


def charge(units: int) -> None:
    """Take `units` from the running render. Raises Jinja's `SecurityError` when nothing is left."""
    budget = _current.get(None)
    if budget is None:  # plain text with variables in it: nothing there repeats
        if units > LONGEST_TEXT:
            raise SecurityError(
                f"a text or list of {units:,} elements is too long: at most {LONGEST_TEXT:,} are allowed"
            )
        return
    budget.left -= units
    if budget.left < 0:
        raise SecurityError("the template does too much: its loops or texts are too long for a prompt")


def counted(values: Iterable[Any], cost: int = ITEM_COST) -> Iterator[Any]:
    """Yield the values, each at a price: nobody knows how many an iterator has."""
    for value in values:
        charge(cost)
        yield value


def size_of(value: Any) -> int:
    """What it costs to read all of `value`. A list that stands in many places is looked at once, and counts in each.

    Finding it out is charged for as well.
    """
    if type(value) is str:
        return 1 + len(value) // _READ
    if not isinstance(value, _HOLDERS):
        return 1
    sizes: dict[int, int] = {}
    opened: set[int] = set()
    kept: list[Any] = []  # so that no id is given to another
    stack = [value]
    while stack:
        node = stack[-1]
        if id(node) in sizes:
            stack.pop()
            continue
        children = _children(node)
        charge(_VISIT * (len(children) + 5))
        unknown = [child for child in children if isinstance(child, _HOLDERS) and id(child) not in sizes]
        if unknown:
            opened.add(id(node))
            if any(id(child) in opened for child in unknown):
                raise SecurityError("a list or mapping that holds itself has no end")
            kept.append(children)
            stack.extend(unknown)
            continue
        size = 1 + len(children)
        for child in children:
            if isinstance(child, _HOLDERS):
                size += sizes[id(child)]
            elif isinstance(child, str):
                size += len(child) // _READ
        sizes[id(node)] = size
        kept.append(node)
        stack.pop()
    return sizes[id(value)]


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [*node, *node.values()]
    if isinstance(node, Items):
        return [part for pair in node for part in pair]
    return list(node)


def charge_for_comparing(left: Any, right: Any) -> None:
    """Charge for `left == right`, or `<`: as much as the smaller of them has."""
    if isinstance(left, str) and isinstance(right, str):
        charge(1 + min(len(left), len(right)) // _READ)
    elif isinstance(left, Sized) and isinstance(right, Sized):
        smaller = left if len(left) <= len(right) else right
        charge(size_of(smaller))
    elif isinstance(left, int) and isinstance(right, int):
        charge(1)
