"""Texts that match a regular expression: made from its parse tree, then checked against the expression itself."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.words import text_of_length

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.emulator.dice import Dice

__all__ = ["text_for_pattern"]

# The parser of `re` has no public name since `sre_parse` was deprecated in 3.11; its tree has been stable for decades.
_PARSER: Final[Any] = importlib.import_module("re._parser")

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET: Final = _LETTERS + _LETTERS.upper() + "0123456789" + " -_.,:;!?/+*#@%&=()[]{}<>'\"\\|~^$`\n\t\x00é"
_LAST_ASCII: Final = 126
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": re.compile(r"[0-9]"),
    "CATEGORY_NOT_DIGIT": re.compile(r"[^0-9]"),
    "CATEGORY_WORD": re.compile(r"[A-Za-z0-9_]"),
    "CATEGORY_NOT_WORD": re.compile(r"[^A-Za-z0-9_]"),
    "CATEGORY_SPACE": re.compile(r"[ \t\n]"),
    "CATEGORY_NOT_SPACE": re.compile(r"[^ \t\n\x00]"),
}
# JSON Schema's patterns are ECMAScript's; what Python spells otherwise, in ASCII terms.
_ECMASCRIPT: Final = (
    (re.compile(r"\\p\{(?:Lu|Uppercase(?:_Letter)?)\}"), "[A-Z]"),
    (re.compile(r"\\p\{(?:Ll|Lowercase(?:_Letter)?)\}"), "[a-z]"),
    (re.compile(r"\\p\{(?:L|Letter|Alphabetic)\}"), "[A-Za-z]"),
    (re.compile(r"\\p\{(?:N|Nd|Number)\}"), "[0-9]"),
    (re.compile(r"\(\?<(?=[A-Za-z_])"), "(?P<"),
)
_TRIES: Final = 48


def text_for_pattern(pattern: str, dice: Dice, low: int = 0, high: int | None = None) -> str | None:
    """Return a text of `low` to `high` characters in which `pattern` is found, or None where none was hit upon."""
    parsed = _parse(pattern)
    if parsed is None:
        return None
    tree, found_in = parsed
    for attempt in range(_TRIES):
        text = _Writer(dice, spare=(2, low, 0, 2 * low + 6)[attempt % 4], exact=attempt % 8 >= 4).write(tree)
        if len(text) < low and not attempt % 2:
            text += text_of_length(dice, low - len(text), low - len(text))
        if len(text) >= low and (high is None or len(text) <= high) and found_in(text):
            return text
    return None


@lru_cache(maxsize=512)
def _parse(pattern: str) -> tuple[Any, Callable[[str], Any]] | None:
    for spelling, python in _ECMASCRIPT:
        pattern = spelling.sub(python, pattern)
    try:
        return _PARSER.parse(pattern), re.compile(pattern).search
    except (re.error, OverflowError, RecursionError):
        return None


class _Writer:
    """Writes one text along a parse tree. `spare`: repetitions beyond the least; `exact`: always that many."""

    def __init__(self, dice: Dice, *, spare: int, exact: bool) -> None:
        self._dice = dice
        self._spare = spare
        self._exact = exact
        self._groups: dict[int, str] = {}

    def write(self, tree: Any) -> str:
        return "".join([self._node(str(op), value) for op, value in tree])

    def _node(self, op: str, value: Any) -> str:
        if op == "LITERAL":
            return chr(value)
        if op in {"NOT_LITERAL", "ANY", "IN"}:
            return self._one_character(op, value)
        if op in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            return self._repeat(*value)
        return self._group(op, value)

    def _group(self, op: str, value: Any) -> str:
        if op == "BRANCH":
            return self.write(self._dice.pick(value[1]))
        if op == "SUBPATTERN":
            text = self.write(value[-1])
            if value[0] is not None:
                self._groups[value[0]] = text
            return text
        if op == "ATOMIC_GROUP":
            return self.write(value)
        # Anchors and look-arounds have no width; the check of the whole text covers them.
        return self._groups.get(value, "") if op == "GROUPREF" else ""

    def _repeat(self, least: int, most: Any, body: Any) -> str:
        room = min(int(most) - least, self._spare)
        count = least + (room if self._exact else self._dice.below(room + 1))
        return "".join([self.write(body) for _ in range(count)])

    def _one_character(self, op: str, value: Any) -> str:
        if op == "ANY":
            return self._dice.pick(_LETTERS)
        if op == "NOT_LITERAL":
            return self._dice.pick([c for c in _ALPHABET if ord(c) != value])
        items = [(str(kind), detail) for kind, detail in value]
        if items[0][0] != "NEGATE":
            return self._from_item(*self._dice.pick(items))
        allowed = [c for c in _ALPHABET if not any(_holds(c, kind, detail) for kind, detail in items[1:])]
        return self._dice.pick(allowed) if allowed else ""

    def _from_item(self, kind: str, detail: Any) -> str:
        if kind == "LITERAL":
            return chr(detail)
        if kind == "RANGE":
            first, last = detail
            return chr(first + self._dice.below(min(last, max(first, _LAST_ASCII)) - first + 1))
        return self._dice.pick(_of_category(str(detail)))


def _of_category(name: str) -> Sequence[str]:
    members = _CATEGORIES[name]
    return [c for c in _ALPHABET if members.match(c)]


def _holds(character: str, kind: str, detail: Any) -> bool:
    if kind == "LITERAL":
        return bool(ord(character) == detail)
    if kind == "RANGE":
        return bool(detail[0] <= ord(character) <= detail[1])
    return _CATEGORIES[str(detail)].match(character) is not None
