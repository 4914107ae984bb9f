"""The reports that are files, by the ending of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.reports.html import write_html
from throughster.reports.junit import write_junit
from throughster.reports.markdown import write_markdown
from throughster.reports.table import write_csv, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from throughster.running.plan import Plan

__all__ = ["KINDS", "write_report"]

KINDS: dict[str, Callable[[Path, Path, Sequence[Plan]], None]] = {
    ".csv": lambda journal, path, _plans: write_csv(journal, path),
    ".parquet": lambda journal, path, _plans: write_parquet(journal, path),
    ".html": write_html,
    ".xml": write_junit,
    ".md": write_markdown,
}


def write_report(journal: Path, path: Path, plans: Sequence[Plan]) -> None:
    """Write the report that the path's ending names, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[path.suffix.lower()](journal, path, plans)
