"""What decides whether tests that ran are good enough: a gate, and the comparison with an earlier run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import SettingsError
from throughster.paths import PathProblem, project_root, resolve_inside
from throughster.regression import compare, evaluate_gate, fold
from throughster.regression.cases import newest_first, require_whole
from throughster.regression.plain import as_plain
from throughster.regression.tables import headline, markdown, text
from throughster.reports.markdown import cell
from throughster.reports.table import replace_file
from throughster.screen import echo, line
from throughster.spec.model import BaselineSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from throughster.regression import CaseKey, CaseOutcome, Comparison, GateOutcome
    from throughster.running.events import Summary
    from throughster.running.plan import Plan

__all__ = ["TONES", "Decision", "baseline_of", "check_baselines", "decide", "update_baseline", "warnings_of"]

TONES = {"regression": "red", "newly failing": "red", "no regression": "green", "cannot tell": "yellow"}


@dataclass(frozen=True)
class Decision:
    """What a spec's gate and baseline say together. Where it has neither, there is no decision.

    `baseline`: the file compared with.
    """

    name: str
    gate: GateOutcome | None
    comparison: Comparison | None
    on_cannot_tell: str = "warn"
    baseline: Path | None = None

    @property
    def is_met(self) -> bool:
        if self.gate is not None and not self.gate.is_met:
            return False
        if self.comparison is None:
            return True
        fails = self.comparison.verdict == "cannot tell" and self.on_cannot_tell == "fail"
        return self.comparison.is_acceptable and not fails

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was let pass, and a reader should know however little is printed."""
        return () if self.comparison is None else warnings_of(self.comparison)

    def show(self, *, color: str) -> None:
        """Print it: the conditions of the gate, then the comparison."""
        for condition in self.gate.conditions if self.gate is not None else ():
            told = f"gate {'met' if condition.is_met else 'NOT met'}: {condition.text}"
            echo(line(told), tone="green" if condition.is_met else "red", color=color)
        if self.comparison is not None:
            head = headline(self.comparison)
            echo(head, tone=TONES[self.comparison.verdict], bold=True, color=color)
            echo(text(self.comparison), nl=False)

    def as_json(self) -> dict[str, Any]:
        gate = None if self.gate is None else {"is_met": self.gate.is_met, "conditions": self.gate.conditions}
        comparison = None if self.comparison is None else as_plain(self.comparison)
        return {"name": self.name, "is_met": self.is_met, "gate": gate, "comparison": comparison}

    def as_text(self) -> str:
        """Why it is not met, or what was compared, in lines of plain text."""
        conditions = self.gate.conditions if self.gate is not None else ()
        lines = [f"gate NOT met: {condition.text}" for condition in conditions if not condition.is_met]
        if self.comparison is not None:
            lines += [f"{self.comparison.verdict}: {' '.join(self.comparison.reasons)}", "", text(self.comparison)]
        return "\n".join(lines)

    def as_markdown(self) -> str:
        lines = [
            f"- {'✅' if condition.is_met else '❌'} gate: {cell(condition.text)}"
            for condition in (self.gate.conditions if self.gate is not None else ())
        ]
        parts = ["\n".join(lines)] if lines else []
        if self.comparison is not None:
            parts.append(markdown(self.comparison))
        return "\n\n".join(parts) + "\n"


def warnings_of(comparison: Comparison) -> tuple[str, ...]:
    """What does not end with 1, and is no good news."""
    if comparison.verdict == "cannot tell":
        return (f"cannot tell. {' '.join(comparison.reasons)}",)
    if comparison.verdict == "no regression" and comparison.of_kind("newly failing"):
        return (comparison.reasons[0],)
    return ()


def baseline_of(plan: Plan, given: Path | None) -> tuple[Path, BaselineSpec] | None:
    """The file of the baseline, that of the command line before the spec's, and how to compare with it.

    Raises SettingsError for a spec's path that leads out of the project.
    """
    own = plan.spec.baseline
    if given is not None:
        return given, own or BaselineSpec(file=str(given))
    if own is None:
        return None
    base = Path(plan.file).resolve().parent
    try:
        return resolve_inside(project_root(Path(plan.file)), base, own.file, must_exist=False), own
    except PathProblem as error:
        raise SettingsError(f"{plan.file}: `baseline.file`: {error}") from error


