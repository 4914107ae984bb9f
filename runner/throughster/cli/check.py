"""`throughster check SPEC...`: validate, send nothing."""

from __future__ import annotations

from typing import Any

import click

from throughster.cli.exits import OK, WRONG
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared, spec_options
from throughster.screen import echo, line

__all__ = ["check"]


@click.command()
@spec_options
def check(screen: str, color: str, **choice: Any) -> int:
    """Validate each SPEC: keys, templates, schemas, data columns, keys and addresses. Nothing is sent.

    \b
    Example:
      throughster check specs/
    """
    plans, problems = prepared(**choice)
    print_problems(problems, screen, color)
    if not plans or any(problem.severity == "error" for problem in problems):
        return WRONG
    if screen == "text":
        for plan in plans:
            echo(line(f"{plan.file}: OK ({plan.describe()})"))
    return OK
