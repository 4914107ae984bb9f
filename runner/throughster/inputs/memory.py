"""Rows that are in memory, or small enough to be: lists, and YAML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from throughster.inputs.files import FileSource
from throughster.inputs.source import Progress, Row, RowSource
from throughster.paths import PathProblem, read_bounded
from throughster.yamltree import keep_text, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.errors import Problem

__all__ = ["ListSource", "YamlSource"]

_LARGEST_YAML = 5_000_000
_MOST_YAML_NODES = 1_000_000


class ListSource(RowSource):
    """Rows of a list."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        super().__init__(name)
        self._rows: Sequence[Any] = rows  # of a list that came from outside nothing is sure
        self._estimate = len(rows)

    def where(self, line: int) -> str:
        """Return `name, row N`."""
        return f"{self.name}, row {line}"

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:  # noqa: ARG002 - nothing is read
        for number, row in enumerate(self._rows, 1):
            if isinstance(row, Mapping) and all(isinstance(name, str) for name in row):
                yield number, row if isinstance(row, dict) else dict(row)
            else:
                yield number, self.problem(0, f"Row {number} is no mapping of names to values.")

    def _size(self) -> int:
        return len(self._rows)


class YamlSource(FileSource):
    """Rows of a YAML file that holds a list of mappings. Values keep the text that their author wrote."""

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:  # noqa: ARG002 - it is small
        try:
            data = read_bounded(self._path, _LARGEST_YAML)
        except PathProblem as problem:
            yield 0, self.problem(0, str(problem))
            return
        except OSError as error:
            yield 0, self._unreadable(error)
            return
        document, problems = parse_yaml(data, self.name, max_bytes=_LARGEST_YAML, max_nodes=_MOST_YAML_NODES)
        yield from ((problem.line, problem) for problem in problems)
        if document is None:
            return
        rows = keep_text(document.value())
        if not isinstance(rows, list):
            yield 1, document.problem((), "The file holds no list of rows.", "Begin each row with `- `.")
            return
        for index, row in enumerate(rows):
            good = isinstance(row, dict)
            yield (
                document.locate((index,)).line,
                row if good else document.problem((index,), "This row is no mapping of names to values."),
            )
