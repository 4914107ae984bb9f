"""What a conversion could not carry over: a list with places, reasons, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from throughster.redact import one_line

__all__ = ["Loss", "Losses", "Place", "Severity"]

Severity: TypeAlias = Literal["changes", "harmless"]
"""`changes`: the spec asks or checks something else than the source; `harmless`: no result depends on it."""

_MOST = 1000
_LONGEST_QUOTE = 80


class Place(NamedTuple):
    """Where something stands. `line` and `column` from 1; 0 where the file has no lines to speak of."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Loss:
    """One thing that was not carried over. `what`: the key or text; `why`: what became of it; `todo`: what to do."""

    place: Place
    severity: Severity
    what: str
    why: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}{' ' + self.todo if self.todo else ''}"


class Losses:
    """Gathers losses; the same one at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}
        self._told_once: set[str] = set()
        self.unshown = 0

    def add(self, place: Place, severity: Severity, what: str, why: str, todo: str = "") -> Loss:
        loss = Loss(place, severity, what, why, todo)
        if len(self._found) < _MOST or loss in self._found:
            self._found[loss] = None
        else:
            self.unshown += 1
        return loss

    def changes(self, place: Place, what: str, why: str, todo: str = "") -> Loss:
        return self.add(place, "changes", what, why, todo)

    def harmless(self, place: Place, what: str, why: str, todo: str = "") -> Loss:
        return self.add(place, "harmless", what, why, todo)

    def once(self, place: Place, severity: Severity, what: str, why: str, todo: str = "") -> None:
        """As `add`, but the same words are said at their first place only."""
        if f"{what}\n{why}" not in self._told_once:
            self._told_once.add(f"{what}\n{why}")
            self.add(place, severity, what, why, todo)

    @property
    def all(self) -> tuple[Loss, ...]:
        """Those that change the meaning first, in the order of the files."""
        order = {"changes": 0, "harmless": 1}
        return tuple(sorted(self._found, key=lambda loss: (order[loss.severity], loss.place)))


def quoted(text: str) -> str:
    """A text of the source for a message: one line, short, in backticks."""
    line = one_line(text).strip()
    return f"`{line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + '…'}`"
