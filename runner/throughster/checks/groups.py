"""`any-of` and `all-of`: checks of checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.checks.answer import Unanswerable
from throughster.checks.check import Outcome
from throughster.checks.judge import JudgeError
from throughster.checks.verdict import ROUNDING, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Check, JudgedRun, Run
    from throughster.checks.entry import Entry
    from throughster.checks.judge import Judge

__all__ = ["all_of", "any_of"]

_Found = list[Outcome | Unanswerable | JudgeError | None]
"""What each check of a group came to; None where it was not asked yet."""


def any_of(entry: Entry) -> Run | JudgedRun:
    """One must pass; the score is the best. What cannot be evaluated leaves it open, unless another passes."""
    return _group(entry.children, lambda found: _any(entry.children, found))


def all_of(entry: Entry) -> Run | JudgedRun:
    """Each must pass; the score is the weighted mean. With a threshold that score must reach it."""
    return _group(entry.children, lambda found: _all(entry.children, found, entry.threshold))


def _any(checks: Sequence[Check], found: _Found) -> Outcome | None:
    outcomes = [one for one in found if isinstance(one, Outcome)]
    best = max(outcomes, key=lambda one: (one.passed, one.score), default=None)
    if best is not None and best.passed:
        at = next(n for n, one in enumerate(found) if one is best)
        return Outcome(passed=True, score=best.score, reason=f"{checks[at].type}: {best.reason}")
    if best is None or len(outcomes) < len(found):
        return None
    told = "; ".join(f"{check.type}: {one.reason}" for check, one in zip(checks, outcomes, strict=True))
    return Outcome(passed=False, score=best.score, reason=f"none of {len(found)} passed: {told}")


def _all(checks: Sequence[Check], found: _Found, threshold: float | None) -> Outcome | None:
    pairs = [(check, one) for check, one in zip(checks, found, strict=True) if isinstance(one, Outcome)]
    failed = [f"{check.type}: {one.reason}" for check, one in pairs if not one.passed]
    is_whole = len(pairs) == len(found)
    if not is_whole and (threshold is not None or not failed):
        return None
    score = weighted([(check.weight, one.score) for check, one in pairs])
    told = "; ".join(failed) or f"all {len(found)} passed"
    if threshold is None:
        return Outcome(passed=not failed, score=score, reason=told)
    passed = score >= threshold - ROUNDING
    words = f"score {score:.3g} is {'at least' if passed else 'less than'} {threshold:g}"
    return Outcome(passed=passed, score=score, reason=f"{words}: {told}")


def _group(checks: tuple[Check, ...], decide: Callable[[_Found], Outcome | None]) -> Run | JudgedRun:
    """Asks a judge only where the other checks leave the outcome open."""

    def run(_subject: Subject, answer: Answer) -> Outcome:
        found = _plain(checks, answer)
        return decide(found) or _open(checks, found)

    async def judged(_subject: Subject, answer: Answer, judge: Judge) -> Outcome:
        found = _plain(checks, answer)
        for n, check in enumerate(checks):
            if found[n] is None and decide(found) is None:
                try:
                    found[n] = await check.judged_outcome(answer, judge)
                except (Unanswerable, JudgeError) as error:
                    found[n] = error
        return decide(found) or _open(checks, found)

    return judged if any(check.is_graded for check in checks) else run


def _plain(checks: tuple[Check, ...], answer: Answer) -> _Found:
    found: _Found = []
    for check in checks:
        try:
            found.append(None if check.is_graded else check.outcome(answer))
        except Unanswerable as why:
            found.append(why)
    return found


def _open(checks: tuple[Check, ...], found: _Found) -> Outcome:
    """Raises why there is no outcome: a judge's failure before a check that cannot be evaluated."""
    for one in found:
        if isinstance(one, JudgeError):
            raise one
    check, why = next((c, one) for c, one in zip(checks, found, strict=True) if isinstance(one, Unanswerable))
    raise Unanswerable(f"{check.type}: {why}")
