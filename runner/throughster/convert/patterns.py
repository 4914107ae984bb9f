"""Patterns of JavaScript as RE2 reads them, where the two read the same words differently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.checks.patterns import compile_pattern
from throughster.convert.losses import quoted
from throughster.convert.templates import has_template

if TYPE_CHECKING:
    from throughster.convert.losses import Losses
    from throughster.convert.parts import Part

__all__ = ["fit_patterns", "fitting_pattern", "translate_pattern"]

_PART = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]+)\}|\\u(?P<unit>[0-9A-Fa-f]{4})|\\(?P<escape>.)|(?P<set>\[\^?\]?)|(?P<end>\])",
    re.DOTALL,
)
_SPACE = r"\s\v\p{Z}\x{FEFF}"
"""White space of JavaScript; that of RE2 is the one of ASCII."""
_ONLY_RE2 = "ACEPQapz"
"""Letters whose escapes mean something to RE2 alone; JavaScript reads the letter, or with `u` refuses most of them."""


def translate_pattern(source: str) -> str:
    """Raises ValueError where a part has no counterpart. `(?...)` is left to the engine to judge."""
    inside = False

    def part(match: re.Match[str]) -> str:
        nonlocal inside
        if match["set"] is not None:
            if inside:
                return "\\[" if match[0] == "[" else match[0]
            inside = True
            if match[0].endswith("]"):
                raise ValueError("an empty set of characters")
            return match[0]
        if match["end"] is not None:
            inside = False
            return match[0]
        if match["point"] is not None or match["unit"] is not None:
            return f"\\x{{{match['point'] or match['unit']}}}"
        return _escape(match["escape"], inside=inside)

    return _PART.sub(part, source)


def _escape(letter: str, *, inside: bool) -> str:
    if letter == "s":
        return _SPACE if inside else f"[{_SPACE}]"
    if letter == "S":
        if inside:
            raise ValueError("`\\S` in a set of characters")
        return f"[^{_SPACE}]"
    if letter in _ONLY_RE2:
        raise ValueError(f"`\\{letter}` is the letter {letter} itself in JavaScript without the flag `u`")
    if letter == "/":
        return "/"
    return f"\\{letter}"


def fit_patterns(check: dict[str, Any], value: Part, losses: Losses) -> bool:
    """Translate the patterns of JavaScript in a check; whether all of them could be."""
    if check["type"] in ("all-of", "not-all-of"):
        return all(fit_patterns(one, value, losses) for one in check["value"])
    if not check["type"].endswith("regex"):
        return True
    pattern = fitting_pattern(check["value"], value, losses)
    check["value"] = pattern
    return pattern is not None


def fitting_pattern(text: str, value: Part, losses: Losses) -> str | None:
    """A pattern of JavaScript in the words of RE2; None, and told, where it has none."""
    if has_template(text):
        return text
    try:
        found = translate_pattern(text)
        compile_pattern(found)
    except ValueError as error:
        why = f"{quoted(text)} is no pattern of a linear-time engine ({error}); left out."
        losses.changes(value.at, "`regex`", why, "Patterns are those of RE2: no lookaround, no back-reference.")
        return None
    return found
