"""What the checks of a case come to together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.checks.check import Check
    from throughster.types import CheckResult

__all__ = ["ROUNDING", "Verdict", "verdict_of", "weighted"]

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """`score`: the weighted mean of the checks' scores, 0 to 1. `metrics`: the same for each `metric`."""

    passed: bool
    score: float
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)


def verdict_of(checks: Sequence[Check], results: Sequence[CheckResult], threshold: float | None = None) -> Verdict:
    """With a threshold the score must reach it; without one, every check that has a weight must pass.

    A check of weight 0 tells its metric and decides nothing. Where none has a weight the case has not passed.
    """
    pairs = list(zip(checks, results, strict=True))
    counting = [(check, result) for check, result in pairs if check.weight > 0]
    score = weighted([(check.weight, result.score) for check, result in counting])
    failed = [result for _, result in counting if not result.passed]
    metrics = {
        name: weighted([(check.weight or 1.0, result.score) for check, result in pairs if check.metric == name])
        for name in dict.fromkeys(check.metric for check in checks if check.metric is not None)
    }
    if not counting:
        return Verdict(passed=False, score=0.0, reason="no check has a weight, so none can pass", metrics=metrics)
    told = f"{len(failed)} of {len(counting)} checks failed"
    if threshold is None:
        reason = failed[0].reason if len(failed) == 1 else told if failed else f"all {len(counting)} checks passed"
        return Verdict(not failed, score, reason, metrics)
    passed = score >= threshold - ROUNDING
    reason = f"score {score:.3g} is {'at least' if passed else 'less than'} {threshold:g}; {told}"
    return Verdict(passed, score, reason, metrics)


def weighted(scores: Sequence[tuple[float, float]]) -> float:
    """The mean of (weight, score); 0 where all weights are 0."""
    total = sum(weight for weight, _ in scores)
    return sum(weight * score for weight, score in scores) / total if total else 0.0
