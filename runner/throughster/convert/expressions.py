"""JavaScript and Python of assertions as checks, where the translation is certain.

Comparisons and tests of texts, lengths, members of parsed JSON and variables are read, in expressions and in short
functions; nothing is run. What is not understood is not translated.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.convert.javascript import JavaScript
from throughster.convert.python import Python
from throughster.convert.terms import LONGEST, Unsure

if TYPE_CHECKING:
    from throughster.convert.terms import Pattern, Term

__all__ = ["Translation", "translate_javascript", "translate_python"]

_DECLARES = re.compile(r"(?:const|let|var)\s")


@dataclass(frozen=True)
class Translation:
    """`check`: the entry of a check. `always_fails`: what was written is no JavaScript, and fails there every time."""

    check: dict[str, Any]
    always_fails: bool = False


def translate_javascript(
    code: str, *, negated: bool = False, parsed: bool = False, calls: bool = False
) -> Translation | None:
    """The check that JavaScript over `output` and `context.vars` stands for; None where it is not sure.

    One line is an expression, or declarations and an expression; several are the body of a function, as promptfoo takes
    them. `parsed`: `output` is the parsed answer, since the request asks for JSON. `calls`: it is the list of calls if
    the model calls a function, since the request has tools.
    """
    text = code.rstrip()
    if len(text) > LONGEST:
        return None
    try:
        reader, term = _read(text, parsed=parsed, calls=calls, guards=False)
        if (reader.reads_json or calls) and (reader.is_delicate or negated):
            if reader.has_chain or (negated and reader.catches):
                return None
            reader, term = _read(text, parsed=parsed, calls=calls, guards=True)
    except Unsure:
        return None
    check = _check(term, reader.reads_json)
    always_fails = "\n" not in text and text.lstrip().startswith("return ")
    return None if check is None else Translation(_negated(check) if negated else check, always_fails)


def _read(text: str, *, parsed: bool, calls: bool, guards: bool) -> tuple[JavaScript, Term]:
    if "\n" in text:
        reader = JavaScript(text, parsed=parsed, calls=calls, guards=guards)
        return reader, reader.body(returns_last=False)
    line = text.strip().rstrip("; \t")
    reader = JavaScript(line.removeprefix("return "), parsed=parsed, calls=calls, guards=guards)
    return reader, reader.body(returns_last=True) if _DECLARES.match(line) else reader.whole()


def translate_python(
    code: str, *, negated: bool = False, parsed: bool = False, calls: bool = False
) -> Translation | None:
    """As `translate_javascript`, for one line of Python over `output` and `context["vars"]`."""
    if calls or len(code) > LONGEST or "\n" in code.strip():
        return None
    try:
        tree = ast.parse(code.strip(), mode="eval")
        reader = Python(parsed=parsed)
        term = reader.read(tree.body, 0)
    except (Unsure, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if reader.reads_json and (reader.is_delicate or negated):
        return None  # a member that is not there could make it true, which an `expr` never lets happen
    check = _check(term, reader.reads_json)
    return None if check is None else Translation(_negated(check) if negated else check)


def _check(term: Term, reads_json: bool) -> dict[str, Any] | None:
    """The check for a truth; None where it is none, or depends on nothing."""
    if term.type != "boolean":
        return None
    if term.literal:
        return {"type": "is-json"} if reads_json and term.code == "true" else None
    checks = [_pattern(pattern) for pattern in term.patterns]
    if term.code:
        checks.insert(0, {"type": "expr", "value": _bare(term.code), **({"path": "$"} if reads_json else {})})
    elif reads_json:
        checks.insert(0, {"type": "is-json"})
    return checks[0] if len(checks) == 1 else {"type": "all-of", "value": checks}


def _pattern(pattern: Pattern) -> dict[str, Any]:
    return {"type": "not-regex" if pattern.negated else "regex", "value": pattern.source}


def _negated(check: dict[str, Any]) -> dict[str, Any]:
    name = check["type"]
    return {**check, "type": name.removeprefix("not-") if name.startswith("not-") else f"not-{name}"}


def _bare(code: str) -> str:
    """Without the parentheses around the whole."""
    shape = re.sub(r'"(?:[^"\\\\]|\\\\.)*"', lambda found: "_" * len(found[0]), code)
    depth = 0
    for index, character in enumerate(shape):
        depth += (character == "(") - (character == ")")
        if depth == 0 and index < len(shape) - 1:
            return code
    return code[1:-1] if code.startswith("(") else code
