"""A mapping of the source, key by key: what nobody takes is told, so that nothing vanishes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from throughster.names import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.convert.losses import Losses, Severity
    from throughster.convert.parts import Part

__all__ = ["Entry", "Fields", "Known"]

Entry: TypeAlias = "tuple[Severity, str, str]"
"""How grave it is that a key is not carried, why it is not, and what to do."""
Known: TypeAlias = "Mapping[str, Entry]"
"""The keys that are never carried."""

_WORDS = frozenset({"description", "tags", "label", "metric", "name", "version"})
"""Keys that only name or describe."""
_OF_TESTS = frozenset({"assert", "vars", "threshold", "options"})
"""Keys that mean nothing at the top of a configuration, and much in a test."""


class Fields:
    """`owner`: what messages call the mapping; "" for the top of the file."""

    def __init__(self, part: Part, losses: Losses, owner: str, program: str = "promptfoo") -> None:
        self.part = part
        self.losses = losses
        self._owner, self._program = owner, program
        self._entries: dict[str, Part] = dict(part.value) if isinstance(part.value, dict) else {}
        self._left = dict(self._entries)
        if not isinstance(part.value, dict) and part.value is not None:
            losses.changes(part.at, f"`{owner}`", "is no mapping; left out.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def take(self, name: str) -> Part | None:
        """The value of a key, which counts as looked after from now on; None where it is missing or null."""
        part = self._left.pop(name, None) or self._entries.get(name)
        return None if part is None or part.value is None else part

    def text(self, name: str) -> str | None:
        part = self.take(name)
        if part is None:
            return None
        if isinstance(part.value, dict | list):
            self.wrong(part, name, "a text")
            return None
        return part.text()

    def number(self, name: str) -> float | int | None:
        part = self.take(name)
        if part is None:
            return None
        value = part.value
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(part, name, "a number")
            return None
        return int(value) if float(value).is_integer() else value

    def flag(self, name: str) -> bool | None:
        part = self.take(name)
        if part is None:
            return None
        if isinstance(part.value, bool):
            return part.value
        self.wrong(part, name, "true or false")
        return None

    def wrong(self, part: Part, name: str, expected: str) -> None:
        """A value that the source's own program could not use either."""
        self.losses.changes(part.at, self.named(name), f"is not {expected}; left out.")

    def named(self, name: str) -> str:
        return f"`{self._owner}.{name}`" if self._owner else f"`{name}`"

    def close(self, known: Known, taken: Any = (), *, strict: bool = False) -> None:
        """Tell of every key that nobody took. `taken`: further names, which a misspelt one may have meant.

        What comes near a key that carries meaning changes the meaning; with `strict` every unknown key does.
        """
        for name, part in self._left.items():
            if name in known:
                severity, why, todo = known[name]
                self.losses.add(part.at, severity, self.named(name), why, todo)
            else:
                self._unknown(name, part, known, taken, strict=strict)
        self._left = {}

    def _unknown(self, name: str, part: Part, known: Known, taken: Any, *, strict: bool) -> None:
        belongs = nearest(name, _OF_TESTS) if not self._owner and self._program == "promptfoo" else None
        near = nearest(name, {*known, *taken})
        hint = f"Did you mean `{near}`?" if near else f"Did you mean the `{belongs}` of a test?" if belongs else ""
        if near is None:
            grave = strict or belongs is not None
        else:
            grave = strict or not (near in _WORDS or (near in known and known[near][0] == "harmless"))
        why = f"{self._program} knows no such key and passes over it; "
        why += "what it was meant to say is lost." if grave else "left out."
        self.losses.add(part.at, "changes" if grave else "harmless", self.named(name), why, hint)
