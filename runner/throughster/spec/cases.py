"""The cases of a spec: `tests:` as a list, or from a file (CSV, TSV, JSON Lines, JSON, YAML), each with its place.

A YAML, JSON or JSON Lines file holds what the list in a spec would. In a CSV file a column is a variable, but for those
that begin with two underscores: `__expected`, `__expected1`, ... hold checks, `__description`, `__metric` and
`__threshold` what their names say, `__id` and `__tags` (separated by commas) likewise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from throughster.errors import Problem, SpecError
from throughster.inputs import RowSource, open_rows
from throughster.names import did_you_mean
from throughster.paths import PathProblem, read_bounded, resolve_inside, shown_path
from throughster.spec.explain import explain_error
from throughster.spec.model import TestSpec
from throughster.yamltree import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.inputs.source import Progress, Row
    from throughster.spec.model import Spec
    from throughster.yamltree import Document

__all__ = ["SPECIAL_COLUMNS", "CaseSource", "WrittenCase", "read_cases"]

_LARGEST_YAML = 5_000_000
SPECIAL_COLUMNS = ("__expected", "__description", "__metric", "__threshold", "__id", "__tags")
_EXPECTED = re.compile(r"__expected\d*")


@dataclass(frozen=True)
class WrittenCase:
    """A case as it was written. `document` and `path`: where, in a YAML file; else `line` of `file` alone.

    `table`: the source of a row of a table.
    """

    test: TestSpec
    file: str
    line: int
    document: Document | None = None
    path: tuple[str | int, ...] = ()
    table: RowSource | None = None

    def problem(self, below: tuple[str | int, ...], message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem of the case, or of what stands `below` it."""
        if self.document is not None:
            return self.document.problem((*self.path, *below), message, hint, key=key)
        return Problem(self.file, self.line, 1, message, hint)


class CaseSource(RowSource):
    """The variables of cases, as rows: what the templates are checked against."""

    def __init__(self, cases: tuple[WrittenCase, ...], defaults: dict[str, Any], name: str) -> None:
        super().__init__(name)
        self._cases = cases
        self._defaults = defaults

    def where(self, line: int) -> str:
        """Return `file:line` of the case with this number, from 1."""
        case = self._cases[line - 1]
        return f"{case.file}:{case.line}"

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:  # noqa: ARG002 - nothing is read
        for number, case in enumerate(self._cases, 1):
            yield number, {**self._defaults, **case.test.vars}

    def _size(self) -> int:
        return len(self._cases)


def read_cases(
    spec: Spec, document: Document, base: Path, root: Path
) -> tuple[tuple[WrittenCase, ...], tuple[Problem, ...]]:
    """The cases of a spec that has `tests`, and what is wrong with them."""
    assert spec.tests is not None
    if not isinstance(spec.tests, str):
        return tuple(
            WrittenCase(test, document.file, document.locate(("tests", n)).line, document, ("tests", n))
            for n, test in enumerate(spec.tests)
        ), ()
    try:
        path = resolve_inside(root, base, spec.tests)
        is_yaml = path.suffix.lower() in (".yaml", ".yml")
        name = shown_path(path)
        found, problems = _split(_from_yaml(path, name) if is_yaml else _from_rows(path, name))
    except PathProblem as error:
        return (), (document.problem(("tests",), str(error)),)
    except SpecError as error:
        return (), error.problems
    if not found and not problems:
        problems = [Problem(name, 0, 0, "There are no cases.", "At least one is needed.")]
    return tuple(found), tuple(problems)


def _split(found: Iterator[WrittenCase | Problem]) -> tuple[list[WrittenCase], list[Problem]]:
    cases: list[WrittenCase] = []
    problems: list[Problem] = []
    for one in found:
        if isinstance(one, Problem):
            problems.append(one)
        else:
            cases.append(one)
    return cases, problems


def _from_yaml(path: Path, name: str) -> Iterator[WrittenCase | Problem]:
    document, problems = parse_yaml(read_bounded(path, _LARGEST_YAML), name, max_bytes=_LARGEST_YAML)
    yield from problems
    if document is None:
        return
    entries = document.value()
    if not isinstance(entries, list):
        yield document.problem((), "The file holds no list of cases.", "Begin each case with `- `.")
        return
    for n, entry in enumerate(entries):
        for one in _case(entry):
            if isinstance(one, TestSpec):
                yield WrittenCase(one, name, document.locate((n,)).line, document, (n,))
            else:
                below, message, hint, at_key = one
                yield document.problem((n, *below), message, hint, key=at_key)


