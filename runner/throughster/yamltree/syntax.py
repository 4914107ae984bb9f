"""A YAML syntax error in plain words: what is wrong, where it starts, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import yaml

__all__ = ["explain_syntax"]

Explanation: TypeAlias = tuple[int, int, str, str]
"""Character index, width, message, hint."""

_QUOTES = "Put the whole value in quotes."
_UNQUOTED_TEMPLATE = re.compile(r"(?:^[ ]*|[:\-][ ]+|[\[,][ ]*)(\{[{%])")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser gave up (`index`), and where the part that it was reading started (`context`)."""

    text: str
    index: int
    context: int

    @property
    def character(self) -> str:
        return self.text[self.index : self.index + 1]

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.index) + 1

    @property
    def before(self) -> str:
        """The line up to the place."""
        return self.text[self.line_start : self.index]

    def line_at(self, index: int) -> tuple[int, str]:
        start = self.text.rfind("\n", 0, index) + 1
        end = self.text.find("\n", index)
        return start, self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


def explain_syntax(error: yaml.YAMLError, text: str) -> Explanation:
    """Return where a parser's error stands in `text` (character index, width) and what to say about it."""
    mark = getattr(error, "problem_mark", None)
    context_mark = getattr(error, "context_mark", None)
    index = min(mark.index if mark else getattr(error, "position", 0), len(text))
    place = _Place(text, index, min(context_mark.index if context_mark else index, len(text)))
    if (template := _unquoted_template(place)) is not None:
        return template
    said = f"{getattr(error, 'context', None) or ''}: {getattr(error, 'problem', None) or ''}"
    for phrase, explain in _EXPLANATIONS:
        if phrase in said:
            return explain(place)
    return (
        place.index,
        1,
        "This is not valid YAML.",
        "Check quotes, brackets and indentation here and on the line above.",
    )


def _unquoted_template(place: _Place) -> Explanation | None:
    for start, line in dict.fromkeys((place.line_at(place.index), place.line_at(place.context))):
        if found := _UNQUOTED_TEMPLATE.search(line):
            sign = found[1]
            example = '"{{ name }}"' if sign == "{{" else '"{% if name %}..."'
            hint = f"Write quotes around the whole value, as in {example}."
            return start + found.start(1), 2, f"A value that starts with `{sign}` must be in quotes.", hint
    return None


def _bad_start(place: _Place) -> Explanation:
    if place.character == "\t":
        return _tab(place)
    shown = "a backtick" if place.character == "`" else f"`{place.character}`"
    return place.index, 1, f"A value cannot start with {shown}.", _QUOTES


def _tab(place: _Place) -> Explanation:
    return place.index, 1, "A tab stands where YAML wants spaces.", "Indent with spaces."


def _misplaced_colon(place: _Place) -> Explanation:
    if re.match(r"[ ]*(?:- +)*[^\s:'\"][^:]*:\s+\S", place.before):
        return place.index, 1, "A text that contains `: ` must be in quotes.", _QUOTES
    start, line = place.line_at(max(0, place.line_start - 1))
    if place.line_start and line.strip() and not re.search(r":(\s|$)", line):
        return _no_colon(_Place(place.text, start, start))
    indent = len(place.before) - len(place.before.lstrip())
    message = "This line is indented like a part of the value above, but has a `key:` of its own."
    return place.line_start + indent, 1, message, "Indent it like its neighbours, or put the value above in quotes."


def _no_colon(place: _Place) -> Explanation:
    start, line = place.line_at(place.context)
    indent = len(line) - len(line.lstrip())
    content = line.strip()
    if glued := re.match(r"[^\s:'\"]+:(?=\S)", content):
        message = "A space is missing after the `:`."
        return start + indent + glued.end() - 1, 1, message, "Write `key: value`."
    message = "This line has no `:` after its key."
    hint = "Write `key: value`. If it belongs to the text above, indent it deeper than that text's key."
    return start + indent, max(1, len(content)), message, hint


def _open_quote(place: _Place) -> Explanation:
    quote = place.text[place.context : place.context + 1]
    return place.context, 1, f"The quote `{quote}` is opened here and never closed.", "Close it at the end of the text."


