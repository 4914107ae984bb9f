"""Exit codes, and which one a run ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from throughster.running.events import Summary

__all__ = ["BUG", "FAILED", "INCOMPLETE", "INTERRUPTED", "OK", "OVER_BUDGET", "WRONG", "exit_code"]

OK = 0
FAILED = 1
WRONG = 2
INCOMPLETE = 3
OVER_BUDGET = 4
BUG = 5
INTERRUPTED = 130


def _has_passed(summary: Summary) -> bool:
    """Of tests the verdicts count, which forgive some repeats; of other rows each."""
    if summary.verdicts is not None:
        return all(case.verdict in ("pass", "flaky") for case in summary.verdicts)
    return summary.all_statuses.total() == summary.all_statuses["ok"]


def exit_code(summaries: Iterable[Summary], decisions: Mapping[int, bool] | None = None) -> int:
    """The first that applies of: interrupted (128 + signal), 5, 2 for bad data or a missing recording, 3, 4, 1, 0.

    `decisions`: by the id of a summary, what its gate or baseline says: that alone is 0 or 1. Of a run that was gone on
    with, all rows in the output count, not only those that were asked now.
    """
    summaries = list(summaries)
    for summary in summaries:
        if summary.signal is not None:
            return 128 + summary.signal
    if any(s.bugs for s in summaries):
        return BUG
    if any(s.wrong for s in summaries):
        return WRONG
    if any(s.lost or s.provider_down or s.all_statuses["judge_error"] for s in summaries):
        return INCOMPLETE
    if any(s.budget_spent for s in summaries):
        return OVER_BUDGET
    decided = decisions or {}
    if any(not decided.get(id(s), _has_passed(s)) for s in summaries):
        return FAILED
    return OK
