"""Parquet files, read batch by batch with pyarrow, which is an extra."""

from __future__ import annotations

import importlib
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem, SpecError
from throughster.inputs.files import FileSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from throughster.inputs.source import Progress, Row

__all__ = ["ParquetSource"]

_ROWS_AT_ONCE = 1_000


class ParquetSource(FileSource):
    """Rows of a Parquet file. Dates and decimals become text, bytes too where they are UTF-8."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        try:
            self._parquet = importlib.import_module("pyarrow.parquet")
        except ImportError:
            hint = "Install it: pip install 'throughster[parquet]'"
            raise SpecError([self.problem(0, "Parquet files are read with pyarrow, which is missing.", hint)]) from None

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:
        number = 0
        try:
            with self._parquet.ParquetFile(self._path) as file:
                names = file.schema_arrow.names
                if len(set(names)) < len(names):
                    yield 0, self.problem(0, "Two columns have the same name.")
                    return
                total, size = file.metadata.num_rows, self._size()
                progress.tell = lambda: number * size // max(1, total)
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, self._row(number, row)
        except OSError as error:
            yield 0, self._unreadable(error)
        except (
            ValueError,
            ArithmeticError,
            LookupError,
            TypeError,
            RuntimeError,
        ) as error:  # pyarrow's derive from them
            yield 0, self.problem(0, f"The file is no Parquet that can be read: {str(error)[:200]}.")

    def where(self, line: int) -> str:
        """Return `name, row N`."""
        return f"{self.name}, row {line}"

    def _row(self, number: int, row: Row) -> Row | Problem:
        try:
            return {name: _plain(value) for name, value in row.items()}
        except UnicodeDecodeError:
            return self.problem(0, f"Row {number} holds bytes that are no text.")
        except TypeError as error:
            return self.problem(0, f"Row {number} holds {error}, which no prompt can show.")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {str(name): _plain(child) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in value]
    raise TypeError(f"a {type(value).__name__}")