def _open_bracket(bracket: str, closing: str) -> Callable[[_Place], Explanation]:
    def explain(place: _Place) -> Explanation:
        line = place.text.count("\n", 0, place.index) + 1
        message = f"The `{bracket}` that opens here is not closed, or a comma is missing before line {line} goes on."
        return place.context, 1, message, f"Close it with `{closing}`, or put the text in quotes."

    return explain


def _unexpected_line(place: _Place) -> Explanation:
    previous = place.before.rstrip()[-1:]
    if previous in {"'", '"'}:
        hint = "Inside single quotes write `''`." if previous == "'" else 'Inside double quotes write `\\"`.'
        return place.index, 1, f"Text follows the closing quote `{previous}`.", hint
    if previous in {"]", "}"}:
        return place.index, 1, f"Text follows the closing `{previous}`.", _QUOTES
    if place.character in {"]", "}", ","}:
        return place.index, 1, f"`{place.character}` closes or separates nothing here.", _QUOTES
    if place.character == ":":
        return place.index, 1, "A key is missing before this `:`.", "Write `key: value`."
    hint = "Lines that belong together start in the same column."
    return place.index, 1, "This line's indentation fits nothing above it.", hint


def _expected_dash(place: _Place) -> Explanation:
    message = "An entry of a list (`- `) is expected here."
    return place.index, 1, message, "Start the line with `- `, or give it the indentation of the mapping it belongs to."


def _misplaced_dash(place: _Place) -> Explanation:
    hint = "Start the list on the next line, or put the value in quotes if it is text."
    return place.index, 1, "A list entry `- ` cannot start on the line of its key.", hint


def _bad_escape(place: _Place) -> Explanation:
    at = place.index if place.character == "\\" else max(0, place.index - 1)
    shown = place.text[at : at + 2]
    hint = "Use single quotes, or write two backslashes."
    return at, 2, f"`{shown}` is not an escape that double quotes know.", hint


def _bad_code(place: _Place) -> Explanation:
    at = max(place.context, place.text.rfind("\\", 0, place.index + 1))
    hint = "Write the character itself, or use single quotes."
    return at, max(1, min(6, place.index - at + 1)), "This escape is not the number of a character.", hint


def _block_header(place: _Place) -> Explanation:
    sign = place.text[place.context : place.context + 1]
    hint = f"Start the text on the next line, or put the value in quotes if the `{sign}` is part of it."
    return place.context, 1, f"After `{sign}` the text must start on the next line.", hint


def _no_value(place: _Place) -> Explanation:
    shown = f"`{place.character}`" if place.character.strip() else "nothing"
    return place.index, 1, f"A value is expected here, found {shown}.", "Put it in quotes if it is text."


def _special_start(place: _Place) -> Explanation:
    sign = place.text[place.context : place.context + 1]
    return place.context, 1, f"A value that starts with `{sign}` must be in quotes.", _QUOTES


def _directive(place: _Place) -> Explanation:
    return place.line_start, 1, "Lines that start with `%` are not allowed.", "Remove them."


def _second_document(place: _Place) -> Explanation:
    return place.index, 1, "Text follows the end of the document.", "Keep one document in a file."


_EXPLANATIONS: tuple[tuple[str, Callable[[_Place], Explanation]], ...] = (
    ("tab character", _tab),
    ("cannot start any token", _bad_start),
    ("mapping values are not allowed", _misplaced_colon),
    ("mapping keys are not allowed", _misplaced_colon),
    ("could not find expected ':'", _no_colon),
    ("scanning a quoted scalar: found unexpected", _open_quote),
    ("unknown escape character", _bad_escape),
    ("Unicode character escape", _bad_code),
    ("hexdecimal", _bad_code),
    ("sequence entries are not allowed", _misplaced_dash),
    ("scanning a block scalar", _block_header),
    ("parsing a flow sequence", _open_bracket("[", "]")),
    ("parsing a flow mapping", _open_bracket("{", "}")),
    ("parsing a block mapping", _unexpected_line),
    ("parsing a block collection", _expected_dash),
    ("parsing a block node", _no_value),
    ("parsing a flow node", _no_value),
    ("scanning an alias", _special_start),
    ("scanning an anchor", _special_start),
    ("a tag", _special_start),
    ("directive", _directive),
    ("incompatible YAML document", _directive),
    ("<document start>", _second_document),
)
