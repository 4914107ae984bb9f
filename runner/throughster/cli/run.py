"""`throughster-run SPEC...`: the main job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from throughster.cli.exits import OK, WRONG
from throughster.cli.numbers import FiniteRange
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared, spec_options
from throughster.errors import CassetteError, Problem, SettingsError, SpecError
from throughster.reports.files import KINDS
from throughster.running.outputs import check_outputs
from throughster.screen import echo, line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@spec_options
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="Write results here, by ending: .jsonl .csv .parquet .html .xml .md. Repeatable. Default: a folder in ./runs.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the interrupted run of -o, or the newest run of this spec.")
@click.option("--max-cost", type=FiniteRange(0, min_open=True), metavar="USD", help="Spend at most this in all.")
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
@click.option("--plain-csv", is_flag=True, help="Write text into .csv as it is, also what a spreadsheet would run.")
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
    plain_csv: bool,
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
    plans, problems = prepared(
        **choice,
        priced=max_cost is not None,
        keyless=replay is not None,
    )
    print_problems(problems, screen, color)
    if any(problem.severity == "error" for problem in problems) or not plans:
        if not (check or dry_run):
            _write_refused(outputs, problems)
        return WRONG
    if dry_run:
        from throughster.cli.dry_run import dry_run as show

        return show(plans, color=color, screen=screen)
    if check:
        if screen == "text" and not quiet:
            for plan in plans:
                echo(line(f"{plan.file}: OK ({plan.describe()})"))
        return OK
    from throughster.cli.execution import Screen, Work, carry_out  # with the network, which a check does not need

    work = Work(
        outputs,
        resume=resume,
        max_requests=max_requests,
        max_cost=max_cost,
        record=record,
        replay=replay,
        processes=processes,
        baseline=baseline,
        update_baseline=update_baseline,
        plain_csv=plain_csv,
    )
    try:
        return carry_out(plans, work, Screen(screen, color, quiet=quiet, verbose=verbose, progress=not no_progress))
    except (CassetteError, SettingsError, SpecError) as error:  # found before anything was sent
        _write_refused([path for path in outputs if resume or not path.exists()], [Problem("", 0, 0, str(error))])
        raise


def _write_refused(outputs: Sequence[Path], problems: Sequence[Problem]) -> None:
    if outputs:
        from throughster.reports.refused import write_refused  # with the reports

        write_refused(outputs, problems)


def _count(text: str | None) -> int:
    if text is None:
        return 1
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise click.BadParameter(f"`{text}` is neither a number from 1 to 256 nor `auto`.")
    return int(text)
