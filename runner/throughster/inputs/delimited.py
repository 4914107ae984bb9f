"""CSV and TSV: a header, then rows of as many cells; every cell is text."""

from __future__ import annotations

import csv
import itertools
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem, SpecError
from throughster.inputs.files import FileSource
from throughster.inputs.source import SCAN_BYTES, Progress, Row, Scan, Tally
from throughster.redact import unguarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import TextIO

__all__ = ["DelimitedSource"]

_OURS = ("row", "repeat", "id", "label", "status")  # the first columns of the tables that reports write
_LARGEST_CELL = 10_000_000  # characters; also where the search for the end of a quote that never closes ends
_LINE_END = re.compile(r"\r\n|\r|\n")
_MOST_PROBLEMS = 100
_ROWS_BETWEEN_LOOKS = 1023  # one less than a power of two

csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))


class _Unguarded:
    """The rows of a table of results, without the quotes that kept a spreadsheet from running its cells."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    @property
    def line_num(self) -> int:
        number: int = self._reader.line_num
        return number

    def __iter__(self) -> Iterator[list[str]]:
        return ([unguarded(cell) for cell in cells] for cells in self._reader)


class DelimitedSource(FileSource):
    """Rows of a CSV or TSV file."""

    def __init__(self, path: Path, name: str, delimiter: str) -> None:
        super().__init__(path, name)
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[Row]:
        """Read the rows as `numbered` does, without keeping count of lines: the fast way."""
        try:
            with self._open() as file:
                reader = self._reader(file)
                try:
                    columns = self._header(reader)
                    width = len(columns)
                    if columns[: len(_OURS)] == _OURS:
                        reader = _Unguarded(reader)
                    for cells in reader:
                        if len(cells) == width:
                            yield dict(zip(columns, cells, strict=False))  # the lengths are equal
                        elif cells:
                            raise SpecError([self._ragged(reader, columns, cells)])
                except (csv.Error, UnicodeDecodeError) as error:
                    raise SpecError([self._find_fault(error)]) from None
        except OSError as error:
            raise SpecError([self._unreadable(error)]) from None

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:
        line = 0
        try:
            with self._open() as file:
                progress.tell = file.buffer.tell
                reader = self._reader(file)
                columns = self._header(reader)
                if columns[: len(_OURS)] == _OURS:
                    reader = _Unguarded(reader)
                line = reader.line_num
                for cells in reader:
                    if len(cells) == len(columns):
                        yield line + 1, dict(zip(columns, cells, strict=True))
                    elif cells:
                        yield line + 1, self._ragged(reader, columns, cells)
                    line = reader.line_num
        except (csv.Error, UnicodeDecodeError) as error:
            yield line + 1, self._fault(line + 1, error)
        except OSError as error:
            yield 0, self._unreadable(error)

    def place(self, line: int, column: str) -> tuple[int, int]:
        """See `RowSource.place`."""
        try:
            with self._open() as file:
                index = self._header(self._reader(file)).index(column)
            with self._open() as file:
                for number, text in enumerate(file, 1):
                    if number == line or (not line and text.strip("\r\n")):
                        return _cell_place(itertools.chain(text, *file), number, index, self._delimiter)
        except (OSError, ValueError, csv.Error, SpecError):
            pass
        return super().place(line, column)

    def scan(self, limit_bytes: int = SCAN_BYTES) -> Scan:
        """See `RowSource.scan`. The header names the columns, so rows are only measured."""
        try:
            with self._open() as file:
                reader = self._reader(file)
                try:
                    columns = self._header(reader)
                except (csv.Error, UnicodeDecodeError) as error:
                    return Scan(problems=(self._find_fault(error),))
                except SpecError as error:
                    return Scan(problems=error.problems)
                tally = Tally(self, columns)
                try:
                    is_complete = self._measure(reader, columns, tally, lambda: file.buffer.tell() > limit_bytes)
                except (csv.Error, UnicodeDecodeError) as error:
                    tally.problems.append(self._find_fault(error))
                    is_complete = True  # nothing after it can be read
                if not is_complete:
                    return self._partial(tally, file.buffer.tell())
                self._estimate = tally.count
                return tally.scan(complete=True)
        except OSError as error:
            return Scan(problems=(self._unreadable(error),))

    def _measure(self, reader: Any, columns: tuple[str, ...], tally: Tally, is_enough: Callable[[], bool]) -> bool:
        """Count rows into `tally`; return whether all were read."""
        width, count = len(columns), 0
        try:
            for cells in reader:
                if len(cells) == width:
                    count += 1
                elif cells:
                    tally.problems.append(self._ragged(reader, columns, cells))
                    if len(tally.problems) >= _MOST_PROBLEMS:
                        return False
                if not count & _ROWS_BETWEEN_LOOKS and is_enough():
                    return False
        finally:
            tally.count = count
        return True

    def _open(self) -> TextIO:
        return self._open_text()

    def _reader(self, file: TextIO) -> Any:
        return csv.reader(file, delimiter=self._delimiter, strict=True)

    def _header(self, reader: Any) -> tuple[str, ...]:
        """Return the columns, without spaces around them. Raises `SpecError` for names that cannot be told apart."""
        cells = next((cells for cells in reader if cells), None)
        if cells is None:
            raise SpecError([self.problem(0, "The file is empty.", "The first line names the columns.")])
        names = [cell.strip() for cell in cells]
        line = reader.line_num
        problems = []
        for position, name in enumerate(names):
            if not name:
                problems.append(self.problem(line, f"Column {position + 1} has no name.", "The first line names them."))
            elif name in names[:position]:
                problems.append(self.problem(line, f"Two columns are called `{name}`."))
        if problems:
            raise SpecError(problems[:_MOST_PROBLEMS])
        return tuple(names)

    def _ragged(self, reader: Any, columns: tuple[str, ...], cells: list[str]) -> Problem:
        line = reader.line_num - sum(len(_LINE_END.findall(cell)) for cell in cells)
        if len(cells) < len(columns):
            lacking = ", ".join(f"`{name}`" for name in columns[len(cells) :][:5])
            message = f"This row has {len(cells)} of {len(columns)} cells: {lacking} is missing."
            return self.problem(line, message, "An empty cell needs its separator too.")
        extra = cells[len(columns)][:40]
        message = f"This row has {len(cells)} cells for {len(columns)} columns; the first too many is {extra!r}."
        return self.problem(line, message, "Put quotes around a cell that holds the separator.")

    def _find_fault(self, error: Exception) -> Problem:
        """Return the problem of a syntax error that the fast way met, with the line where its row starts."""
        if isinstance(error, UnicodeDecodeError):
            return self._encoding_problem()
        ((_line, problem),) = deque(self._read(Progress()), maxlen=1)
        return problem if isinstance(problem, Problem) else self._fault(0, error)

    def _fault(self, line: int, error: Exception) -> Problem:
        if isinstance(error, UnicodeDecodeError):
            return self._encoding_problem()
        message = str(error)
        if "unexpected end of data" in message or "field limit" in message:
            message = "A quote is opened in this row and never closed."
        elif "expected after" in message:
            message = "In this row a quoted cell goes on after its closing quote."
        return self.problem(line, message, _QUOTES)


def _cell_place(characters: Iterable[str], line: int, index: int, delimiter: str) -> tuple[int, int]:
    """Return the line and column of the cell with this index in the row that begins here."""
    column, is_quoted = 1, False
    for character in characters:
        if not index:
            break
        if character == '"':
            is_quoted = not is_quoted
        column += 1
        if character == "\n":
            line, column = line + 1, 1
        index -= character == delimiter and not is_quoted
    return line, column


_QUOTES = 'Inside a quoted cell, write each " twice.'
