"""How much one render may do: a count of work, since a template can neither be timed nor be trusted.

A unit is about one character written. Loops, calls and filters cost units too, so that a template that writes nothing
ends as well: 50 million units take about two seconds.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from jinja2.exceptions import SecurityError

if TYPE_CHECKING:
    from contextvars import Token

__all__ = ["CALL_COST", "FILTER_COST", "LONGEST_TEXT", "LOOP_COST", "Budget", "charge", "end", "start"]

WORK = 50_000_000
LONGEST_TEXT = 10_000_000
LOOP_COST = 20
FILTER_COST = 20
CALL_COST = 200


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
    if units > LONGEST_TEXT:
        raise SecurityError(f"a text or list of {units:,} elements is too long: at most {LONGEST_TEXT:,} are allowed")
    budget = _current.get(None)
    if budget is None:  # plain text with variables in it: nothing there repeats
        return
    budget.left -= units
    if budget.left < 0:
        raise SecurityError("the template does too much: its loops or texts are too long for a prompt")
