"""A whole suite in two runs: its pass rates, the drop, and what could have been found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.regression.power import Suite, power, repeats_needed
from throughster.regression.statistics import cohens_h, difference_interval, suite_p, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.regression.statistics import Pair

__all__ = ["Rate", "SuiteChange", "rate_of", "suite_change"]

MATTERS = 0.1


@dataclass(frozen=True, slots=True)
class Rate:
    """A pass rate: the mean of the cases' own. `low`, `high`: Wilson's interval."""

    passed: int
    repeats: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """All cases that have answers in both runs. Rates and drops are shares: 0.1 is 10 points. A gain is a drop below 0.

    `p`: how likely such a drop is by chance, if the true one is the tolerance at most. `matters`: the least drop that
    should not be missed, 10 points beyond the tolerance; `power`: the chance that it would have been found.
    `repeats_to_tell`: of each case, in both runs, that would find it in 80 % of comparisons, and `repeats_for_drop`:
    the same for a drop of the size seen, where that is beyond the tolerance. None: more than 1000.
    """

    cases: int
    before: Rate
    after: Rate
    drop: float
    drop_low: float
    drop_high: float
    cohens_h: float
    p: float
    matters: float
    power: float
    repeats_to_tell: int | None
    repeats_for_drop: int | None


def suite_change(pairs: Sequence[Pair], alpha: float, tolerance: float) -> SuiteChange:
    """Of one pair at least."""
    before = rate_of([(pair.passed_before, pair.repeats_before) for pair in pairs], alpha)
    after = rate_of([(pair.passed_after, pair.repeats_after) for pair in pairs], alpha)
    drop = before.rate - after.rate
    interval = difference_interval(pairs, drop, alpha)
    matters = min(1.0, tolerance + MATTERS)
    model = Suite.of(pairs, before.rate, matters)
    repeats = (before.repeats / len(pairs), after.repeats / len(pairs))
    needed = None
    if drop > tolerance:
        needed = repeats_needed(Suite.of(pairs, before.rate, drop), drop, tolerance, alpha)
    return SuiteChange(
        cases=len(pairs),
        before=before,
        after=after,
        drop=drop,
        drop_low=interval.low,
        drop_high=interval.high,
        cohens_h=cohens_h(before.rate, after.rate),
        p=suite_p(pairs, tolerance),
        matters=matters,
        power=power(model, *repeats, matters, tolerance, alpha),
        repeats_to_tell=repeats_needed(model, matters, tolerance, alpha),
        repeats_for_drop=needed,
    )


def rate_of(counts: Sequence[tuple[int, int]], alpha: float) -> Rate:
    """Of the passes and repeats of each case; one case at least."""
    passed, repeats = (sum(column) for column in zip(*counts, strict=True))
    rate = min(1.0, math.fsum(one / of for one, of in counts) / len(counts))
    interval = wilson(rate * repeats, repeats, alpha)
    return Rate(passed, repeats, rate, interval.low, interval.high)
