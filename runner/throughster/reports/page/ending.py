"""How a run ended, in a word and a sentence: the first thing that a reader sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from throughster.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughster.regression.compare import Comparison
    from throughster.regression.gate import GateOutcome
    from throughster.reports.page.index import Index
    from throughster.running.events import Summary

__all__ = ["Banner", "Ending", "Judged", "banner"]


@dataclass(frozen=True)
class Judged:
    """What the gate and the baseline say of one spec. `baseline`: the file compared with."""

    name: str
    gate: GateOutcome | None = None
    comparison: Comparison | None = None
    baseline: Path | None = None


@dataclass(frozen=True)
class Ending:
    """What is known of the end of a run beside its results. `exit_code`: None where only the results are known."""

    exit_code: int | None = None
    summaries: tuple[Summary, ...] = ()
    judged: tuple[Judged, ...] = ()

    @property
    def comparisons(self) -> list[Comparison]:
        return [judged.comparison for judged in self.judged if judged.comparison is not None]

    @property
    def stopped_by(self) -> Sequence[str]:
        return [one_line(s.stopped_by or s.lost, 400) for s in self.summaries if s.stopped_by or s.lost]


@dataclass(frozen=True, slots=True)
class Banner:
    """`tone`: the verdict whose colour it has."""

    word: str
    tone: str
    sentence: str


_OF_CODE = {
    0: Banner("Passed", "pass", "Everything that was asked for passed."),
    2: Banner("Stopped", "error", "The data or a recording is wrong, which ended the run."),
    3: Banner("Incomplete", "error", "The provider could not be used, or a judge failed; the result is incomplete."),
    4: Banner("Incomplete", "error", "The budget ran out. What was done is here."),
    5: Banner("Incomplete", "error", "A bug in Throughster ended the run. What was done is here."),
}
_INTERRUPTED = Banner("Interrupted", "error", "The run was interrupted. What was done is here.")
_UNFINISHED = Banner("Incomplete", "error", "The run was stopped before everything was asked to the end.")
_SO_FAR = Banner("Passed", "pass", "All results in this file passed. It does not say whether the run came to its end.")
_CANNOT_TELL = Banner(
    "Cannot tell", "flaky", "Nothing shows that this is worse, but with so few repeats a drop that matters could hide."
)


def banner(ending: Ending, index: Index, *, is_whole: bool = True) -> Banner:
    """From the exit code where there is one, else from the results alone.

    `is_whole`: whether it is known what the run was to ask, so that what is missing is seen.
    """
    found = _banner(ending, index)
    if index.unasked:
        count = sum(index.unasked.values())
        told = "1 question was" if count == 1 else f"{count:,} questions were"
        return replace(found, sentence=f"{found.sentence} {told} not asked.")
    if found is _OF_CODE[0] and not is_whole:
        return _SO_FAR
    return found


def _banner(ending: Ending, index: Index) -> Banner:
    code = ending.exit_code
    if code is None and (index.statuses["skipped"] or index.unasked):
        return _UNFINISHED
    verdicts = {comparison.verdict for comparison in ending.comparisons}
    failing = sum(not entry.is_passing for entry in index.entries)
    if code is None:
        is_worse = bool(verdicts & {"regression", "newly failing"})
        code = _code_of(index, has_comparison=bool(verdicts), is_worse=is_worse, failing=failing)
    if code == 1 and "regression" in verdicts:
        return Banner("Regression", "fail", "The pass rate dropped by more than chance explains.")
    if code == 1 and "newly failing" in verdicts:
        told = "What passed in every repeat before passes in none now."
        return Banner("Newly failing", "fail", f"{told} {_what_failed(ending, failing, len(index.entries))}".strip())
    if code == 1:
        return Banner("Failed", "fail", _what_failed(ending, failing, len(index.entries)))
    if code == 0 and "cannot tell" in verdicts:
        return _CANNOT_TELL
    if code == 0 and failing:
        by = "the gate" if any(judged.gate for judged in ending.judged) else "the comparison with the baseline"
        return Banner("Passed", "pass", f"Good enough for {by}, although {_cases(failing)} did not pass.")
    found = _OF_CODE.get(code, _INTERRUPTED)
    if code != 1 and "regression" in verdicts:
        return replace(found, sentence=f"{found.sentence} What there is, is a regression.")
    return found


def _what_failed(ending: Ending, failing: int, cases: int) -> str:
    parts = [f"{failing:,} of {_cases(cases)} did not pass."] if failing else []
    if any(judged.gate is not None and not judged.gate.is_met for judged in ending.judged):
        parts.insert(0, "The gate is not met.")
    if "cannot tell" in {comparison.verdict for comparison in ending.comparisons}:
        parts.append("The comparison with the baseline cannot tell.")
    if any(comparison.needs_all and comparison.missing for comparison in ending.comparisons):
        parts.append("Cases of the baseline are missing.")
    return " ".join(parts)


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _code_of(index: Index, *, has_comparison: bool, is_worse: bool, failing: int) -> int:
    """As a run would end with such results."""
    if index.down or index.statuses["judge_error"]:
        return 3
    return int(is_worse) if has_comparison else int(failing > 0)
