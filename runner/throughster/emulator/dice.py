"""Choices that only a seed decides: the same seed gives the same choices on every machine and Python version."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Dice"]

T = TypeVar("T")

_MASK = (1 << 64) - 1
_PRECISION = 1 << 53


class Dice:
    """A splitmix64 generator. `random.Random` would do, but sets up 2.5 kB of state for each answer."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, bound: int) -> int:
        """Return a whole number in [0, bound); bound >= 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) % bound

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        return self.below(_PRECISION) / _PRECISION

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def rotated(self, choices: Sequence[T]) -> list[T]:
        """All choices, in their order, from a random one on."""
        start = self.below(len(choices)) if choices else 0
        return [*choices[start:], *choices[:start]]
