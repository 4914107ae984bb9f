"""The reports that are files, by the ending of their names; what writes one is loaded when one is written."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughster.running.plan import Plan

__all__ = ["KINDS", "write_report"]

KINDS: dict[str, tuple[str, str]] = {
    ".csv": ("table", "write_csv"),
    ".parquet": ("table", "write_parquet"),
    ".html": ("html", "write_html"),
    ".xml": ("junit", "write_junit"),
    ".md": ("markdown", "write_markdown"),
}
"""The module of this room, and its function of (journal, path, plans)."""


def write_report(journal: Path, path: Path, plans: Sequence[Plan], *, plain_csv: bool = False) -> None:
    """Write the report that the path's ending names, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    module, function = KINDS[path.suffix.lower()]
    options = {"plain": True} if plain_csv and path.suffix.lower() == ".csv" else {}
    getattr(importlib.import_module(f"throughster.reports.{module}"), function)(journal, path, plans, **options)
