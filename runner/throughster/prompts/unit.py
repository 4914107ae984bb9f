"""A parsed template file, a use of a variable in it, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from throughster.errors import ThroughsterError

if TYPE_CHECKING:
    from jinja2 import nodes

    from throughster.prompts.positions import Positions

__all__ = ["ROW", "Reference", "TemplateProblem", "Unit"]

ROW = "row"
"""The name under which a template finds all variables as one mapping."""


class TemplateProblem(ThroughsterError):  # noqa: N818 - it becomes a Problem of the spec, with a position
    """A template that cannot be used. `line` and `column` count from 1 in the text of the template `template`."""

    def __init__(self, message: str, *, line: int, column: int, template: str) -> None:
        super().__init__(f"{template}:{line}:{column}: {message}")
        self.message = message
        self.line = line
        self.column = column
        self.template = template


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of the outer variable `name`. `line` and `column` count from 1 in the text of the template `template`.

    `optional`: the template renders without the variable too. `through_row`: written `row.name` or `row["name"]`; where
    a variable is itself called `row`, such a use is one of that variable instead. The whole `row` used as a value
    is an optional reference to `row` of this kind.
    """

    name: str
    line: int
    column: int
    optional: bool = False
    template: str = ""
    through_row: bool = False


class Unit(NamedTuple):
    """A template file that was parsed: its name, its tree (numbered by offsets), and where its lines start."""

    name: str
    tree: nodes.Template
    positions: Positions

    def problem(self, message: str, offset: int) -> TemplateProblem:
        line, column = self.positions.line_and_column(offset)
        return TemplateProblem(message, line=line, column=column, template=self.name)
