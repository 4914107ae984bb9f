"""`throughster render SPEC`: the prompts as they would be sent."""

from __future__ import annotations

from typing import Any

import click
import orjson

from throughster.cli.exits import OK, WRONG
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared, spec_options
from throughster.errors import RequestError
from throughster.redact import printable

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
                click.echo(printable(f"{plan.file}: row {row.index}: {error}"), err=True)
                code = WRONG
                continue
            if screen == "json":
                click.echo(orjson.dumps({"id": row.id, "row": row.index, "messages": messages}).decode())
                continue
            click.echo(click.style(f"--- {plan.name} row {row.index} ({row.id})", dim=True))
            for message in messages:
                click.echo(click.style(f"{message['role']}:", bold=True))
                click.echo(printable(message["content"]))
    return code
