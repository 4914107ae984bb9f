"""JavaScript and Python expressions as expressions of the `expr` check, where the translation is certain.

Only comparisons and tests of texts, lengths, members of parsed JSON and variables are read; nothing is run. What is not
understood is not translated. An expression that must be a boolean is told from one that is a score.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from throughster.convert.javascript import JavaScript
from throughster.convert.python import Python
from throughster.convert.terms import LONGEST, Unsure

if TYPE_CHECKING:
    from throughster.convert.terms import Term

__all__ = ["Translation", "translate_javascript", "translate_python"]


@dataclass(frozen=True)
class Translation:
    """`value` of an `expr` check, or of a `regex` one. `path`: `$` where the answer is read as JSON."""

    value: str
    type: Literal["expr", "regex"] = "expr"
    path: str | None = None


def translate_javascript(code: str, *, negated: bool = False, parsed: bool = False) -> Translation | None:
    """The check that a JavaScript expression over `output` and `context.vars` stands for; None where it is not sure.

    `parsed`: `output` is the parsed answer, since the request asks for JSON.
    """
    text = code.strip().rstrip(";").strip()
    found = re.fullmatch(r"return\s+([^;]+)", text)
    text = found[1].strip() if found else text
    pattern = re.fullmatch(r"/((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/(i?)\.test\(output\)", text)
    if pattern:
        source = pattern[1].replace("\\/", "/")
        return Translation(f"(?i){source}" if pattern[2] else source, "regex")
    if len(text) > LONGEST:
        return None
    try:
        parser = JavaScript(text, parsed=parsed)
        return _finish(parser.whole(), parser.reads_json, parser.is_delicate or negated)
    except Unsure:
        return None


def translate_python(code: str, *, negated: bool = False, parsed: bool = False) -> Translation | None:
    """As `translate_javascript`, for one line of Python over `output` and `context["vars"]`."""
    if len(code) > LONGEST or "\n" in code.strip():
        return None
    try:
        tree = ast.parse(code.strip(), mode="eval")
        reader = Python(parsed=parsed)
        return _finish(reader.read(tree.body, 0), reader.reads_json, reader.is_delicate or negated)
    except (Unsure, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _finish(term: Term, reads_json: bool, is_delicate: bool) -> Translation | None:
    """`is_delicate`: a member that is not there could make it true, which an `expr` never lets happen."""
    if term.type != "boolean" or term.literal or (reads_json and is_delicate):
        return None
    return Translation(_bare(term.code), path="$" if reads_json else None)


def _bare(code: str) -> str:
    """Without the parentheses around the whole."""
    shape = re.sub(r'"(?:[^"\\\\]|\\\\.)*"', lambda found: "_" * len(found[0]), code)
    depth = 0
    for index, character in enumerate(shape):
        depth += (character == "(") - (character == ")")
        if depth == 0 and index < len(shape) - 1:
            return code
    return code[1:-1] if code.startswith("(") else code
