"""Grammars (GBNF or Lark rules) as one regular expression, so that a text can be made for them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["GrammarError", "pattern_of_grammar"]

_RULE: Final = re.compile(r"^\s*[?!]?([A-Za-z_][\w-]*)(?:\.\d+)?\s*(?:::=|:)(?!:)", re.MULTILINE)
_TOKEN: Final = re.compile(
    r'\s+|\#[^\n]*|//[^\n]*|"(?P<text>(?:[^"\\]|\\.)*)"i?|/(?P<regex>(?:[^/\\\n]|\\.)+)/[imslux]*'
    r"|(?P<set>\[\^?(?:[^\]\\]|\\.)+\])|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>[|()*+?]|\{\d*,?\d*\})"
)
_START: Final = ("root", "start")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_DEEPEST: Final = 8
_LONGEST: Final = 50_000
_NEVER: Final = r"(?!)"


class GrammarError(Exception):
    """The grammar is not understood; the message says where."""


def pattern_of_grammar(grammar: str) -> str:
    """Return an expression that the grammar's start rule (`root`, `start`, else the first) also matches.

    Recursion is cut off at a depth, so the expression stands for a part of the language. Raises GrammarError.
    """
    places = list(_RULE.finditer(grammar))
    if not places:
        raise GrammarError("a grammar has rules such as `root ::= ...` or `start: ...`, and none was found")
    ends = [place.start() for place in places[1:]] + [len(grammar)]
    rules = {place[1]: grammar[place.end() : end] for place, end in zip(places, ends, strict=True)}
    start = next((name for name in _START if name in rules), places[0][1])
    pattern = f"^(?:{_expand(start, rules, 0)})$"
    if len(pattern) > _LONGEST:
        raise GrammarError("the grammar's rules refer to each other too often to be written out")
    return pattern


def _expand(name: str, rules: dict[str, str], depth: int) -> str:
    if name not in rules:
        raise GrammarError(f"the grammar has no rule called {name!r}")
    if depth > _DEEPEST:
        return _NEVER
    body, position, written = rules[name], 0, []
    while position < len(body):
        token = _TOKEN.match(body, position)
        if token is None:
            raise GrammarError(f"rule {name!r}: {body[position : position + 20]!r} is not understood")
        position = token.end()
        kind = token.lastgroup
        if kind == "text":
            text = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token["text"])
            written.append(f"(?:{re.escape(text)})")
        elif kind == "name":
            written.append(f"(?:{_expand(token['name'], rules, depth + 1)})")
        elif kind == "regex":
            written.append(f"(?:{token['regex']})")
        elif kind is not None:
            written.append("(?:" if token[kind] == "(" else token[kind])
    return "".join(written)
