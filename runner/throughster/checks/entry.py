"""One `assert:` entry, as the families of checks see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from throughster.checks.answer import shown
from throughster.checks.check import WrongCheck
from throughster.prompts.text import kind_of
from throughster.yamltree import keep_text

if TYPE_CHECKING:
    from throughster.checks.check import Check

__all__ = ["ABSENT", "Entry", "Place"]


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""The value of an entry that has none: null is a value."""


@dataclass(frozen=True)
class Place:
    """Where entries stand: the folder that paths are relative to, and the project's. None: no file may be read."""

    base: Path | None = None
    root: Path | None = None


@dataclass(frozen=True)
class Entry:
    """`type`: without `not-`. `children`: the compiled checks of a group."""

    type: str
    value: Any = ABSENT
    threshold: float | None = None
    place: Place = Place()
    children: tuple[Check, ...] = field(default=(), repr=False)

    def with_value(self, value: Any) -> Entry:
        return replace(self, value=value)

    @property
    def has_value(self) -> bool:
        return self.value is not ABSENT

    @property
    def limit(self) -> float:
        """The threshold of a type that needs one: without it the entry does not compile."""
        assert self.threshold is not None
        return self.threshold

    def text(self, what: str) -> str:
        """The value as text, as it was written. Raises WrongCheck where it is none, or empty."""
        value = _text_of(self.value)
        if not isinstance(value, str) or not value.strip():
            self.refuse_value(f"{what}, and not empty" if value == "" else what)
        return value

    def texts(self, what: str) -> tuple[str, ...]:
        """The value as texts: one, or a list of them, none empty. Raises WrongCheck."""
        values = [_text_of(value) for value in (self.value if isinstance(self.value, list) else [self.value])]
        if not values or not all(isinstance(value, str) and value for value in values):
            self.refuse_value(what)
        return tuple(values)

    def refuse_value(self, what: str, hint: str = "", at: tuple[str | int, ...] = ()) -> NoReturn:
        found = "nothing" if not self.has_value else self.value if isinstance(self.value, str) else shown(self.value)
        kind = f", {kind_of(self.value)}" if isinstance(self.value, list | dict) else ""
        told = f"`{found}`" if self.has_value else found
        raise WrongCheck(f"`value` of `{self.type}` must be {what}, found {told}{kind}.", hint, ("value", *at))


def _text_of(value: Any) -> Any:
    """A number or boolean as the text that stood in the file; anything else as it is."""
    value = keep_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
