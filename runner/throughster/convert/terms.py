"""Terms of translated expressions: their code in Jinja, their type, and what may be done with them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "DEEPEST",
    "LONGEST",
    "Term",
    "Type",
    "Unsure",
    "called",
    "compared",
    "length_of",
    "quoted_text",
    "text_literal",
]

Type: TypeAlias = Literal["text", "number", "boolean", "json", "list", "null"]

LONGEST = 2000
DEEPEST = 40
_WHOLE_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")


class Unsure(Exception):  # noqa: N818 - never leaves these modules
    """The expression is not one of those that are translated."""


@dataclass(frozen=True)
class Term:
    """`literal`: it was written as it is, and depends on no answer."""

    code: str
    type: Type
    literal: bool = False

    def of(self, *types: Type) -> Term:
        if self.type not in types:
            raise Unsure
        return self


def quoted_text(text: str) -> str:
    """A text as Jinja reads it."""
    return json.dumps(text, ensure_ascii=False)


def text_literal(text: str) -> Term:
    found = _WHOLE_VARIABLE.fullmatch(text)
    if found:
        return Term(f"(vars.{found[1]} | string)", "text")
    if "{{" in text or "{%" in text:
        raise Unsure
    return Term(quoted_text(text), "text", literal=True)


def compared(left: Term, operator: str, right: Term) -> Term:
    """Comparison without conversions: what would need one is not sure."""
    if left.literal and not right.literal:
        flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
        return compared(right, flipped.get(operator, operator), left)
    types = {left.type, right.type}
    if operator in ("==", "!="):
        if right.type == "boolean" and right.literal:
            return Term(
                f"({left.of('json', 'boolean').code} is {'not ' if operator == '!=' else ''}{right.code})", "boolean"
            )
        if right.type == "null":
            return Term(f"({left.of('json').code} is {'not ' if operator == '!=' else ''}none)", "boolean")
        if len(types) > 1 and "json" not in types:
            raise Unsure
        code = f"{left.code} {operator} {right.code}"
        if right.type == "number" and left.type == "json":
            code = f"{code} and {left.code} is not boolean" if operator == "==" else code
        return Term(f"({code})", "boolean")
    if not types <= {"number", "json"}:
        raise Unsure
    return Term(f"({left.code} {operator} {right.code})", "boolean")


def length_of(term: Term) -> Term:
    return Term(f"({term.of('text', 'json', 'list').code} | length)", "number")


_JS_METHODS = {"toLowerCase": "lower", "toUpperCase": "upper", "trim": "strip"}
_TESTS = {"startsWith": "startswith", "endsWith": "endswith", "startswith": "startswith", "endswith": "endswith"}


def called(term: Term, name: str, argument: Term | None) -> Term:
    if argument is None:
        method = _JS_METHODS.get(name)
        if method is None:
            raise Unsure
        return Term(f"{term.of('text').code}.{method}()", "text")
    if name == "includes" and term.type == "json":
        return Term(f"({term.code} is not mapping and {argument.of('text').code} in {term.code})", "boolean")
    if name == "includes":
        return Term(f"({argument.of('text').code} in {term.of('text').code})", "boolean")
    if name in _TESTS:
        return Term(f"{term.of('text').code}.{_TESTS[name]}({argument.of('text').code})", "boolean")
    if name == "split" and argument.literal and argument.code not in ('""', "''"):
        return Term(f"{term.of('text').code}.split({argument.of('text').code})", "list")
    raise Unsure
