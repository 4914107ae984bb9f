"""`throughster render SPEC`: the prompts as they would be sent."""

from __future__ import annotations

from typing import Any

import click

from throughster.cli.exits import OK, WRONG
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared, spec_options
from throughster.errors import RequestError
from throughster.screen import echo, echo_json, line

__all__ = ["render"]


@click.command()
@spec_options
def render(screen: str, color: str, **choice: Any) -> int:
    """Print the rendered prompt of every chosen row. Nothing is sent.

    \b
    Example:
      throughster render specs/translate.yaml --limit 1
    """
    plans, problems = prepared(**choice)
    print_problems(problems, screen, color)
    if not plans or any(problem.severity == "error" for problem in problems):
        return WRONG
    code = OK
    for plan in plans:
        for row in plan.rows:
            try:
                messages = plan.messages(row)
            except RequestError as error:
                echo(f"{plan.file}: row {row.index + 1}: {error}", err=True)
                code = WRONG
                continue
            if screen == "json":
                echo_json({"id": row.id, "row": row.index, "messages": messages})
                continue
            echo(f"--- {line(plan.name)} row {row.index + 1} ({line(row.id)})", bold=True, color=color)
            for message in messages:
                echo(f"{message['role']}:", bold=True, color=color)
                echo(message["content"])
    return code
