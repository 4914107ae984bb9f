"""Whether latency, cost and tokens have changed, or only vary.

The two runs are compared case by case, since one question takes longer than another: the change of each case's median
goes into Wilcoxon's signed-rank test (1945, Biometrics Bull. 1, 80-83), two-sided. The 95th percentile has a
distribution-free interval from the order of the values (David and Nagaraja, Order Statistics, section 7.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from throughster.regression.distributions import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Drift", "drift", "percentile", "percentile_interval", "signed_rank_p"]

_EXACT = 40


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all answers in one run. `p95_interval`: where the true 95th percentile lies; None for an end not known."""

    answers: int
    total: float
    median: float
    p95: float
    p95_low: float | None
    p95_high: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How one quantity moved. `change`: the median over the cases of each case's relative change (0.1: 10 % more).

    `p`: how likely such a move of the cases is by chance. `is_noise`: whether chance explains it at the comparison's
    alpha. `p95_moved`: whether the intervals of the 95th percentiles are apart; None where there are too few answers.
    """

    quantity: str
    before: Figures
    after: Figures
    change: float
    p: float
    is_noise: bool
    p95_moved: bool | None


def drift(quantity: str, values: Sequence[tuple[Sequence[float], Sequence[float]]], alpha: float) -> Drift | None:
    """From the values of each case in the two runs. None where no case has values in both."""
    pairs = [(before, after) for before, after in values if before and after]
    if not pairs:
        return None
    middles = [(median(before), median(after)) for before, after in pairs]
    p = signed_rank_p([after - before for before, after in middles])
    changes = [after / before - 1 for before, after in middles if before > 0]
    earlier = _figures([value for before, _ in pairs for value in before], alpha)
    later = _figures([value for _, after in pairs for value in after], alpha)
    ends = (earlier.p95_low, earlier.p95_high, later.p95_low, later.p95_high)
    moved = None
    if earlier.p95_high is not None and later.p95_high is not None and None not in ends:
        assert earlier.p95_low is not None
        assert later.p95_low is not None
        moved = later.p95_low > earlier.p95_high or later.p95_high < earlier.p95_low
    return Drift(quantity, earlier, later, median(changes) if changes else 0.0, p, p > alpha, moved)


def _figures(values: Sequence[float], alpha: float) -> Figures:
    ordered = sorted(values)
    low, high = percentile_interval(len(ordered), 0.95, alpha / 2)
    return Figures(
        len(ordered),
        math.fsum(ordered),
        median(ordered),
        percentile(ordered, 0.95),
        None if low is None else ordered[low],
        None if high is None else ordered[high],
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values, one at least: linear interpolation between the two nearest, as numpy does by default."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def percentile_interval(count: int, share: float, alpha: float) -> tuple[int | None, int | None]:
    """The places, among `count` sorted values, between which the true percentile lies; None: beyond them all.

    `alpha` is the chance of missing it at either end.
    """
    below = Distribution(0, (1 - share, share)).times(count)  # how many of the values are below the true one
    low = high = None
    at_most = 0.0
    for k, mass in enumerate(below.masses, below.first):
        if at_most + mass > alpha and low is None:
            low = k - 1  # fewer than k are below it with at most `alpha`
        at_most += mass
        if high is None and 1 - at_most <= alpha:
            high = k
    return (low if low is not None and low >= 0 else None), (high if high is not None and high < count else None)


def signed_rank_p(differences: Sequence[float]) -> float:
    """Two-sided; exact up to 40 differences other than 0, beyond that by the normal approximation, ties counted."""
    moved = sorted((d for d in differences if d), key=abs)
    if not moved:
        return 1.0
    ranks = _double_ranks([abs(d) for d in moved])
    rising = sum(rank for rank, d in zip(ranks, moved, strict=True) if d > 0)
    low = min(rising, sum(ranks) - rising)
    if len(ranks) <= _EXACT:
        total = Distribution(0, (1.0,))
        for rank in ranks:
            total = total + Distribution(0, (0.5, *(0.0,) * (rank - 1), 0.5))
        return min(1.0, 2 * total.at_most(low))
    deviation = math.sqrt(sum(rank * rank for rank in ranks)) / 2
    return min(1.0, 2 * NormalDist().cdf((low + 1 - sum(ranks) / 2) / deviation))


def _double_ranks(ordered: Sequence[float]) -> list[int]:
    """Twice the rank of each sorted value, so that the mean rank of equal ones is whole."""
    ranks: list[int] = []
    while len(ranks) < len(ordered):
        start = end = len(ranks)
        while end < len(ordered) and ordered[end] == ordered[start]:
            end += 1
        ranks += [start + end + 1] * (end - start)
    return ranks
