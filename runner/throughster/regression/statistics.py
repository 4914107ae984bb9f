"""Whether a pass rate has dropped, and by how much.

The unit is a `Pair`: one case, asked some times before and some times after. A case's own chance of passing is not
known, and differs from case to case. So each case's passes of both runs together are taken as given: if nothing has
changed, every way to divide them between the runs is as likely (a hypergeometric count). The sum of these counts over
all cases is compared with the passes of the later run. With one case this is Fisher's exact test, with one repeat
McNemar's, in general the exact stratified test of Birch (1964, J. R. Stat. Soc. B 26, 313-324) and Zelen (1971,
Biometrika 58, 129-137). It holds its level for any number of cases and repeats and any mixture of easy and hard cases,
and no unbiased test finds a common odds ratio more often. Flipping the signs of the cases' differences would hold the
level too, but finds nothing with fewer than five cases, however many their repeats.

If some cases became better and others as much worse, the sum varies less than assumed: the test errs on the safe side.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from throughster.regression.distributions import hypergeometric, sum_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.regression.distributions import Distribution

__all__ = [
    "Interval", "Pair", "case_p", "cohens_h", "corrected", "difference_interval", "holm", "least_odds", "suite_p",
    "wilson",
]  # fmt: skip


_LONGEST_ODDS = 9
"""Powers of ten; nobody asks beyond."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in two runs: passes and repeats of each. Repeats are at least 1; errors are no repeats."""

    passed_before: int
    repeats_before: int
    passed_after: int
    repeats_after: int

    @property
    def passed(self) -> int:
        return self.passed_before + self.passed_after

    @property
    def repeats(self) -> int:
        return self.repeats_before + self.repeats_after

    @property
    def weight(self) -> float:
        """How far the expected passes of the later run fall below the given total's share for a drop of 1."""
        return self.repeats_before * self.repeats_after / self.repeats

    @property
    def variance(self) -> float:
        """Of the difference of the two pass rates, estimated without bias where nothing has changed."""
        spread = self.passed * (self.repeats - self.passed)
        return spread / (self.repeats_before * self.repeats_after * (self.repeats - 1))

    def unchanged(self) -> Distribution:
        """Passes of the later run, if nothing has changed."""
        return hypergeometric(self.repeats_after, self.repeats_before, self.passed)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a true value lies."""

    low: float
    high: float


def suite_p(pairs: Sequence[Pair], tolerance: float = 0.0) -> float:
    """How likely such a drop of the suite is by chance, if the true one is `tolerance` (a difference of rates) at most.

    The passes that the tolerance forgives are given back to the later run; with a tolerance of 0 the test is exact.
    """
    if not pairs:
        return 1.0
    kinds = Counter((pair.repeats_after, pair.repeats_before, pair.passed) for pair in pairs)
    total = sum_of((hypergeometric(*kind), count) for kind, count in kinds.items())
    forgiven = tolerance * math.fsum(pair.weight for pair in pairs)
    return total.at_most(sum(pair.passed_after for pair in pairs) + forgiven)


def case_p(pair: Pair) -> float:
    """How likely such a drop of one case is by chance: Fisher's exact test, one-sided."""
    return pair.unchanged().at_most(pair.passed_after)


def corrected(pairs: Sequence[Pair], alpha: float) -> list[float]:
    """`case_p` of each, corrected for their number: below or at `alpha` only for drops that chance does not explain.

    The chance that any unchanged case is among them is `alpha` at most (Holm 1979, Scand. J. Stat. 6, 65-70). A case
    whose passes are so many, or so few, that no division of them between the runs could be significant counts 1, and
    does not count among the tests (Tarone 1990, Biometrics 46, 515-522); else no case of a large suite could be found.
    """
    least = [pair.unchanged().masses[0] for pair in pairs]
    number = 1
    while sum(p <= alpha / number for p in least) > number:
        number += 1
    tested = [n for n, p in enumerate(least) if p <= alpha / number]
    found = [1.0] * len(pairs)
    for n, p in zip(tested, holm([case_p(pairs[n]) for n in tested]), strict=True):
        found[n] = p
    return found


def least_odds(passes: int, failures: int) -> int:
    """N, where so many passes and then so many failures come by chance in 1 of N cases at most, to two figures.

    Whatever the chance p of passing is: p^passes * (1 - p)^failures is greatest at p = passes / (passes + failures).
    """
    total = passes + failures
    logarithm = math.fsum(count * math.log10(total / count) for count in (passes, failures) if count)
    if logarithm > _LONGEST_ODDS:
        return int(10**_LONGEST_ODDS)
    figures = int(10 ** max(0, math.floor(logarithm) - 1))
    return math.floor(10**logarithm / figures + 1e-9) * figures


def holm(values: Sequence[float]) -> list[float]:
    """The p values, corrected for their number by Holm's step-down method."""
    found = [1.0] * len(values)
    highest = 0.0
    for rank, n in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[n]))
        found[n] = highest
    return found


def wilson(passed: float, repeats: float, alpha: float) -> Interval:
    """Where the true rate lies; `alpha` is the chance of missing it at either end (Wilson 1927, JASA 22, 209-212)."""
    if repeats == 0:
        return Interval(0.0, 1.0)
    z2 = NormalDist().inv_cdf(1 - alpha) ** 2
    rate, total = passed / repeats, repeats + z2
    middle = (passed + z2 / 2) / total
    reach = math.sqrt(z2 * (repeats * rate * (1 - rate) + z2 / 4)) / total
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def difference_interval(pairs: Sequence[Pair], drop: float, alpha: float) -> Interval:
    """Where the true drop of the suite's rate lies; `alpha` is the chance of missing it at either end.

    The variance is that of the cases' own repeats, as in the test, not that of a sample of cases. What is added to it
    is what Wilson's interval adds: with no failure at all a drop of z² / repeats remains possible.
    """
    if not pairs:
        return Interval(-1.0, 1.0)
    z = NormalDist().inv_cdf(1 - alpha)
    spare = math.fsum(1 / (pair.repeats_before * pair.repeats_after) for pair in pairs) / len(pairs)
    reach = z * math.sqrt(math.fsum(pair.variance for pair in pairs) + z * z * spare) / len(pairs)
    return Interval(max(-1.0, drop - reach), min(1.0, drop + reach))


def cohens_h(before: float, after: float) -> float:
    """The size of a drop on a scale that is as fine near 0 and 1 as in the middle: 0.2 small, 0.5 medium, 0.8 large."""
    return 2 * math.asin(math.sqrt(before)) - 2 * math.asin(math.sqrt(after))
