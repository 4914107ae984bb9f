"""The reports that are files, by the ending of their names; what writes one is loaded when one is written."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.running.plan import Plan

__all__ = ["KINDS", "Decided", "write_report"]


class Decided(NamedTuple):
    """What the gate and the baseline of a spec say of its run: whether they are met, in words, and as Markdown."""

    is_met: bool
    words: str
    markdown: str


KINDS: dict[str, tuple[str, str]] = {
    ".csv": ("table", "write_csv"),
    ".parquet": ("table", "write_parquet"),
    ".html": ("html", "write_html"),
    ".xml": ("junit", "write_junit"),
    ".md": ("markdown", "write_markdown"),
}
"""The module of this room, and its function of (journal, path, plans)."""


def write_report(
    journal: Path,
    path: Path,
    plans: Sequence[Plan],
    *,
    plain_csv: bool = False,
    decided: Mapping[str, Decided] | None = None,
) -> None:
    """Write the report that the path's ending names, whole or not at all. `decided`: by the file of a plan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lower()
    module, function = KINDS[kind]
    options: dict[str, Any] = {"plain": True} if plain_csv and kind == ".csv" else {}
    if decided and kind in (".xml", ".md"):
        options = {"decided": decided}
    getattr(importlib.import_module(f"throughster.reports.{module}"), function)(journal, path, plans, **options)
