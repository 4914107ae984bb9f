"""A summary in Markdown, for a pull request or a job's page: the counts, and everything that did not pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from throughster.redact import inert, one_line
from throughster.reports.folded import folded
from throughster.reports.table import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.reports.files import Decided
    from throughster.reports.folded import Folded
    from throughster.running.plan import Plan

__all__ = ["cell", "write_markdown"]

_SHOWN = 50
_ORDER = ("fail", "error", "flaky", "pass")
_ESCAPES = {ord(character): f"&#{ord(character)};" for character in "\\`*_[]<>|#!~&"} | {ord("@"): "@\u200b"}
"""What Markdown and HTML would read as markup, each character once: an escape is not escaped again."""


def write_markdown(
    journal: Path, path: Path, plans: Sequence[Plan], decided: Mapping[str, Decided] | None = None
) -> None:
    """Write the summary of a journal; the file is replaced whole. `decided`: by the file of a plan."""
    found = decided or {}
    parts = [_section(plan, folded(journal, plan), found.get(plan.file)) for plan in plans]
    replace_file(path, "\n".join(parts).encode("utf-8", "replace"))


def _section(plan: Plan, cases: Sequence[Folded], decided: Decided | None) -> str:
    counts: Counter[str] = Counter(case.verdict for case in cases)
    noun = ("test" if plan.cases is not None else "row") + ("" if len(cases) == 1 else "s")
    skipped = len(plan.cases.skipped) if plan.cases is not None else 0
    parts = [f"{counts[verdict]:,} {verdict}" for verdict in reversed(_ORDER) if counts[verdict]]
    parts += [f"{skipped:,} skipped"] if skipped else []
    is_met = decided.is_met if decided is not None else not counts["fail"]
    mark = "✅" if is_met and not counts["error"] else "❌"
    costs = [case.cost_usd for case in cases if case.cost_usd is not None]
    cost = f", {sum(costs):.4f} USD" if costs else ""
    lines = [f"## {mark} {cell(plan.name)}", "", f"{len(cases):,} {noun}: {', '.join(parts)}{cost}", ""]
    unasked = [case for case in cases if case.is_unasked]
    if unasked:
        told = "1 of them has" if len(unasked) == 1 else f"{len(unasked):,} of them have"
        lines += [f"**Not complete:** {told} no verdict: {cell(unasked[-1].reason)}", ""]
    shown = sorted((case for case in cases if case.verdict != "pass"), key=lambda case: _ORDER.index(case.verdict))
    if shown:
        lines += ["| verdict | passed | test | provider | why |", "|---|---|---|---|---|"]
        lines += [
            f"| {case.verdict} | {case.tally} | {_name(case)} | {cell(case.label)} | {cell(case.reason)} |"
            for case in shown[:_SHOWN]
        ]
        if len(shown) > _SHOWN:
            lines += ["", f"and {len(shown) - _SHOWN:,} more"]
        lines.append("")
    return "\n".join([*lines, decided.markdown] if decided is not None else lines)


def _name(case: Folded) -> str:
    place = f" ({cell(case.file)}:{case.line})" if case.line else ""
    return f"{cell(case.id)}{place}"


def cell(text: str) -> str:
    """Text that stays inside its cell, and is no markup: an answer may hold anything."""
    return inert(one_line(text, 300)).translate(_ESCAPES)
