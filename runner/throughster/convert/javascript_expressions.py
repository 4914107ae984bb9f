"""The expressions of JavaScript that are translated: recursive descent over tokens. Nothing is run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from throughster.convert.javascript_tokens import Tokens, pattern_of, text_of
from throughster.convert.terms import (
    DEEPEST,
    Pattern,
    Term,
    Unsure,
    both,
    called,
    chosen,
    compared,
    either,
    length_of,
    negated,
    text_literal,
    true_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Expressions"]

_WHITE_SPACE = frozenset({r"\s+", r"[\s]+"})
_COMPARE = {"===": "==", "!==": "!=", "==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_TRUE, _FALSE = (Term(word, "boolean", literal=True) for word in ("true", "false"))
_LONGEST_CODE = 4000


class Expressions(Tokens):
    """`parsed`: `output` is the parsed answer, not its text. `calls`: it may be the list of calls, with tools.

    `guards`: tell missing members from those that are there.

    Found while reading: `reads_json`: the answer is parsed. `is_delicate`: a missing member could make the whole true.
    `has_chain`: `?.` is used.
    """

    def __init__(self, text: str, *, parsed: bool, calls: bool = False, guards: bool = False) -> None:
        super().__init__(text)
        self._parsed, self._calls, self._guards = parsed, calls, guards
        self.reads_json = False
        self.is_delicate = False
        self.has_chain = False
        self._names: dict[str, Term] = {}
        self._depth = 0

    def _expression(self) -> Term:
        self._deeper()
        condition = self._either()
        term = condition
        if self._take("?"):
            read_before = self.reads_json
            then = self._expression()
            self._need(":")
            otherwise = self._expression()
            self._only_read_before(read_before)
            self.is_delicate = True
            term = self._short(chosen(true_of(condition), then, otherwise))
        self._depth -= 1
        return term

    def _only_read_before(self, before: bool) -> None:
        """An answer that is parsed in one branch only need not be JSON in the other, and every check here needs it."""
        if self.reads_json and not before:
            raise Unsure

    def _either(self) -> Term:
        term = self._both()
        while self._take("||"):
            read_before = self.reads_json
            self.is_delicate = True
            term = self._short(either(term.of("boolean"), self._both().of("boolean")))
            self._only_read_before(read_before)
        return term

    def _both(self) -> Term:
        term = self._comparison()
        while self._take("&&"):
            term = self._short(both(true_of(term), self._comparison().of("boolean")))
        return term

    def _comparison(self) -> Term:
        left = self._unary()
        sign = self._take(*_COMPARE)
        if not sign:
            return left
        operator = _COMPARE[sign]
        self.is_delicate = self.is_delicate or operator == "!="
        return compared(left, operator, self._unary(), loose=sign in ("==", "!="))

    def _unary(self) -> Term:
        if self._take("!"):
            self.is_delicate = True
            return negated(true_of(self._unary()))
        if self._take("-"):
            term = self._primary().of("number")
            return Term(f"-{term.code}", "number", term.literal)
        return self._postfix(self._primary())

    def _primary(self) -> Term:
        if self._take("("):
            term = self._expression()
            self._need(")")
            return term
        if self._take("["):
            return self._array()
        if self._at >= len(self._tokens):
            raise Unsure
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return Term(text, "number", literal=True)
        if kind == "string":
            return text_literal(text_of(text))
        if kind == "pattern":
            return self._test(text)
        if kind != "name":
            raise Unsure
        return self._named(text)

    def _array(self) -> Term:
        items: list[Term] = []
        while not self._take("]"):
            items.append(self._expression().of("text"))
            if self._peek() != "]":
                self._need(",")
        if not items:
            raise Unsure
        return Term("", "texts", literal=all(item.literal for item in items), items=tuple(items))

    def _test(self, literal: str) -> Term:
        """`/pattern/.test(output)`."""
        self._need(".")
        if self._name() != "test":
            raise Unsure
        self._need("(")
        if self._expression() != Term("text", "text"):
            raise Unsure
        self._need(")")
        return Term("", "boolean", patterns=(Pattern(pattern_of(literal)),))

    def _named(self, name: str) -> Term:
        if name in self._names:
            return self._names[name]
        if name in ("true", "false"):
            return _TRUE if name == "true" else _FALSE
        if name in ("null", "undefined"):
            return Term("none", "null" if name == "null" else "undefined", literal=True)
        if self._calls and name in ("output", "JSON"):
            return self._call(parses=name == "JSON")
        if name == "output":
            self.reads_json = self.reads_json or self._parsed
            return self._json("output") if self._parsed else Term("text", "text")
        if name == "JSON" and self._words(".", "parse", "(", "output", ")") and not self._parsed:
            self.reads_json = True
            return self._json("output")
        if name == "context" and self._words(".", "vars"):
            return Term(f"(vars{self._variable()} | string)", "text")
        raise Unsure

    def _call(self, *, parses: bool) -> Term:
        """`output[0].function.name`, or `JSON.parse(output[0].function.arguments)`."""
        if parses and not self._words(".", "parse", "(", "output"):
            raise Unsure
        self._need("[")
        number = self._primary()
        self._need("]")
        if number.type != "number" or not self._words(".", "function", ".", "arguments" if parses else "name"):
            raise Unsure
        if parses:
            self._need(")")
            return self._json(f"tool_calls[{number.code}].arguments")
        return Term(f"tool_calls[{number.code}].name", "text")

    def _variable(self) -> str:
        if self._take("."):
            return f".{self._name()}"
        self._need("[")
        key = self._primary().of("text")
        self._need("]")
        if not key.literal:
            raise Unsure
        return f"[{key.code}]"

    def _postfix(self, term: Term) -> Term:
        while True:
            sign = self._take(".", "?.")
            self.has_chain = self.has_chain or sign == "?."
            if sign:
                term = self._member(term, self._name())
            elif term.type == "json" and self._take("["):
                key = self._primary()
                if not key.literal:
                    raise Unsure
                self._need("]")
                term = self._json(f"{term.code}[{key.of('text', 'number').code}]")
            else:
                return term

    def _member(self, term: Term, name: str) -> Term:
        if name == "length":
            return length_of(term)
        if not self._take("("):
            return self._json(f"{term.of('json').code}.{name}")
        if name in ("every", "some"):
            return self._each(term, both if name == "every" else either)
        if name in ("split", "match") and self._tokens[self._at][0] == "pattern":
            return self._by_pattern(term, name)
        argument = None if self._peek() == ")" else self._expression()
        self._need(")")
        return called(term, name, argument)

    def _by_pattern(self, term: Term, name: str) -> Term:
        literal = self._tokens[self._at][1]
        self._at += 1
        self._need(")")
        if name == "match":
            if term != Term("text", "text"):
                raise Unsure
            return Term("", "match", patterns=(Pattern(pattern_of(literal)),))
        source, flags = literal[1:].rsplit("/", 1)
        if source not in _WHITE_SPACE or flags not in ("", "g"):
            raise Unsure
        if self._words(".", "filter", "(", "Boolean", ")"):
            return Term(f"{term.of('text').code}.split()", "words")
        # with a letter at each end, the empty words that JavaScript finds there are counted too
        return Term(f'("x" ~ {term.of("text").code} ~ "x").split()', "words")

    def _each(self, texts: Term, joined: Callable[[Term, Term], Term]) -> Term:
        """`[...].every(word => ...)`: the condition once for each text."""
        name = self._parameter()
        start, outer, found = self._at, dict(self._names), None
        for item in texts.of("texts").items:
            self._at = start
            self._names = {**outer, name: item}
            term = self._expression().of("boolean")
            found = term if found is None else self._short(joined(found, term))
        self._names = outer
        self._need(")")
        self.is_delicate = self.is_delicate or joined is either
        if found is None:
            raise Unsure
        return found

    def _parameter(self) -> str:
        has_parentheses = bool(self._take("("))
        name = self._name()
        if has_parentheses:
            self._need(")")
        self._need("=>")
        return name

    def _json(self, code: str) -> Term:
        return replace(Term(code, "json"), guards=self._guards and code != "output")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unsure

    def _short(self, term: Term) -> Term:
        if len(term.code) > _LONGEST_CODE:
            raise Unsure
        return term
