"""A small parser for the JavaScript expressions that are translated: recursive descent over tokens. Nothing is run."""

from __future__ import annotations

import json
import re

from throughster.convert.terms import DEEPEST, Term, Unsure, called, compared, length_of, text_literal

__all__ = ["JavaScript"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`$\\]*`)"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<sign>===|!==|==|!=|<=|>=|&&|\|\||[-<>!().,\[\]+]))"
)
_JS_COMPARE = {"===": "==", "!==": "!=", "==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class JavaScript:
    """`parsed`: `output` is the parsed answer, not its text. `is_delicate`, `reads_json`: see `expressions`."""

    def __init__(self, text: str, *, parsed: bool) -> None:
        self._parsed = parsed
        self.reads_json = False
        self.is_delicate = False
        self._tokens: list[tuple[str, str]] = []
        self._depth = 0
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or not found.lastgroup:
                raise Unsure
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._at = 0

    def whole(self) -> Term:
        term = self._either()
        if self._at != len(self._tokens):
            raise Unsure
        return term

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, *signs: str) -> str:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "sign" and text in signs:
                self._at += 1
                return text
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise Unsure

    def _name(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "name":
            self._at += 1
            return self._tokens[self._at - 1][1]
        raise Unsure

    def _either(self) -> Term:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unsure
        term = self._both()
        while self._take("||"):
            self.is_delicate = True
            term = Term(f"({term.of('boolean').code} or {self._both().of('boolean').code})", "boolean")
        self._depth -= 1
        return term

    def _both(self) -> Term:
        term = self._comparison()
        while self._take("&&"):
            term = Term(f"({term.of('boolean').code} and {self._comparison().of('boolean').code})", "boolean")
        return term

    def _comparison(self) -> Term:
        left = self._unary()
        operator = _JS_COMPARE.get(self._take(*_JS_COMPARE))
        if operator is None:
            return left
        self.is_delicate = self.is_delicate or operator == "!="
        return compared(left, operator, self._unary())

    def _unary(self) -> Term:
        if self._take("!"):
            self.is_delicate = True
            return Term(f"(not {self._unary().of('boolean').code})", "boolean")
        if self._take("-"):
            term = self._primary().of("number")
            return Term(f"-{term.code}", "number", term.literal)
        return self._postfix(self._primary())

    def _primary(self) -> Term:
        if self._take("("):
            term = self._either()
            self._need(")")
            return term
        if self._at >= len(self._tokens):
            raise Unsure
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return Term(text, "number", literal=True)
        if kind == "string":
            return text_literal(_js_string(text))
        if text in ("true", "false"):
            return Term(text, "boolean", literal=True)
        if text == "null":
            return Term("none", "null", literal=True)
        return self._root(text)

    def _root(self, name: str) -> Term:
        if name == "output":
            self.reads_json = self.reads_json or self._parsed
            return Term("output", "json") if self._parsed else Term("text", "text")
        if name == "JSON":
            self._need(".")
            if self._name() != "parse":
                raise Unsure
            self._need("(")
            if self._name() != "output":
                raise Unsure
            self._need(")")
            self.reads_json = True
            return Term("output", "json")
        if name == "context":
            self._need(".")
            if self._name() != "vars":
                raise Unsure
            self._need(".")
            return Term(f"(vars.{self._name()} | string)", "text")
        raise Unsure

    def _postfix(self, term: Term) -> Term:
        while True:
            if self._take("."):
                term = self._member(term, self._name())
            elif term.type == "json" and self._take("["):
                key = self._primary()
                if not key.literal:
                    raise Unsure
                self._need("]")
                term = Term(f"{term.code}[{key.of('text', 'number').code}]", "json")
            else:
                return term

    def _member(self, term: Term, name: str) -> Term:
        if name == "length":
            return length_of(term)
        if self._take("("):
            argument = None if self._peek() == ")" else self._either()
            self._need(")")
            return called(term, name, argument)
        return Term(f"{term.of('json').code}.{name}", "json")


def _js_string(token: str) -> str:
    body = token[1:-1]
    if "\\" not in body:
        return body
    if re.search(r"\\[^'\"\\/nrtbf]", body):
        raise Unsure
    text = re.sub(r"\\(['`])", r"\1", body) if token[0] == "'" else body
    text = text if token[0] == '"' else text.replace('"', '\\"') if token[0] == "'" and '\\"' not in text else text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        raise Unsure from None
