"""A figure that was measured, and the bound that it is held to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure", "at_least", "at_most", "exactly"]


@dataclass(frozen=True)
class Figure:
    name: str
    shown: str
    bound: str
    is_met: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.is_met else 'MISS'}  {self.name:<66} {self.shown:>14}   {self.bound}"


def at_least(name, value, bound, shown="{:,.3f}"):
    return Figure(name, shown.format(value), f"at least {shown.format(bound)}", value >= bound)


def at_most(name, value, bound, shown="{:,.3f}"):
    return Figure(name, shown.format(value), f"at most {shown.format(bound)}", value <= bound)


def exactly(name, value, bound):
    return Figure(name, str(value), f"exactly {bound}", value == bound)
