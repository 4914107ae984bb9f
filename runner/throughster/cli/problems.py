"""Problems of specs on the screen: as text with the source line, as JSON, or as annotations of a CI system."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from throughster.screen import annotate, echo, echo_json, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.errors import Problem

__all__ = ["print_problems"]

_MOST_SHOWN = 100


def print_problems(problems: Sequence[Problem], screen: str, color: str) -> None:
    """Errors and warnings, each once, in the order of the files; a count closes them. As text, the first hundred."""
    problems = sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column))
    if screen == "json":
        for problem in problems:
            echo_json({"problem": problem})
        return
    if screen == "github":
        for problem in problems:
            told = f"{problem.message} {problem.hint}".strip()
            annotate(problem.severity, told, file=problem.file, row=problem.line, column=problem.column)
        return
    first = problems if len(problems) <= _MOST_SHOWN else sorted(problems, key=lambda p: p.severity)[:_MOST_SHOWN]
    for problem in first:
        head, _, source = str(_on_lines(problem)).partition("\n")
        echo(head, err=True, tone="red" if problem.severity == "error" else "yellow", bold=True, color=color)
        if source:
            echo(source, err=True)
    if len(problems) > _MOST_SHOWN:
        echo(f"... and {len(problems) - _MOST_SHOWN:,} more.", err=True)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        echo(f"{errors:,} {'error' if errors == 1 else 'errors'}; nothing was sent.", err=True)


def _on_lines(problem: Problem) -> Problem:
    """What is said of it on one line: a name with a line break in it would else begin a line of its own."""
    return replace(problem, file=line(problem.file), message=line(problem.message), hint=line(problem.hint))
