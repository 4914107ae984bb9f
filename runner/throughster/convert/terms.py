"""Terms of translated expressions: their code in Jinja, their type, and what may be done with them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

__all__ = [
    "DEEPEST",
    "LONGEST",
    "Pattern",
    "Term",
    "Type",
    "Unsure",
    "both",
    "called",
    "chosen",
    "compared",
    "either",
    "length_of",
    "negated",
    "quoted_text",
    "text_literal",
    "true_of",
]

Type: TypeAlias = Literal["text", "number", "boolean", "json", "words", "texts", "index", "match", "null", "undefined"]
"""`words`: what `split` makes, of which only the number is known. `texts`: an array of texts. `index`, `match`: what
`indexOf` and `match` give. `undefined`: written so."""

LONGEST = 2000
DEEPEST = 40
_WHOLE_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")


class Unsure(Exception):  # noqa: N818 - never leaves these modules
    """The expression is not one of those that are translated."""


@dataclass(frozen=True)
class Pattern:
    """A regular expression that the answer is held against, which an expression cannot do; a check of its own can."""

    source: str
    negated: bool = False


@dataclass(frozen=True)
class Term:
    """`literal`: it was written as it is, and depends on no answer. `items`: those of an array of texts.

    `patterns`: what must hold beside `code`, which is "" where nothing else must. `guards`: a member that is missing is
    told from one that is there, as JavaScript does it. `prefix`: of an index, the code that is true where it is 0.
    """

    code: str
    type: Type
    literal: bool = False
    items: tuple[Term, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    guards: bool = False
    prefix: str = ""

    def of(self, *types: Type) -> Term:
        if self.type not in types:
            raise Unsure
        return self

    @property
    def bare(self) -> Term:
        """A truth without patterns, which can be a part of an expression."""
        if self.type != "boolean" or self.patterns:
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


# -- truth ---------------------------------------------------------------------------------------------------------


def true_of(term: Term) -> Term:
    """Whether JavaScript takes it for true."""
    if term.type == "boolean":
        return term
    if term.type == "match":
        return replace(term, type="boolean")
    if term.type == "text":
        return Term(f'({term.code} != "")', "boolean")
    if term.type == "number":
        return Term(f"({term.code} != 0)", "boolean")
    if term.type == "json":
        return Term(f"({term.code} is defined and (not not {term.code} or {term.code} in [[], {{}}]))", "boolean")
    raise Unsure


def negated(term: Term) -> Term:
    if term.patterns:
        if term.code or len(term.patterns) > 1:
            raise Unsure
        (pattern,) = term.patterns
        return replace(term, patterns=(replace(pattern, negated=not pattern.negated),))
    if term.literal:
        return replace(term, code="false" if term.code == "true" else "true")
    return Term(f"(not {term.bare.code})", "boolean")


def both(left: Term, right: Term) -> Term:
    left, right = left.of("boolean"), right.of("boolean")
    if left.literal:
        return right if left.code == "true" else left
    if right.literal and right.code == "true":
        return left
    if not left.patterns and not right.patterns:
        return Term(f"({left.code} and {right.code})", "boolean")
    code = f"({left.code} and {right.code})" if left.code and right.code else left.code or right.code
    return Term(code, "boolean", patterns=(*left.patterns, *right.patterns))


def either(left: Term, right: Term) -> Term:
    if left.literal:
        return left if left.code == "true" else right
    if right.literal and right.code == "false":
        return left
    return Term(f"({left.bare.code} or {right.bare.code})", "boolean")


def chosen(condition: Term, then: Term, otherwise: Term) -> Term:
    """`condition ? then : otherwise`. 1 and 0, which are scores in the end, are true and false."""
    then, otherwise = _score(then), _score(otherwise)
    if then.type == "boolean" and otherwise.type == "boolean":
        if then.literal:
            return either(condition, otherwise) if then.code == "true" else both(negated(condition), otherwise)
        if otherwise.literal:
            return both(condition, then) if otherwise.code == "false" else either(negated(condition), then)
        return Term(f"({then.bare.code} if {condition.bare.code} else {otherwise.bare.code})", "boolean")
    if then.type == otherwise.type and then.type in ("text", "number"):
        return Term(f"({then.code} if {condition.bare.code} else {otherwise.code})", then.type)
    raise Unsure


def _score(term: Term) -> Term:
    if term.type == "number" and term.literal and term.code in ("1", "0"):
        return Term("true" if term.code == "1" else "false", "boolean", literal=True)
    return term


# -- comparison ----------------------------------------------------------------------------------------------------

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_CONTAINED = {("!=", "-1"), (">", "-1"), (">=", "0")}
_NOT_CONTAINED = {("==", "-1"), ("<", "0")}


def compared(left: Term, operator: str, right: Term, *, loose: bool = False) -> Term:
    """Comparison without conversions: what would need one is not sure. `loose`: `==` of JavaScript."""
    if left.literal and right.literal:
        raise Unsure  # it depends on no answer
    if left.literal:
        return compared(right, _FLIPPED.get(operator, operator), left, loose=loose)
    if left.type == "index":
        return _found(left, operator, right)
    if left.type == "match":
        if right.type != "null" or operator not in ("==", "!="):
            raise Unsure
        return true_of(left) if operator == "!=" else negated(true_of(left))
    if operator in ("==", "!="):
        return _equal(left, operator, right, loose=loose)
    if not {left.type, right.type} <= {"number", "json"}:
        raise Unsure
    return Term(_guarded(f"({left.code} {operator} {right.code})", left, right), "boolean")


def _equal(left: Term, operator: str, right: Term, *, loose: bool) -> Term:
    is_not = "not " if operator == "!=" else ""
    types = {left.type, right.type}
    if right.type == "undefined":
        code = f"({left.of('json').code} is {'' if is_not else 'not '}defined)"
        return Term(code, "boolean")
    if right.type == "null" and loose:
        name = left.of("json").code
        missing = f"({name} is not defined or {name} is none)"
        return Term(f"(not {missing})" if is_not else missing, "boolean")
    if right.type == "boolean" and right.literal:
        if left.type == "boolean":
            return negated(left) if (right.code == "true") == bool(is_not) else left
        code = f"({left.of('json').code} is {is_not}{right.code})"
    elif right.type == "null":
        code = f"({left.of('json').code} is {is_not}none)"
    elif len(types) > 1 and "json" not in types:
        raise Unsure
    else:
        left.of("text", "number", "json")
        code = f"({left.code} {operator} {right.of('text', 'number', 'json').code})"
        if right.type == "number" and left.type == "json" and not is_not:
            code = f"({left.code} {operator} {right.code} and {left.code} is not boolean)"
    return Term(_guarded(code, left, right, missing=bool(is_not)), "boolean")


def _guarded(code: str, *terms: Term, missing: bool = False) -> str:
    """The code, which comes to `missing` where one of the members is not there."""
    names = [term.code for term in terms if term.type == "json" and term.guards]
    if not names:
        return code
    if missing:
        return f"({' or '.join([f'{name} is not defined' for name in names])} or {code})"
    return f"({' and '.join([f'{name} is defined' for name in names])} and {code})"


def _found(index: Term, operator: str, right: Term) -> Term:
    """What a comparison with an index says about whether the text is there."""
    if (operator, right.code) in _CONTAINED:
        return Term(index.code, "boolean")
    if (operator, right.code) in _NOT_CONTAINED:
        return Term(f"(not {index.code})", "boolean")
    if (operator, right.code) == ("==", "0") and index.prefix:
        return Term(index.prefix, "boolean")
    raise Unsure


# -- members and methods -------------------------------------------------------------------------------------------


def length_of(term: Term) -> Term:
    return Term(f"({term.of('text', 'json', 'words').code} | length)", "number")


_JS_METHODS = {"toLowerCase": "lower", "toUpperCase": "upper", "trim": "strip"}
_TESTS = {"startsWith": "startswith", "endsWith": "endswith", "startswith": "startswith", "endswith": "endswith"}


def called(term: Term, name: str, argument: Term | None) -> Term:
    if argument is None:
        method = _JS_METHODS.get(name)
        if method is None:
            raise Unsure
        return Term(f"{term.of('text', 'json').code}.{method}()", "text")
    if term.type == "texts":
        return _in_texts(term, name, argument)
    if name == "includes" and term.type == "json":
        return Term(f"({term.code} is not mapping and {argument.of('text').code} in {term.code})", "boolean")
    if name == "includes":
        return Term(f"({argument.of('text').code} in {term.of('text').code})", "boolean")
    if name == "indexOf":
        needle = argument.of("text").code
        return Term(f"({needle} in {term.of('text').code})", "index", prefix=f"{term.code}.startswith({needle})")
    if name in _TESTS:
        return Term(f"{term.of('text').code}.{_TESTS[name]}({argument.of('text').code})", "boolean")
    if name == "split" and argument.literal and argument.code not in ('""', "''"):
        return Term(f"{term.of('text').code}.split({argument.of('text').code})", "words")
    raise Unsure


def _in_texts(texts: Term, name: str, argument: Term) -> Term:
    code = f"({argument.of('text', 'json').code} in [{', '.join(item.code for item in texts.items)}])"
    if name == "includes":
        return Term(_guarded(code, argument), "boolean")
    if name == "indexOf":
        return Term(_guarded(code, argument), "index")
    raise Unsure
