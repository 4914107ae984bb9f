"""Where things stand in a template: offsets while it is parsed, lines and columns for people."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from jinja2.exceptions import TemplateSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Positions", "number_by_offset"]

_NEWLINE = re.compile(r"\r\n|\r|\n")
_SPACE = re.compile(r"\s*")


class Positions:
    """Lines and columns, from 1, of offsets into a template whose line ends count as one character each."""

    __slots__ = ("_starts", "text")

    def __init__(self, source: str) -> None:
        self.text = _NEWLINE.sub("\n", source)
        self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line(self, offset: int) -> int:
        return bisect_right(self._starts, offset)

    def line_and_column(self, offset: int) -> tuple[int, int]:
        line = self.line(offset)
        return line, offset - self._starts[line - 1] + 1

    def after_space(self, offset: int) -> int:
        """Return the offset of the next character from `offset` on that is no space."""
        match = _SPACE.match(self.text, offset)
        return match.end() if match else offset


def number_by_offset(source: str, tokens: Iterator[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Replace each token's line by its offset, also in a syntax error of the lexer.

    The lexer leaves out only spaces (those that `{%-` takes away), and no token but plain text starts with one, so the
    next occurrence of a token's text is the token.
    """
    text = _NEWLINE.sub("\n", source)
    last = offset = 0
    try:
        for _line, kind, value in tokens:
            last = offset = text.find(value, offset)
            yield offset, kind, value
            offset += len(value)
    except TemplateSyntaxError as error:
        match = _SPACE.match(text, offset)
        is_unclosed = (error.message or "").startswith("Missing end of")
        error.lineno = last if is_unclosed or match is None else match.end()
        raise
