"""`throughster-run SPEC...`: the main job."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from throughster.cli.decide import check_baselines, decide
from throughster.cli.decide import update_baseline as write_baseline
from throughster.cli.exits import FAILED, OK, WRONG, exit_code
from throughster.cli.loop import loop_factory, runner
from throughster.cli.page import Pages
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared, spec_options
from throughster.exchanges import Player, Recorder
from throughster.reports.files import KINDS
from throughster.running.launch import Caps, Outputs, check_outputs, execute
from throughster.running.processes import Crew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.cli.decide import Decision
    from throughster.running.events import Summary
    from throughster.running.plan import Plan

__all__ = ["run"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@spec_options
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="Write results here, by ending: .jsonl .csv .parquet .html .xml .md. Repeatable. Default: a folder in ./runs.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the interrupted run of -o, or the newest run of this spec.")
@click.option("--max-cost", type=click.FloatRange(0, min_open=True), metavar="USD", help="Spend at most this in all.")
@click.option("--max-requests", type=click.IntRange(1), metavar="N", help="Send at most this many requests in all.")
@click.option("--cache/--no-cache", default=None, help="Take answers from the response cache, and keep them there.")
@click.option("--record", type=click.Path(path_type=Path), metavar="DIR", help="Keep what is sent as cassettes here.")
@click.option(
    "--replay", type=click.Path(path_type=Path), metavar="DIR", help="Answer from these cassettes; send nothing."
)
@click.option(
    "--processes", metavar="N", callback=lambda _, __, text: _count(text),
    help="Work with N processes, or `auto`: one for each core.",
)  # fmt: skip
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Compare with these results.",
)
@click.option("--update-baseline", is_flag=True, help="Make this run the baseline.")
@click.option("--check", is_flag=True, help="Validate spec, templates, schemas and data columns; send nothing.")
@click.option("--dry-run", is_flag=True, help="Also render every prompt, count calls and tokens; send nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
@click.option("-v", "--verbose", is_flag=True, help="Print every failed row and every failed send.")
@click.option("--no-progress", is_flag=True, help="Draw no progress line.")
def run(
    outputs: tuple[Path, ...],
    resume: bool,
    max_cost: float | None,
    max_requests: int | None,
    record: Path | None,
    replay: Path | None,
    processes: int,
    baseline: Path | None,
    update_baseline: bool,
    check: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    screen: str,
    color: str,
    **choice: Any,
) -> int:
    """Run each SPEC (a file, a folder or a glob): render its prompts, ask, validate, save every result.

    \b
    Examples:
      throughster-run specs/translate.yaml
      throughster-run specs/translate.yaml --provider openai:gpt-4.1-mini --limit 3
      throughster-run specs/ --check
    """
    if processes > 1 and (record is not None or replay is not None):
        raise click.UsageError("--processes works without --record and --replay.")
    if record is not None and replay is not None:
        raise click.UsageError("--record and --replay exclude each other.")
    if not (check or dry_run):
        check_outputs(outputs, tuple(KINDS), resume=resume)
    tape = Player(replay) if replay is not None else None
    plans, problems = prepared(
        **choice,
        priced=max_cost is not None,
        keyless=tape is not None,
        compared=baseline is not None or update_baseline,
    )
    print_problems(problems, screen, color)
    if any(problem.severity == "error" for problem in problems) or not plans:
        return WRONG
    if dry_run:
        from throughster.cli.dry_run import dry_run as show

        return show(plans, color=color, screen=screen)
    if check:
        if screen == "text" and not quiet:
            for plan in plans:
                click.echo(f"{plan.file}: OK ({plan.describe()})")
        return OK
    check_baselines(plans, baseline, update=update_baseline)
    from throughster.cli.listen import listener

    emit = listener(screen, color=color, quiet=quiet, progress=not no_progress, verbose=verbose)
    crew = Crew(processes, plans, loop_factory()) if processes > 1 else None
    pages = Pages()
    with crew or nullcontext(), runner() as loop:
        summaries = loop.run(
            execute(
                plans,
                Outputs(outputs, pages.write, resume=resume),
                emit,
                caps=Caps(max_requests, max_cost),
                tape=Recorder(record) if record is not None else tape,
                crew=crew,
                handle_signals=True,
            )
        )
    decisions: dict[str, Decision] = {}
    met: dict[int, bool] = {}
    for plan, summary in zip(plans, summaries, strict=False):  # a run that was stopped has fewer
        decision = decide(plan, summary, baseline, update=update_baseline)
        if decision is not None:
            decisions[plan.file] = decision
            met[id(summary)] = decision.is_met
            _show(decision, screen, color=color, quiet=quiet)
            _add_to_summaries(decision, outputs, plan, summary)
    code = exit_code(summaries, met)
    if update_baseline:
        _update_baselines(plans, summaries, baseline, code)
    pages.finish(plans, summaries, decisions, code)
    return code


def _count(text: str | None) -> int:
    if text is None:
        return 1
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise click.BadParameter(f"`{text}` is neither a number from 1 to 256 nor `auto`.")
    return int(text)


def _show(decision: Decision, screen: str, *, color: str, quiet: bool) -> None:
    if screen == "json":
        click.echo(orjson.dumps({"decision": decision.as_json()}, default=list).decode())
    elif not quiet or not decision.is_met:
        decision.show(color=color == "always" or (color == "auto" and sys.stdout.isatty()))
    if screen == "github" and not decision.is_met:
        click.echo(f"::error title={decision.name}::the gate or the baseline says that this is not good enough")


def _add_to_summaries(decision: Decision, outputs: tuple[Path, ...], plan: Plan, summary: Summary) -> None:
    """Every Markdown summary of the run ends with the decision."""
    named = [Path(summary.journal).parent / name for name in plan.outputs if name.lower().endswith(".md")]
    for path in (*(path for path in outputs if path.suffix.lower() == ".md"), *named):
        if path.is_file():
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" + decision.as_markdown())


def _update_baselines(plans: Sequence[Plan], summaries: Sequence[Summary], given: Path | None, code: int) -> None:
    if code not in (OK, FAILED) or len(summaries) < len(plans):
        click.echo("The run is not complete, so the baseline stays as it is.", err=True)
        return
    for plan, summary in zip(plans, summaries, strict=True):
        click.echo(f"Baseline: {write_baseline(plan, summary, given)}", err=True)
