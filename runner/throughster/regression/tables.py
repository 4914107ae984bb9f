"""A comparison to read: on a terminal, or as Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.redact import inert, one_line
from throughster.regression.decide import points, shown_p
from throughster.regression.statistics import least_odds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from throughster.regression.cases import CaseKey, CaseOutcome
    from throughster.regression.compare import CaseChange, Comparison, Kind
    from throughster.regression.drift import Drift
    from throughster.regression.groups import Group
    from throughster.regression.suite import SuiteChange

__all__ = ["Table", "case_name", "headline", "markdown", "notes", "tables", "text"]

MOST_ROWS = 20
_HASH = re.compile(r"[0-9a-f]{16}(-\d+)?")
_UNITS = {"latency_s": ("latency", "{:,.2f} s"), "cost_usd": ("cost", "{:.6f} USD"), "tokens": ("tokens", "{:,.0f}")}


@dataclass(frozen=True, slots=True)
class Table:
    """`title`: empty for none. `foreign`: how many of the first columns hold what the spec or the data say.

    `keys`: of a table of cases, the case of each row.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foreign: int = 1
    more: int = 0
    keys: tuple[CaseKey, ...] = ()


def headline(comparison: Comparison) -> str:
    """The verdict, and over how much it was made."""
    verdict, suite = comparison.verdict.capitalize(), comparison.suite
    if suite is None:
        return verdict
    repeats = sorted({round(side.repeats / suite.cases, 1) for side in (suite.before, suite.after)})
    asked = " and ".join(f"{count:g}" for count in repeats)
    of_each = "repeat" if repeats == [1] else "repeats"
    return f"{verdict} ({_many(suite.cases, 'case')}, {asked} {of_each} of each)"


