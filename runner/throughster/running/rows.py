"""The rows of a run: the data's rows times the matrix, with the other variables laid under and over them."""

from __future__ import annotations

import copy
import fnmatch
import hashlib
import itertools
import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from throughster.running.hashes import HashSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.inputs import RowSource
    from throughster.running.cases import Case
    from throughster.running.values import Types

__all__ = ["MANY", "Choice", "Row", "RowIds", "Rows", "content_hash"]


MANY = 1_000_000
"""Rows that a check goes through at most."""
_FEW = 10_000


class Row(NamedTuple):
    """`index` counts from 0 over all rows of the spec, chosen or not. `content`: the hash of `vars`; `id` shows it.

    `case`: of a test. Its `content` is the hash of what the prompt uses of `vars`, and of the earlier turns.
    """

    index: int  # type: ignore[assignment]  # over a tuple's own `index`, which nobody needs of a row
    id: str
    vars: dict[str, Any]
    content: int
    case: Case | None = None

    @property
    def checks(self) -> int:
        """The hash of what its answers are checked for; 0 where there is no check."""
        return 0 if self.case is None else self.case.digest


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows to run. `patterns`: an id, or `variable=value`, as globs; a row that fits any of them is run.

    An id that is just the pattern fits, whatever characters it has. Order: patterns, then the sample (of `sample` rows,
    drawn with `seed`), then the first `limit`.
    """

    patterns: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    limit: int | None = None

    def fits(self, row: Row) -> bool:
        return not self.patterns or any(_fits(pattern, row) for pattern in self.patterns)


def _fits(pattern: str, row: Row) -> bool:
    if pattern == row.id:  # as it is printed: `greet[language=French]` would be a class of characters
        return True
    name, equals, value = pattern.partition("=")
    if equals and name in row.vars:
        return fnmatch.fnmatchcase(_text(row.vars[name]), value)
    return fnmatch.fnmatchcase(row.id, pattern)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


class Rows:
    """Iterating reads the data anew, one row at a time.

    `data`: the data's rows; None for one empty row. `under`: `inputs` defaults and `vars`; `over`: what the command
    line set; `types`: of the variables that `inputs` declares. `name`: what messages call a row of no file.
    """

    def __init__(
        self,
        data: RowSource | None,
        *,
        under: Mapping[str, Any],
        matrix: Mapping[str, list[Any]],
        over: Mapping[str, Any],
        choice: Choice,
        data_count: int | None,
        types: Types | None = None,
        name: str = "",
    ) -> None:
        self._data = data
        self._types = types
        self._name = name
        self._under = dict(under)
        self._over = dict(over)
        self._cells = _Cells(matrix, self._over)
        self._choice = choice
        self._data_count = data_count
        self._part = (0, 1)

    def part(self, n: int, count: int) -> Rows:
        """Every `count`-th of these rows, from the `n`-th on."""
        part = copy.copy(self)
        part._part = (n, count)  # noqa: SLF001 - of one of its own kind
        return part

    @property
    def is_whole(self) -> bool:
        """Whether no row is left out."""
        choice = self._choice
        return not choice.patterns and choice.sample is None and choice.limit is None and self._part == (0, 1)

    @property
    def total(self) -> int | None:
        """How many rows an iteration gives; None where only reading tells."""
        whole, (n, count) = self._whole, self._part
        return None if whole is None else max(0, -((n - whole) // count))

    @property
    def _whole(self) -> int | None:
        if self._choice.patterns or self._data_count is None:
            return None
        total = self._data_count * self._cells.count
        return min(total, *(n for n in (self._choice.sample, self._choice.limit, total) if n is not None))

    @property
    def _expected(self) -> int:
        """About how many rows are made."""
        count = self._data_count or (self._data.estimate_total() if self._data is not None else 1) or 0
        total, choice = count * self._cells.count, self._choice
        stops_early = choice.limit is not None and not choice.patterns and choice.sample is None
        return min(total, choice.limit or 0) if stops_early else total

    @property
    def is_large(self) -> bool:
        """Whether there are so many that only a run goes through them all."""
        return (self._data_count or 1) * self._cells.count > MANY

    def fit_soon(self) -> bool:
        """Whether one of the first 50,000 rows fits the patterns, or there are more."""
        seen = 0
        for row in itertools.islice(self._all(), MANY // 20):
            if self._choice.fits(row):
                return True
            seen += 1
        return seen == MANY // 20

    def __iter__(self) -> Iterator[Row]:
        rows: Iterator[Row] = self._all()
        if self._choice.patterns:
            rows = (row for row in rows if self._choice.fits(row))
        if self._choice.sample is not None:
            rows = self._sample(rows)
        if self._choice.limit is not None:
            rows = itertools.islice(rows, self._choice.limit)
        n, count = self._part
        return rows if count == 1 else itertools.islice(rows, n, None, count)

    def _all(self) -> Iterator[Row]:
        ids = RowIds(self._expected)
        for index, values in enumerate(self._values()):
            content = content_hash(values)
            yield Row(index, ids.add(content), values, content)

    def _values(self) -> Iterator[dict[str, Any]]:
        under, cells, types = self._under, self._cells, self._types
        if types:
            for line, data in self._data.numbered() if self._data is not None else ((0, {}),):
                for cell in cells:
                    place = self._data.where(line) if self._data is not None else self._name
                    yield types({**under, **data, **cell}, place)
        elif not under and cells.is_nothing:
            yield from self._data if self._data is not None else ({},)
        else:
            for data in self._data if self._data is not None else ({},):
                for cell in cells:
                    yield {**under, **data, **cell}

    def _sample(self, rows: Iterator[Row]) -> Iterator[Row]:
        size = self._choice.sample or 0
        fitting = sum(1 for row in self._all() if self._choice.fits(row))
        drawn = random.Random(self._choice.seed).sample(range(fitting), min(size, fitting))  # noqa: S311
        chosen = set(drawn)
        return (row for n, row in enumerate(rows) if n in chosen)


class _Cells:
    """The combinations of a matrix, made as they are asked for: a few short lists have more than any memory holds."""

    def __init__(self, matrix: Mapping[str, list[Any]], over: Mapping[str, Any]) -> None:
        self._matrix, self._over = matrix, over
        self.count = math.prod(len(values) for values in matrix.values())
        self.is_nothing = not matrix and not over
        self._few = list(self._made()) if self.count <= _FEW else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._few) if self._few is not None else self._made()

    def _made(self) -> Iterator[dict[str, Any]]:
        for values in itertools.product(*self._matrix.values()):
            yield {**dict(zip(self._matrix, values, strict=True)), **self._over}


def content_hash(values: Mapping[str, Any]) -> int:
    """64 bits of the values, whatever the order of their names. Never 0."""
    try:
        data = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # whole numbers beyond 64 bits, lone surrogates
        data = json.dumps(values, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) or 1


class RowIds:
    """Ids from content: the hash, and `-k` for the k-th row with the same content.

    `expected`: about how many rows there are. Memory for them is taken at once, so that it stays where it is.
    """

    def __init__(self, expected: int = 0) -> None:
        self._is_new = HashSet(expected).add
        self._again: dict[int, int] = {}

    def add(self, number: int) -> str:
        """The id of a row whose content has this hash."""
        if self._is_new(number):
            return f"{number:016x}"
        count = self._again[number] = self._again.get(number, 1) + 1
        return f"{number:016x}-{count}"
