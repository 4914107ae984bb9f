"""The comparison with a baseline on the page: its tables, and what a case was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import SettingsError
from throughster.regression.cases import CaseKey, newest_first
from throughster.regression.tables import headline, notes, tables
from throughster.reports.page.shown import Text, excerpt, long_text, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.regression.compare import CaseChange, Comparison
    from throughster.reports.page.ending import Ending, Judged

__all__ = ["Before", "Cell", "CompareTable", "Compared", "Was", "compared"]

MOST_ANSWERS = 500


@dataclass(frozen=True, slots=True)
class Cell:
    """`key`: the case that it names."""

    text: str
    key: CaseKey | None = None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class CompareTable:
    """`title`: empty for the figures. `more`: rows that are not shown."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    more: int


@dataclass(frozen=True, slots=True)
class Side:
    """A pass rate, with the ends of its interval, as percentages."""

    name: str
    rate: float
    low: float
    high: float
    shown: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One spec's comparison. `tone`: the verdict whose colour it has; `sides`: of before and after."""

    name: str
    tone: str
    headline: str
    reasons: Sequence[str]
    sides: Sequence[Side]
    tables: Sequence[CompareTable]
    notes: Sequence[str]
    baseline: str


@dataclass(frozen=True, slots=True)
class Was:
    """A case before: as in `4/5 flaky`, how it changed, and an answer from that time."""

    kind: str
    tally: str
    answer: Text | None


_TONES = {"regression": "fail", "newly failing": "fail", "no regression": "pass", "cannot tell": "flaky"}


def compared(judged: Judged) -> Compared | None:
    """Everything that is said of one spec's comparison; None where there is none."""
    comparison = judged.comparison
    if comparison is None:
        return None
    return Compared(
        name=judged.name,
        tone=_TONES[comparison.verdict],
        headline=headline(comparison),
        reasons=comparison.reasons,
        sides=_sides(comparison),
        tables=[
            CompareTable(
                table.title,
                table.head,
                [
                    [
                        Cell(cell, table.keys[n] if m == 0 and table.keys else None, m < table.foreign)
                        for m, cell in enumerate(row)
                    ]
                    for n, row in enumerate(table.rows)
                ],
                table.more,
            )
            for table in tables(comparison)
        ],
        notes=[excerpt(note, 500) for note in (*comparison.notes, *notes(comparison, excerpt))],
        baseline=str(judged.baseline) if judged.baseline is not None else "",
    )


def _sides(comparison: Comparison) -> list[Side]:
    if comparison.suite is None:
        return []
    return [
        Side(name, 100 * rate.rate, 100 * rate.low, 100 * rate.high,
             f"{percent(rate.rate)} ({percent(rate.low)} to {percent(rate.high)})")
        for name, rate in (("before", comparison.suite.before), ("after", comparison.suite.after))
    ]  # fmt: skip


class Before:
    """What the cases that have changed were in the baseline. Holds where their answers stand, not the answers."""

    def __init__(self, ending: Ending) -> None:
        self._changes: dict[CaseKey, CaseChange] = {}
        self._answers: dict[CaseKey, tuple[Path, int]] = {}
        for judged in ending.judged:
            if judged.comparison is not None:
                changed = {c.after.key: c for c in judged.comparison.cases if c.kind != "same" or c.is_certain}
                self._changes |= changed
                if judged.baseline is not None and changed:
                    self._find(judged.baseline, dict(list(changed.items())[:MOST_ANSWERS]))

    def _find(self, baseline: Path, changed: Mapping[CaseKey, CaseChange]) -> None:
        """An answer of each: of its first repeat that passed, else of its first. The lines come last first."""
        after_of = {change.before.key: key for key, change in changed.items()}
        passed: set[CaseKey] = set()
        for line, start in newest_first(baseline):
            key = after_of.get(CaseKey(line["spec"], line["id"], line["label"]))
            if key is not None and (line["status"] == "ok" or key not in passed):
                self._answers[key] = (baseline, start)
                if line["status"] == "ok":
                    passed.add(key)

    def of(self, key: CaseKey) -> Was | None:
        change = self._changes.get(key)
        if change is None:
            return None
        kind = change.kind if change.kind != "same" else "dropped beyond chance"
        return Was(kind, f"{change.before.tally} {change.before.verdict}", self._answer(key))

    def _answer(self, key: CaseKey) -> Text | None:
        if key not in self._answers:
            return None
        path, start = self._answers[key]
        try:
            with path.open("rb") as file:
                file.seek(start)
                line: dict[str, Any] = orjson.loads(file.readline())
        except (OSError, orjson.JSONDecodeError) as error:
            raise SettingsError(f"The baseline {path} changed while it was read.") from error
        shown = line.get("output") if not isinstance(line.get("output"), str) else None
        answer = shown if shown is not None else line.get("text")
        return None if answer in (None, "") else long_text(answer)