def check_baselines(plans: Sequence[Plan], given: Path | None, *, update: bool) -> None:
    """Raises SettingsError where there is nothing to compare with, before anything is sent."""
    for plan in plans:
        found = baseline_of(plan, given)
        if plan.spec.early_stop and (update or found is not None):
            raise SettingsError(
                f"{plan.file}: `early_stop` leaves repeats out, so such a run can be no baseline, nor be compared "
                f"with one. Remove it, or run without the baseline."
            )
        if update and not plan.is_whole:
            raise SettingsError(
                f"{plan.file}: --update-baseline needs the whole suite: the cases that --filter, --limit, --sample, "
                f"`only`, --provider, --no-tests or --data leave out would be lost from the baseline."
            )
        if found is None and update:
            raise SettingsError(
                f"{plan.file}: --update-baseline needs a file: `baseline: {{file: ...}}`, or --baseline FILE."
            )
        if found is not None and update:
            _check_replaceable(plan, found[0])
        if found is not None and not update:
            if not found[0].is_file():
                raise SettingsError(
                    f"There is no baseline {found[0]}. Make this run the baseline with --update-baseline."
                )
            earlier = _folded(plan, found[0])
            require_whole(earlier, found[0])
            known = {key.id for key, case in earlier.items() if case.answered}
            if not any(row.id in known for row in plan.rows):
                raise SettingsError(
                    f"The baseline {found[0]} has no answered case of {plan.name} that would be run now, so there is "
                    f"nothing to compare. Make a new one with --update-baseline."
                )


def _check_replaceable(plan: Plan, path: Path) -> None:
    """Raises SettingsError where there is something else than results, or a link, in the baseline's place."""
    own = plan.spec.baseline
    named = path if own is None else Path(plan.file).parent / own.file
    if path.is_symlink() or named.is_symlink():
        raise SettingsError(f"The baseline {named} is a link, and is not written through. Name the file itself.")
    if not path.exists():
        return
    try:
        is_results = next(newest_first(path), None) is not None
    except SettingsError:
        is_results = False
    if not is_results:
        raise SettingsError(f"{path} exists and holds no results, so it is not replaced. Name another file.")


def decide(plan: Plan, summary: Summary, given: Path | None, *, update: bool) -> Decision | None:
    """What the gate and the baseline say of a finished run; None where it has neither."""
    found = None if update else baseline_of(plan, given)
    if plan.spec.gate is None and found is None:
        return None
    after = _folded(plan, Path(summary.journal), wants=plan.holds)
    gate = None if plan.spec.gate is None else evaluate_gate(plan.spec.gate, after, is_compared=found is not None)
    if found is None:
        return Decision(plan.name, gate, None)
    path, how = found
    skipped = plan.cases.skipped if plan.cases is not None else {}
    comparison = compare(
        {key: case for key, case in _folded(plan, path).items() if key.id not in skipped},
        after,
        alpha=how.alpha,
        tolerance=how.tolerance,
        forgives_newly_failing=how.newly_failing == "warn",
        needs_all=plan.is_whole and not (summary.stopped_by or summary.lost),
    )
    return Decision(plan.name, gate, comparison, how.on_cannot_tell, path)


def update_baseline(plan: Plan, summary: Summary, given: Path | None) -> Path:
    """Make the run's results of this spec the baseline. Raises SettingsError where it cannot be written."""
    found = baseline_of(plan, given)
    assert found is not None
    path = found[0]
    lines = [
        line for line in Path(summary.journal).read_bytes().splitlines(keepends=True)
        if plan.holds(orjson.loads(line))
    ]  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, b"".join(lines))
    except OSError as error:
        raise SettingsError(f"The baseline {path} cannot be written: {os.strerror(error.errno or 0)}.") from error
    return path


def _folded(
    plan: Plan, path: Path, wants: Callable[[Mapping[str, Any]], bool] | None = None
) -> Mapping[CaseKey, CaseOutcome]:
    """The cases of this spec in a results file; of an earlier run those that the spec has no more, too."""
    known = plan.cases.known if plan.cases is not None else {}
    rates = {name: row.case.pass_rate for name, row in known.items() if row.case is not None}
    tags = {name: row.case.tags for name, row in known.items() if row.case is not None}
    found = fold(path, pass_rate=plan.spec.pass_rate, rates=rates, tags=tags, wants=wants)
    return {key: case for key, case in found.items() if key.spec == plan.name}
