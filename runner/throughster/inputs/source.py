"""A source of rows: what every format has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from throughster.errors import Problem, SpecError

__all__ = ["SCAN_BYTES", "Progress", "Row", "RowSource", "Scan", "Tally"]

Row: TypeAlias = dict[str, Any]
"""A row: values by column. Nobody changes it."""

SCAN_BYTES = 64_000_000
_MOST_PROBLEMS = 100
_ROWS_BETWEEN_LOOKS = 256


@dataclass(frozen=True)
class Scan:
    """What was found in the rows before the run.

    `columns`: every column, in the order seen; `common`: those that each row has; `missing`: for the others, where the
    first row stands that lacks it, as `file:line`. `count`: how many rows there are, None unless all were read.
    `complete`: whether all were read, so that no surprise can come.
    """

    columns: tuple[str, ...] = ()
    common: frozenset[str] = frozenset()
    count: int | None = None
    complete: bool = True
    problems: tuple[Problem, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)


class Progress:
    """How far a reader has come. A reader sets `tell` to what returns the bytes read so far."""

    def __init__(self) -> None:
        self.tell: Callable[[], int] = int


class RowSource(ABC):
    """Rows, read lazily: each iteration starts anew and holds one row, or a small batch, at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        """What messages call it: the file as the user wrote it."""
        self._estimate: int | None = None

    def __iter__(self) -> Iterator[Row]:
        """Read the rows. Raises `SpecError` with the position of the first that is wrong."""
        return (row for _line, row in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Row]]:
        """Read the rows, each with the line where it starts (its number, from 1, where the source has no lines)."""
        for line, row in self._read(Progress()):
            if isinstance(row, Problem):
                raise SpecError([row])
            yield line, row

    def where(self, line: int) -> str:
        """Return the place of a row, by the number that `numbered` gives: `file:line`."""
        return f"{self.name}:{line}"

    def place(self, line: int, column: str) -> tuple[int, int]:  # noqa: ARG002 - here nobody knows
        """Return where the cell of this column stands, of the row at `line`, or with 0 its name: line and column."""
        return line, 1 if line else 0

    def estimate_total(self) -> int | None:
        """Return how many rows there are, guessed from the part that was scanned; None before a scan."""
        return self._estimate

    def scan(self, limit_bytes: int = SCAN_BYTES) -> Scan:
        """Read ahead: all of a source of up to `limit_bytes`, the first part of a larger one."""
        tally, progress = Tally(self), Progress()
        for line, row in self._read(progress):
            if isinstance(row, Problem):
                tally.problems.append(row)
                if len(tally.problems) >= _MOST_PROBLEMS:
                    return tally.scan(complete=False)
                continue
            tally.add(line, row)
            if tally.count % _ROWS_BETWEEN_LOOKS == 0 and progress.tell() > limit_bytes:
                return self._partial(tally, progress.tell())
        self._estimate = tally.count
        return tally.scan(complete=True)

    def _partial(self, tally: Tally, read_bytes: int) -> Scan:
        self._estimate = round(tally.count * self._size() / max(1, read_bytes))
        return tally.scan(complete=False)

    def problem(self, line: int, message: str, hint: str = "", column: int = 0) -> Problem:
        """Return a problem at a line of this source (0: of the source as a whole)."""
        return Problem(self.name, line, column or (1 if line else 0), message, hint)

    @abstractmethod
    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:
        """Yield (line, row) or (line, problem); go on after a problem where the next row can be found."""

    @abstractmethod
    def _size(self) -> int:
        """Return the bytes of the source."""


class Tally:
    """Counts rows and their columns."""

    def __init__(self, source: RowSource, columns: tuple[str, ...] = ()) -> None:
        self._source = source
        self._columns: dict[str, None] = dict.fromkeys(columns)
        self._first_line = 0
        self._missing: dict[str, int] = {}
        self.count = 0
        self.problems: list[Problem] = []

    def add(self, line: int, row: Row) -> None:
        columns = self._columns
        if self.count == 0:
            self._first_line = line
            columns.update(dict.fromkeys(row))
        elif row.keys() != columns.keys():
            for name in row:
                if name not in columns:
                    columns[name] = None
                    self._missing[name] = self._first_line
            for name in columns:
                if name not in row:
                    self._missing.setdefault(name, line)
        self.count += 1

    def scan(self, *, complete: bool) -> Scan:
        if self.count == 0 and not self.problems:
            self.problems.append(Problem(self._source.name, 0, 0, "There are no rows.", "At least one is needed."))
        common = frozenset(name for name in self._columns if name not in self._missing)
        missing = {name: self._source.where(line) for name, line in self._missing.items()}
        count = self.count if complete else None
        return Scan(tuple(self._columns), common, count, complete, tuple(self.problems), missing)