def _from_rows(path: Path, name: str) -> Iterator[WrittenCase | Problem]:
    is_table = path.suffix.lower() in (".csv", ".tsv", ".parquet")
    source = open_rows(path, name=name)
    table = source if is_table else None
    for line, row in source.numbered():
        if table is not None and (wrong := list(_wrong_columns(row, table))):
            yield from wrong
            return
        try:
            entry = _entry(row) if is_table else row
        except _WrongCellError as error:
            yield Problem(name, *source.place(line, error.column), str(error))
            continue
        for one in _case(entry):
            if isinstance(one, TestSpec):
                yield WrittenCase(one, name, line, table=table)
            else:
                below, message, hint, _ = one
                where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in below).lstrip(".")
                yield Problem(name, line, 1, f"{where}: {message}" if where and where not in message else message, hint)


_Wrong: TypeAlias = "tuple[tuple[str | int, ...], str, str, bool]"


def _case(entry: Any) -> Iterator[TestSpec | _Wrong]:
    """The case in a mapping, or everything that is wrong with it: (where, message, hint, whether the key is wrong)."""
    if not isinstance(entry, dict):
        yield (), "A case is a mapping with `vars` and `assert`.", "", False
        return
    try:
        yield TestSpec.model_validate(entry)
    except ValidationError as failure:
        for error in failure.errors(include_url=False, include_input=False):
            below, value = _place(entry, (*error["loc"], *error.get("ctx", {}).get("at", ())))
            words = explain_error(error, ("tests", 0, *below), value)
            message = words.message.replace("tests[0].", "").replace("under `tests[0]`", "of a case")
            yield below, message, words.hint, words.at_key


def _place(entry: Any, loc: tuple[Any, ...]) -> tuple[tuple[str | int, ...], Any]:
    """Where in the mapping an error belongs: without the steps that pydantic adds for the forms of a value."""
    path: tuple[str | int, ...] = ()
    node = entry
    for depth, step in enumerate(loc):
        in_list = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if in_list or (isinstance(node, dict) and step in node):
            node, path = node[step], (*path, step)
        elif depth == len(loc) - 1 and isinstance(node, dict) and not str(step).startswith("<"):
            node, path = None, (*path, step)
    return path, node


class _WrongCellError(ValueError):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def _wrong_columns(row: dict[str, Any], table: RowSource) -> Iterator[Problem]:
    for column in row:
        if column.startswith("__") and column not in SPECIAL_COLUMNS and not _EXPECTED.fullmatch(column):
            hint = did_you_mean(column, SPECIAL_COLUMNS) or f"There are {', '.join(SPECIAL_COLUMNS)}."
            yield Problem(table.name, *table.place(0, column), f"The column `{column}` means nothing here.", hint)


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as the mapping that a list would have. Raises _WrongCellError."""
    entry: dict[str, Any] = {"vars": {}, "assert": []}
    metric = row.get("__metric") or None
    for column, cell in row.items():
        if not column.startswith("__"):
            entry["vars"][column] = cell
        elif _EXPECTED.fullmatch(column) and cell not in (None, ""):
            from throughster.checks import parse_expected  # what only cases in a table need

            try:
                check = parse_expected(str(cell))
            except ValueError as error:
                raise _WrongCellError(column, str(error)) from None
            entry["assert"].append({**check, **({"metric": metric} if metric else {})})
    for column, name in (("__description", "description"), ("__id", "id")):
        if row.get(column):
            entry[name] = row[column]
    if row.get("__tags"):
        entry["tags"] = [tag.strip() for tag in str(row["__tags"]).split(",") if tag.strip()]
    if row.get("__threshold"):
        try:
            entry["threshold"] = float(row["__threshold"])
        except ValueError:
            message = f"`__threshold` must be a number, found `{row['__threshold']}`."
            raise _WrongCellError("__threshold", message) from None
    return entry
