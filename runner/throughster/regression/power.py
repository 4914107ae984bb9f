"""What a comparison could have found: the power of the suite's test, and how many repeats it takes.

A normal approximation to the exact test, for a drop that takes the same share from every case's chance of passing.
Simulations agree with it within some points wherever the power is near 0.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.regression.statistics import Pair

__all__ = ["ENOUGH", "MOST_REPEATS", "Suite", "power", "repeats_needed"]

ENOUGH = 0.8
MOST_REPEATS = 1000
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Suite:
    """What the power depends on. `rate`: mean chance of passing before; `square`: mean of its square over the cases."""

    cases: int
    rate: float
    square: float

    @classmethod
    def of(cls, pairs: Sequence[Pair], rate: float, drop: float) -> Suite:
        """As the two runs show it. A rate below `drop` is taken as `drop`, the least from which so much can be lost.

        How far the cases differ is estimated from both runs; where they differ much, each varies less.
        """
        within = math.fsum(
            pair.passed * (pair.repeats - pair.passed) / (pair.repeats * (pair.repeats - 1)) for pair in pairs
        ) / len(pairs)
        rate = max(rate, drop)
        return cls(len(pairs), rate, rate - min(within, rate * (1 - rate)))


def power(suite: Suite, before: float, after: float, drop: float, tolerance: float, alpha: float) -> float:
    """The chance that a true drop of `drop` is found, with so many repeats a case (means, at least 1) in the two runs.

    0 where the drop is no greater than the tolerance.
    """
    if drop <= tolerance or suite.rate < drop:
        return 0.0
    kept = 1 - drop / suite.rate
    failing_before = suite.rate - suite.square
    failing_after = kept * suite.rate - kept * kept * suite.square
    repeats = before + after
    weight = before * after / repeats
    true = weight * (before * failing_after + after * failing_before) / repeats
    passed = before + after * kept
    spread = repeats * passed * suite.rate - before * failing_before - after * failing_after - passed**2 * suite.square
    assumed = weight * spread / (repeats * (repeats - 1))
    found = weight * (drop - tolerance) * suite.cases - 0.5
    needed = _NORMAL.inv_cdf(1 - alpha) * math.sqrt(assumed * suite.cases)
    if true <= 0:
        return float(found > needed)
    return _NORMAL.cdf((found - needed) / math.sqrt(true * suite.cases))


def repeats_needed(suite: Suite, drop: float, tolerance: float, alpha: float) -> int | None:
    """The least repeats of each case, in both runs, with which such a drop is found in 80 % of comparisons.

    None where it takes more than 1000.
    """
    low, high = 0, MOST_REPEATS
    if power(suite, high, high, drop, tolerance, alpha) < ENOUGH:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if power(suite, middle, middle, drop, tolerance, alpha) < ENOUGH:
            low = middle
        else:
            high = middle
    return high
