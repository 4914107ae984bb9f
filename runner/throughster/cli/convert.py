"""`throughster convert SOURCE...`: files of other prompt runners as specs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from throughster.cli.exits import FAILED, OK, WRONG
from throughster.convert import check_written, find_sources, write_drafts
from throughster.convert import convert as convert_source
from throughster.errors import SpecError
from throughster.screen import echo, echo_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.convert import Conversion, Loss
    from throughster.errors import Problem

__all__ = ["convert"]

_HEADINGS = {
    "changes": "Not carried over, and it changes what is asked or checked",
    "harmless": "Left out, or a little different; no verdict should depend on it",
}


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", metavar="FILE-or-FOLDER", help="Write there: a .yaml file for one spec, or a folder.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--strict", is_flag=True, help="Write nothing if something that changes the meaning is lost.")
@click.option("--format", "screen", type=click.Choice(["text", "json"]), default="text", help="What is printed.")
def convert(sources: Sequence[str], output: str | None, force: bool, strict: bool, screen: str) -> int:
    """Make specs of promptfoo configurations, .prompty files and runs of prompt flow.

    A SOURCE is a file, a folder with a promptfooconfig.yaml or .prompty files, or - for standard input. What could not
    be carried over is listed; then each spec is checked. Exit 0: everything that matters was carried. 1: something was
    not. 2: a source is wrong.

    \b
    Example:
      throughster convert promptfooconfig.yaml -o specs
    """
    if "-" in sources and output is None:
        raise click.UsageError("Standard input has no name: say with -o where the spec goes.")
    code = OK
    try:
        files = [file for source in sources for file in find_sources(source)]
    except SpecError as error:
        return _tell_wrong(error, screen)
    if len(files) > 1 and output is not None and output.lower().endswith((".yaml", ".yml")):
        raise click.UsageError(f"There are {len(files)} sources, and {output} is one file. Name a folder.")
    for file in files:
        code = max(code, _one(file, output, screen, force=force, strict=strict))
    return code


def _one(file: str, output: str | None, screen: str, *, force: bool, strict: bool) -> int:
    try:
        conversion = convert_source(file, output)
        writes = not (strict and conversion.changes_meaning)
        if writes:
            write_drafts(conversion, force=force)
    except SpecError as error:
        return _tell_wrong(error, screen)
    checked = check_written(conversion) if writes else []
    if screen == "json":
        echo_json(_as_json(conversion, checked, writes))
    else:
        _print(conversion, checked, writes)
    return FAILED if conversion.changes_meaning or any(errors for _, _, errors in checked) else OK


def _tell_wrong(error: SpecError, screen: str) -> int:
    for problem in error.problems:
        if screen == "json":
            echo_json({"problem": problem})
        else:
            echo(str(problem), err=True)
    return WRONG


def _as_json(conversion: Conversion, checked: list[Any], writes: bool) -> dict[str, Any]:
    return {
        "source": conversion.source,
        "kind": conversion.kind,
        "written": [str(path) for path in conversion.paths] if writes else [],
        "specs": [str(path) for path, _, _ in checked],
        "losses": [
            {"severity": loss.severity, **loss.place._asdict(), "what": loss.what, "why": loss.why, "todo": loss.todo}
            for loss in conversion.losses
        ],
        "losses_not_shown": conversion.unshown,
        "problems": [problem for _, _, errors in checked for problem in errors],
        "allow_hosts": list(conversion.hosts),
        "variables": list(conversion.needs),
    }


def _print(conversion: Conversion, checked: list[tuple[Any, str, list[Problem]]], writes: bool) -> None:
    files = ", ".join(str(path) for path in conversion.paths) if writes else "nothing was written (--strict)"
    echo(f"{conversion.source} ({conversion.kind}) -> {files}")
    for severity, heading in _HEADINGS.items():
        _print_losses(heading, [loss for loss in conversion.losses if loss.severity == severity])
    if conversion.unshown:
        echo(f"\n{conversion.unshown} more are not shown.")
    echo("")
    for path, words, errors in checked:
        echo(f"{path}: OK ({words})" if not errors else f"{path}: does not pass the check yet:")
        for problem in errors:
            echo(str(problem))
    if checked:
        echo(f"Next: {_next(conversion, checked)}")


def _print_losses(heading: str, losses: list[Loss]) -> None:
    if losses:
        echo(f"\n{heading} ({len(losses)}):")
        for loss in losses:
            echo(f"  {loss}")


def _next(conversion: Conversion, checked: list[Any]) -> str:
    paths = [str(path) for path, _, _ in checked]
    options = [f"--allow-host {host}" for host in conversion.hosts]
    options += [f"--var {name}=..." for name in conversion.needs]
    return " ".join(["throughster-run", *paths, *options])
