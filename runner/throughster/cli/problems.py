"""Problems of specs on the screen: as text with the source line, as JSON, or as annotations of a CI system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import orjson

from throughster.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.errors import Problem

__all__ = ["escaped", "escaped_property", "print_problems"]


def print_problems(problems: Sequence[Problem], screen: str, color: str) -> None:
    """Errors and warnings, each once, in the order of the files; a count closes them."""
    problems = sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column))
    if screen == "json":
        for problem in problems:
            click.echo(orjson.dumps({"problem": problem}).decode())
        return
    if screen == "github":
        for problem in problems:
            click.echo(_annotation(problem))
        return
    paint = color == "always" or (color == "auto" and sys.stderr.isatty())
    for problem in problems:
        head, _, rest = printable(str(problem)).partition("\n")
        tone = "red" if problem.severity == "error" else "yellow"
        click.echo((click.style(head, fg=tone, bold=True) if paint else head) + (f"\n{rest}" if rest else ""), err=True)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        click.echo(f"{errors} {'error' if errors == 1 else 'errors'}; nothing was sent.", err=True)


def _annotation(problem: Problem) -> str:
    place = f"file={escaped_property(problem.file)}"
    place += f",line={problem.line},col={problem.column}" if problem.line else ""
    return f"::{problem.severity} {place}::{escaped(f'{problem.message} {problem.hint}'.strip())}"


def escaped(text: str) -> str:
    """The message of a GitHub workflow command; no line of it can begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """The value of a property of one, such as its title, which also ends at `:` and `,`."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")