def text(comparison: Comparison) -> str:
    """Everything below the headline, in columns."""
    lines = list(comparison.reasons)
    for table in tables(comparison):
        cells = [tuple(_plain(cell) for cell in row) for row in (table.head, *table.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", *([table.title] if table.title else [])]
        lines += [
            ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
            for row in cells
        ]
        lines += [f"  ... and {table.more:,} more"] if table.more else []
    told = [*comparison.notes, *notes(comparison, _plain)]
    return "\n".join([*lines, *([""] if told else []), *map(_plain_note, told)]) + "\n"


def markdown(comparison: Comparison) -> str:
    """All of it, headline included."""
    lines = [f"## {headline(comparison)}", "", " ".join(comparison.reasons)]
    for table in tables(comparison):
        lines += ["", *([f"**{table.title}**", ""] if table.title else [])]
        lines += ["| " + " | ".join(table.head) + " |", "|" + "---|" * len(table.head)]
        for row in table.rows:
            foreign = [_code(cell) if cell else "" for cell in row[: table.foreign]]
            lines.append("| " + " | ".join([*foreign, *row[table.foreign :]]) + " |")
        lines += ["", f"... and {table.more:,} more"] if table.more else []
    told = [*map(escaped, comparison.notes), *notes(comparison, _code)]
    return "\n".join([*lines, *(["", *(f"- {note}" for note in told)] if told else [])]) + "\n"


def tables(comparison: Comparison) -> list[Table]:
    """What moved: the figures, the cases by what became of them, and the groups."""
    found = [_figures(comparison)] if comparison.suite or comparison.drifts else []
    is_worse = comparison.verdict == "regression"
    kinds: tuple[Kind, ...] = ("newly failing", "below its pass rate")
    failing, below = (comparison.of_kind(kind) for kind in kinds)
    dropped = [change for change in comparison.cases if change.is_certain and change.kind not in kinds]
    unknown = [change for change in comparison.of_kind("changed") if "error" in _verdicts(change)]
    found += [
        _cases(title, changes, comparison)
        for title, changes in (
            ("Newly failing", failing),
            (
                "Below their pass rate now" if is_worse else "Below their pass rate now, which alone decides nothing",
                below,
            ),
            ("Dropped beyond chance, not below their pass rate", dropped),
            ("Newly passing", comparison.of_kind("newly passing")),
            ("Without the answers that decide in one run", unknown),
        )
        if changes
    ]
    if comparison.needs_all and comparison.missing:
        found.append(_missing(comparison))
    groups = sorted((g for g in comparison.groups if g.before != g.after), key=lambda g: g.after - g.before)
    return [*found, _groups(groups)] if groups else found


def _figures(comparison: Comparison) -> Table:
    suite = comparison.suite
    rows = [_rates(suite)] if suite is not None else []
    level = f"{100 * (1 - 2 * comparison.alpha):g} %"
    rows += [_moved(drift) for drift in comparison.drifts]
    return Table("", ("", "before", "after", "change", f"{level} interval or chance"), tuple(rows), foreign=0)


def _rates(suite: SuiteChange) -> tuple[str, ...]:
    before, after = (
        f"{_percent(side.rate)} ({side.passed:,}/{side.repeats:,})" for side in (suite.before, suite.after)
    )
    low, high = -100 * suite.drop_high, -100 * suite.drop_low
    return "pass rate", before, after, _signed_points(-suite.drop), f"{low:+.1f} to {high:+.1f} points"


def _moved(drift: Drift) -> tuple[str, ...]:
    name, form = _UNITS[drift.quantity]
    before, after = (f"{form.format(side.median)}, p95 {form.format(side.p95)}" for side in (drift.before, drift.after))
    if drift.before.total == drift.after.total and drift.change == 0:
        return name, before, after, "none", ""
    chance = "may be chance" if drift.is_noise else f"beyond chance, p {shown_p(drift.p)}"
    chance += ", p95 beyond chance" if drift.p95_moved else ""
    return name, before, after, f"{100 * drift.change:+.1f} %", chance


def _cases(title: str, changes: Sequence[CaseChange], comparison: Comparison) -> Table:
    """The greatest drop first, or gain."""
    order = sorted(changes, key=lambda change: -abs(_share(change.before) - _share(change.after)))
    shown = order[:MOST_ROWS]
    has_labels = len({change.after.key.label for change in comparison.cases}) > 1
    has_failures = any(change.after.failures for change in shown)
    head = ("case", *(["provider"] if has_labels else []), *(["fails"] if has_failures else []))
    rows = [
        (
            case_name(change.after),
            *([change.after.key.label] if has_labels else []),
            *([_failures(change.after)] if has_failures else []),
            _tally(change.before),
            _tally(change.after),
            _chance(change),
        )
        for change in shown
    ]
    full = f"{title}: {len(changes):,} of {_many(len(comparison.cases), 'case')}"
    keys = tuple(change.after.key for change in shown)
    return Table(full, (*head, "before", "after", ""), tuple(rows), len(head), len(changes) - len(shown), keys)


def _missing(comparison: Comparison) -> Table:
    missing = comparison.missing
    has_labels = len({case.key.label for case in missing}) > 1
    rows = tuple(
        (case_name(case), *([case.key.label] if has_labels else []), _tally(case)) for case in missing[:MOST_ROWS]
    )
    number = len(missing) + len(comparison.cases)
    title = f"Missing now: {len(missing):,} of {_many(number, 'case')} of the baseline"
    head = ("case", *(["provider"] if has_labels else []), "before")
    return Table(title, head, rows, len(head) - 1, len(missing) - len(rows))


def _groups(groups: Sequence[Group]) -> Table:
    rows = [
        (
            group.name,
            f"{group.cases:,}",
            _percent(group.before),
            _percent(group.after),
            _signed_points(group.after - group.before),
            f"beyond chance, p {shown_p(group.p_corrected)}" if group.is_certain else "",
        )
        for group in groups[:MOST_ROWS]
    ]
    head = ("group", "cases", "before", "after", "change", "")
    return Table("Groups that moved", head, tuple(rows), more=max(0, len(groups) - MOST_ROWS))


def notes(comparison: Comparison, show: Callable[[str], str]) -> Iterable[str]:
    """What is in one run only, and what was asked differently."""
    yield from _others(comparison)
    for title, found in (
        ("Without a verdict now", comparison.unanswered),
        ("New and failing", comparison.failing_new),
        ("Failing, without an answer before", comparison.failing_unknown),
        ("New, and not compared", comparison.new),
        ("Missing, and not compared", () if comparison.needs_all else comparison.missing),
    ):
        if found:
            names = ", ".join(show(case_name(case)) for case in found[:5]) + (", ..." if len(found) > 5 else "")
            yield f"{title}: {_many(len(found), 'case')} ({names})."


def _others(comparison: Comparison) -> Iterable[str]:
    number = len(comparison.cases)
    asked = sum(change.is_other_request for change in comparison.cases)
    checked = sum(change.is_other_check for change in comparison.cases)
    for others, what in (
        (asked, "asked something else than before (prompt, model or parameters)"),
        (checked, "checked for something else than before (checks, threshold or judge)"),
    ):
        if others:
            every = "All cases were" if others == number else f"{others:,} of {_many(number, 'case')} were"
            yield f"{every} {what}."


def _verdicts(change: CaseChange) -> tuple[str, str]:
    return change.before.verdict, change.after.verdict


def _chance(change: CaseChange) -> str:
    before, after = change.before.trials[1], change.after.trials[1]
    if change.kind == "newly failing" and before + after > 2:
        return f"at most 1 in {least_odds(before, after):,} by chance"
    if change.is_certain and change.p_corrected is not None:
        return f"beyond chance, p {shown_p(change.p_corrected)}"
    return ""


def _share(case: CaseOutcome) -> float:
    return case.passed / case.answered if case.answered else 0.0


def _tally(case: CaseOutcome) -> str:
    errors = f", {_many(case.errors, 'error')}" if case.errors else ""
    return f"{case.tally} {case.verdict}{errors}"


def _failures(case: CaseOutcome) -> str:
    return ", ".join(case.failures)


def case_name(case: CaseOutcome) -> str:
    """Its name, or its id; behind an id that is a hash, its variables."""
    if case.name or not _HASH.fullmatch(case.key.id) or not case.variables:
        return case.name or case.key.id
    values = ", ".join(f"{name}={value}" for name, value in case.variables.items())
    return f"{case.key.id} {values}"


def _plain(cell: str) -> str:
    return inert(one_line(cell, 60))


def _plain_note(note: str) -> str:
    return inert(one_line(note, 500))


def _code(cell: str) -> str:
    return "`" + one_line(cell, 60).replace("`", "'").replace("##", "#\u200b#").replace("|", "\\|") + "`"


def escaped(note: str) -> str:
    """A text on one line of Markdown that is no markup."""
    return re.sub(r"([\\`*_<>\[\]|@#])", r"\\\1", inert(one_line(note, 500)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed_points(share: float) -> str:
    return ("-" if share < 0 else "+") + points(abs(share))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
