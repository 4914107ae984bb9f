"""Several providers side by side: a row for each case, a column for each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.reports.page.index import ORDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.regression.cases import CaseKey
    from throughster.reports.page.index import Entry, Index

__all__ = ["Matrix", "matrix"]

MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Side:
    """A case at one label. `brief`: its answer on one line."""

    entry: Entry
    brief: str


@dataclass(frozen=True, slots=True)
class Line:
    """A case. `differs`: whether the labels' verdicts are not the same."""

    name: str
    gist: str
    sides: Sequence[Side | None]
    differs: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """`more`: cases that are not shown."""

    labels: Sequence[str]
    lines: Sequence[Line]
    more: int

    @property
    def differing(self) -> int:
        return sum(line.differs for line in self.lines)


def matrix(index: Index, briefs: Mapping[CaseKey, tuple[str, str]]) -> Matrix | None:
    """None for one label. `briefs`: variables and answer on one line, of the cases on the page.

    Those where the labels differ come first, then those that fail everywhere.
    """
    labels = index.labels
    if len(labels) < 2:
        return None
    cases: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in index.entries:
        if entry.key in briefs:
            cases.setdefault((entry.key.spec, entry.key.id), {})
    for entry in index.entries:
        if (found := cases.get((entry.key.spec, entry.key.id))) is not None:
            found[entry.key.label] = entry
    lines = [_line(labels, found, briefs) for found in cases.values()]
    lines.sort(key=lambda line: (not line.differs, min(ORDER.index(s.entry.verdict) for s in line.sides if s)))
    return Matrix(labels, lines[:MOST_ROWS], max(0, len(lines) - MOST_ROWS))


def _line(labels: Sequence[str], found: Mapping[str, Entry], briefs: Mapping[CaseKey, tuple[str, str]]) -> Line:
    first = next(entry for entry in found.values())
    known = next(briefs[entry.key] for entry in found.values() if entry.key in briefs)
    sides = [Side(found[label], briefs.get(found[label].key, ("", ""))[1]) if label in found else None
             for label in labels]  # fmt: skip
    verdicts = {entry.is_passing for entry in found.values()}
    return Line(first.key.id if first.has_name else known[0], known[0] if first.has_name else "",
                sides, len(verdicts) > 1)  # fmt: skip
