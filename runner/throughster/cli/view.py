"""`throughster view RESULTS`: the HTML report of results that are there already."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click

from throughster.cli.exits import OK
from throughster.cli.numbers import FiniteRange
from throughster.errors import SettingsError
from throughster.regression import compare, fold
from throughster.regression.cases import newest_first, require_whole
from throughster.reports.html import write_page
from throughster.reports.page.ending import Ending, Judged
from throughster.screen import echo

__all__ = ["view"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("results", metavar="RESULTS", type=_FILE)
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write the page here (.html); open nothing.")
@click.option("--baseline", type=_FILE, metavar="FILE", help="Show how it compares with these results.")
@click.option(
    "--pass-rate", type=FiniteRange(0, 1, min_open=True), default=1.0, show_default=True,
    help="Share of a case's repeats that must pass.",
)  # fmt: skip
@click.option("--no-open", is_flag=True, help="Open no browser; print where the page is.")
def view(results: Path, output: Path | None, baseline: Path | None, pass_rate: float, no_open: bool) -> int:
    """Show a results file (.jsonl) as a page: every case, with answers, checks and what went wrong.

    \b
    Example:
      throughster view runs/translate/20261125T120000Z/results.jsonl
    """
    path = _target(output)
    if next(newest_first(results), None) is None:
        raise SettingsError(f"{results}: there are no results in it.")
    ending = Ending()
    if baseline is not None:
        earlier = fold(baseline, pass_rate=pass_rate)
        require_whole(earlier, baseline)
        comparison = compare(earlier, fold(results, pass_rate=pass_rate))
        if not comparison.cases:
            raise SettingsError(f"{baseline} and {results} have no case in common, so there is nothing to compare.")
        ending = Ending(judged=(Judged(results.stem, comparison=comparison, baseline=baseline),))
    write_page(results, path, (), ending, pass_rate=pass_rate)
    echo(path)
    if output is None and not no_open and not webbrowser.open(path.as_uri()):
        echo("No browser could be opened. Open the file above in one.", err=True)
    return OK


def _target(output: Path | None) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="throughster-")) / "report.html"
    if output.suffix.lower() != ".html":
        raise SettingsError(f"{output}: the page is written as .html.")
    if output.exists() or output.is_symlink():
        raise SettingsError(f"{output} exists already. Name another file, or move it away.")
    if not output.parent.is_dir():
        raise SettingsError(f"{output}: there is no folder {output.parent}.")
    return output
