"""`throughster diff A B`: whether the later of two results is worse."""

from __future__ import annotations

from pathlib import Path

import click

from throughster.cli.decide import TONES, warnings_of
from throughster.cli.exits import FAILED, OK
from throughster.cli.numbers import FiniteRange
from throughster.errors import SettingsError
from throughster.regression import compare, fold
from throughster.regression.cases import require_whole
from throughster.regression.plain import as_plain
from throughster.regression.tables import headline, markdown, text
from throughster.screen import echo, echo_json

__all__ = ["diff"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("before", metavar="A", type=_FILE)
@click.argument("after", metavar="B", type=_FILE)
@click.option(
    "--alpha", type=FiniteRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
    help="The chance of a false alarm.",
)  # fmt: skip
@click.option(
    "--tolerance",
    type=FiniteRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="A drop up to this is no regression.",
)
@click.option(
    "--pass-rate",
    type=FiniteRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of a case's repeats that must pass.",
)
@click.option(
    "--newly-failing", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
    help="What a case means that passed in every repeat and passes in none now.",
)  # fmt: skip
@click.option("--format", "screen", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def diff(
    before: Path, after: Path, alpha: float, tolerance: float, pass_rate: float, newly_failing: str, screen: str
) -> int:
    """Compare two results files (.jsonl): whether B is worse than A, or only differs by chance.

    Exits with 1 where B is a regression, or has cases that fail newly, new ones that fail, or some without an answer.

    \b
    Example:
      throughster diff baselines/translate.jsonl runs/translate/20261125T120000Z/results.jsonl
    """
    earlier, later = fold(before, pass_rate=pass_rate), fold(after, pass_rate=pass_rate)
    for cases, path in ((earlier, before), (later, after)):
        require_whole(cases, path)
    forgives = newly_failing == "warn"
    found = compare(earlier, later, alpha=alpha, tolerance=tolerance, forgives_newly_failing=forgives)
    if not found.cases:
        raise SettingsError(
            f"{before} and {after} have no case in common, so there is nothing to compare. A case is the same where "
            f"`spec`, `id` and `label` are."
        )
    if found.suite is None and not found.unanswered:
        raise SettingsError(f"No case has answers in both {before} and {after}, so there is nothing to compare.")
    if screen == "json":
        echo_json(as_plain(found))
    elif screen == "markdown":
        echo(markdown(found), nl=False, ci=False)
    else:
        echo(headline(found), tone=TONES[found.verdict], bold=True)
        echo(text(found), nl=False)
    for warning in warnings_of(found) if screen != "text" else ():
        echo(f"Warning: {warning}", err=True)
    return OK if found.is_acceptable else FAILED
