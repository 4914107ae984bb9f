"""A run of checked specs: asked, decided, reported, and what the process exits with."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.cli.exits import FAILED, OK, exit_code
from throughster.cli.listen import listener
from throughster.cli.loop import loop_factory, runner
from throughster.cli.page import Pages
from throughster.exchanges import Player, Recorder
from throughster.running.launch import Caps, execute
from throughster.running.outputs import Outputs
from throughster.running.processes import Crew
from throughster.screen import annotate, echo, echo_json, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.cli.decide import Decision
    from throughster.running.events import Summary
    from throughster.running.plan import Plan

__all__ = ["Screen", "Work", "carry_out"]


@dataclass(frozen=True)
class Work:
    """What is asked for besides the specs. `outputs`: what `-o` named; `record`, `replay`: folders of cassettes."""

    outputs: tuple[Path, ...] = ()
    resume: bool = False
    max_requests: int | None = None
    max_cost: float | None = None
    record: Path | None = None
    replay: Path | None = None
    processes: int = 1
    baseline: Path | None = None
    update_baseline: bool = False
    plain_csv: bool = False


@dataclass(frozen=True)
class Screen:
    """What is shown. `form`: text, json or github; `color`: always, never or auto."""

    form: str
    color: str
    quiet: bool
    verbose: bool
    progress: bool


def carry_out(plans: Sequence[Plan], work: Work, screen: Screen) -> int:
    """Run the plans and write their reports; returns the exit code. Raises SettingsError before anything is sent."""
    decides = work.baseline is not None or any(plan.spec.gate or plan.spec.baseline for plan in plans)
    if decides or work.update_baseline:
        from throughster.cli.decide import check_baselines  # with the statistics

        check_baselines(plans, work.baseline, update=work.update_baseline)
    pages = Pages(plain_csv=work.plain_csv)
    summaries = _execute(plans, work, screen, pages)
    decisions = _decisions(plans, summaries, work, screen) if decides else {}
    met = {
        id(summary): decisions[plan.file].is_met
        for plan, summary in zip(plans, summaries, strict=False)  # a run that was stopped has fewer
        if plan.file in decisions
    }
    code = exit_code(summaries, met)
    if work.update_baseline:
        _update_baselines(plans, summaries, work.baseline, code)
    pages.finish(plans, summaries, decisions, code)
    return code


def _execute(plans: Sequence[Plan], work: Work, screen: Screen, pages: Pages) -> list[Summary]:
    emit = listener(
        screen.form, color=screen.color, quiet=screen.quiet, progress=screen.progress, verbose=screen.verbose
    )
    tape = (
        Player(work.replay) if work.replay is not None else Recorder(work.record) if work.record is not None else None
    )
    crew = Crew(work.processes, plans, loop_factory()) if work.processes > 1 else None
    with crew or nullcontext(), runner() as loop:
        return loop.run(
            execute(
                plans,
                Outputs(work.outputs, pages.write, resume=work.resume),
                emit,
                caps=Caps(work.max_requests, work.max_cost),
                tape=tape,
                crew=crew,
                handle_signals=True,
            )
        )


def _decisions(plans: Sequence[Plan], summaries: Sequence[Summary], work: Work, screen: Screen) -> dict[str, Decision]:
    """By the file of a plan, shown."""
    from throughster.cli.decide import decide  # with the statistics

    decisions: dict[str, Decision] = {}
    for plan, summary in zip(plans, summaries, strict=False):  # a run that was stopped has fewer
        decision = decide(plan, summary, work.baseline, update=work.update_baseline)
        if decision is not None:
            decisions[plan.file] = decision
            _show(decision, screen)
    return decisions


def _show(decision: Decision, screen: Screen) -> None:
    if screen.form == "json":
        echo_json({"decision": decision.as_json()})
    elif not screen.quiet or not decision.is_met:
        decision.show(color=screen.color)
    for warning in decision.warnings:
        echo(line(f"Warning: {decision.name}: {warning}"), err=True)
    if screen.form == "github":
        for warning in decision.warnings:
            annotate("warning", warning, title=decision.name)
        if not decision.is_met:
            told = "the gate or the baseline says that this is not good enough"
            annotate("error", told, title=decision.name)


def _update_baselines(plans: Sequence[Plan], summaries: Sequence[Summary], given: Path | None, code: int) -> None:
    from throughster.cli.decide import update_baseline  # with the statistics

    has_errors = any(summary.all_statuses["error"] for summary in summaries)
    if code not in (OK, FAILED) or has_errors or len(summaries) < len(plans):
        echo("The run is not complete, so the baseline stays as it is.", err=True)
        return
    for plan, summary in zip(plans, summaries, strict=True):
        echo(f"Baseline: {update_baseline(plan, summary, given)}", err=True)
