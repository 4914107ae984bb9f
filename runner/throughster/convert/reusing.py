"""Tables that can stay as they are: what the spec would read in them is what the conversion found."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.checks import parse_expected
from throughster.convert.drafts import Draft
from throughster.convert.files import FILE, Files, NotReadable

if TYPE_CHECKING:
    from throughster.convert.parts import Part

__all__ = ["named_from", "same_table"]

_EXPECTED = re.compile(r"__expected\d*")


def same_table(tests: Part | None, entries: list[dict[str, Any]], files: Files, *, is_cases: bool) -> Path | None:
    """The one CSV file that `tests` names, if its rows, read as a spec's, are exactly these entries."""
    while tests is not None and isinstance(tests.value, list) and len(tests.value) == 1:
        tests = tests.value[0]
    if tests is None or not tests.is_text or not tests.value.lower().endswith(".csv"):
        return None
    try:
        path = files.path(tests.value.removeprefix(FILE))
        rows = files.rows(tests.value)
    except NotReadable:
        return None
    read = [_entry(row) if is_cases else _row(row) for _, row in rows]
    return path if rows and read == entries else None


def named_from(folder: Path, table: Path, files: Files) -> tuple[str, Draft | None]:
    """How a spec in `folder` names a file of the source; and a copy of it to write, where it cannot name it there."""
    real = Path(os.path.realpath(folder))
    if table.is_relative_to(real) or (real.is_relative_to(files.root) and table.is_relative_to(files.root)):
        return Path(os.path.relpath(table, real)).as_posix(), None
    return table.name, Draft(table.name, files.text(os.path.relpath(table, files.base)))


def _row(row: dict[str, str]) -> dict[str, Any] | None:
    return None if any(column.startswith("__") for column in row) else dict(row)


def _entry(row: dict[str, str]) -> dict[str, Any] | None:
    entry: dict[str, Any] = {"vars": {}, "assert": []}
    metric = row.get("__metric")
    for column, cell in row.items():
        if not column.startswith("__"):
            entry["vars"][column] = cell
        elif _EXPECTED.fullmatch(column):
            if cell:
                try:
                    check = parse_expected(cell)
                except ValueError:
                    return None
                entry["assert"].append({**check, **({"metric": metric} if metric else {})})
        elif column not in ("__description", "__metric", "__threshold"):
            return None
    if row.get("__description"):
        entry["description"] = row["__description"]
    if row.get("__threshold"):
        try:
            entry["threshold"] = float(row["__threshold"])
        except ValueError:
            return None
    return {key: value for key, value in entry.items() if value or key == "threshold"}
