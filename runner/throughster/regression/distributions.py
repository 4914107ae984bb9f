"""Distributions of counts: masses from a first count on, and their sums.

Every mass is a float. A sum is computed by enumeration, not by an approximation. Only masses below 1e-25 at the ends
are left out, so that thousands of cases take no longer than their spread needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Distribution", "hypergeometric", "sum_of"]

_NOTHING = 1e-25


@dataclass(frozen=True, slots=True)
class Distribution:
    """`masses[k]`: the probability of the count `first + k`."""

    first: int
    masses: tuple[float, ...]

    def at_most(self, count: float) -> float:
        """The probability of `count` or less; between two counts on the line that joins them."""
        below = math.floor(count) - self.first
        if below < -1:
            return 0.0
        part = math.fsum(self.masses[: below + 1])
        if below + 1 < len(self.masses):
            part += (count - math.floor(count)) * self.masses[below + 1]
        return min(1.0, part)

    def __add__(self, other: Distribution) -> Distribution:
        """The sum of two independent counts."""
        short, long = sorted((self.masses, other.masses), key=len)
        width = len(short)
        backwards, padding = short[::-1], (0.0,) * (width - 1)
        padded = (*padding, *long, *padding)
        masses = [sum(map(mul, backwards, padded[n : n + width])) for n in range(len(long) + width - 1)]
        return _trimmed(self.first + other.first, masses)

    def times(self, count: int) -> Distribution:
        """The sum of `count` such counts, independent of each other."""
        total, doubled = Distribution(0, (1.0,)), self
        while count:
            if count & 1:
                total = total + doubled
            count >>= 1
            if count:
                doubled = doubled + doubled
        return total


def _trimmed(first: int, masses: Sequence[float]) -> Distribution:
    start, end = 0, len(masses)
    while start < end - 1 and masses[start] < _NOTHING:
        start += 1
    while end - 1 > start and masses[end - 1] < _NOTHING:
        end -= 1
    return Distribution(first + start, tuple(masses[start:end]))


def hypergeometric(drawn: int, others: int, marked: int) -> Distribution:
    """How many of `drawn` are marked, when `marked` of all `drawn + others` are, and every draw is as likely."""
    low, high = max(0, marked - others), min(drawn, marked)
    mode = min(high, max(low, (drawn + 1) * (marked + 1) // (drawn + others + 2)))

    def ratio(k: int) -> float:
        """Of the mass of k + 1 to that of k."""
        return (drawn - k) * (marked - k) / ((k + 1) * (others - marked + k + 1))

    above, below = [1.0], []
    for k in range(mode, high):
        above.append(above[-1] * ratio(k))
    mass = 1.0
    for k in range(mode - 1, low - 1, -1):
        mass /= ratio(k)
        below.append(mass)
    masses = below[::-1] + above
    total = math.fsum(masses)
    return _trimmed(low, [mass / total for mass in masses])


def sum_of(parts: Iterable[tuple[Distribution, int]]) -> Distribution:
    """The sum of independent counts, each distribution so often. The narrow ones are added first."""
    total = Distribution(0, (1.0,))
    for part in sorted((part.times(count) for part, count in parts), key=lambda part: len(part.masses)):
        total = total + part
    return total
