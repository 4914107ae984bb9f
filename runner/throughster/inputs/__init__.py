"""Rows from CSV, TSV, JSON Lines, JSON, YAML and Parquet files, and from lists; all are read lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem, SpecError
from throughster.inputs.delimited import DelimitedSource
from throughster.inputs.jsonrows import JsonLinesSource, JsonListSource
from throughster.inputs.memory import ListSource, YamlSource
from throughster.inputs.parquet import ParquetSource
from throughster.inputs.source import SCAN_BYTES, Row, RowSource, Scan
from throughster.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXTENSIONS", "SCAN_BYTES", "Row", "RowSource", "Scan", "open_rows"]

_FORMATS: dict[str, Callable[[Path, str], RowSource]] = {
    ".csv": lambda path, name: DelimitedSource(path, name, ","),
    ".tsv": lambda path, name: DelimitedSource(path, name, "\t"),
    ".jsonl": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".json": JsonListSource,
    ".yaml": YamlSource,
    ".yml": YamlSource,
    ".parquet": ParquetSource,
}
EXTENSIONS = tuple(_FORMATS)


def open_rows(source: Path | Sequence[Mapping[str, Any]], *, name: str) -> RowSource:
    """Return the rows of a file, by its extension, or of a list. `name`: what messages call it.

    Raises `SpecError` for a file that is missing, is no regular file, or has an extension that is not known; nothing
    is read yet.
    """
    if not isinstance(source, Path):
        return ListSource(source, name)
    extension = source.suffix.lower()
    if extension not in _FORMATS:
        hint = did_you_mean(extension, _FORMATS)
        known = ", ".join(_FORMATS)
        raise SpecError([Problem(name, 0, 0, f"Rows are read from {known}, not from `{source.suffix}` files.", hint)])
    if not source.is_file():
        what = "is a folder" if source.is_dir() else "is no regular file" if source.exists() else "does not exist"
        raise SpecError([Problem(name, 0, 0, f"The file {what}.")])
    return _FORMATS[extension](source, name)
