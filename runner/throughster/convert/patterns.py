"""Patterns of JavaScript as RE2 reads them, where the two read the same words differently."""

from __future__ import annotations

import re

__all__ = ["translate_pattern"]

_PART = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]+)\}|\\u(?P<unit>[0-9A-Fa-f]{4})|\\(?P<escape>.)|(?P<set>\[\^?\]?)|(?P<end>\])",
    re.DOTALL,
)
_SPACE = r"\s\v\p{Z}\x{FEFF}"
"""White space of JavaScript; that of RE2 is the one of ASCII."""


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
    if letter == "/":
        return "/"
    return f"\\{letter}"
