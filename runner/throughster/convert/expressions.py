"""JavaScript and Python expressions as expressions of the `expr` check, where the translation is certain.

Only comparisons and tests of texts, lengths, members of parsed JSON and variables are read, by a small parser; nothing
is run. What is not understood is not translated. An expression that must be a boolean is told from one that is a score.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Translation", "translate_javascript", "translate_python"]

Type: TypeAlias = Literal["text", "number", "boolean", "json", "list", "null"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`$\\]*`)"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<sign>===|!==|==|!=|<=|>=|&&|\|\||[-<>!().,\[\]+]))"
)
_WHOLE_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")
_JS_COMPARE = {"===": "==", "!==": "!=", "==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_LONGEST = 2000
_DEEPEST = 40


class _Unsure(Exception):  # noqa: N818 - never leaves this module
    """The expression is not one of those that are translated."""


@dataclass(frozen=True)
class _Term:
    code: str
    type: Type
    literal: bool = False

    def of(self, *types: Type) -> _Term:
        if self.type not in types:
            raise _Unsure
        return self


@dataclass(frozen=True)
class Translation:
    """`value` of an `expr` check, or of a `regex` one. `path`: `$` where the answer is read as JSON."""

    value: str
    type: Literal["expr", "regex"] = "expr"
    path: str | None = None


def translate_javascript(code: str, *, negated: bool = False) -> Translation | None:
    """The check that a JavaScript expression over `output` and `context.vars` stands for; None where it is not sure."""
    text = code.strip().rstrip(";").strip()
    found = re.fullmatch(r"return\s+([^;]+)", text)
    text = found[1].strip() if found else text
    pattern = re.fullmatch(r"/((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/(i?)\.test\(output\)", text)
    if pattern:
        source = pattern[1].replace("\\/", "/")
        return Translation(f"(?i){source}" if pattern[2] else source, "regex")
    if len(text) > _LONGEST:
        return None
    try:
        parser = _JavaScript(text)
        return _finish(parser.whole(), parser.reads_json, parser.is_delicate or negated)
    except _Unsure:
        return None


def translate_python(code: str, *, negated: bool = False) -> Translation | None:
    """As `translate_javascript`, for one line of Python over `output` and `context["vars"]`."""
    if len(code) > _LONGEST or "\n" in code.strip():
        return None
    try:
        tree = ast.parse(code.strip(), mode="eval")
        reader = _Python()
        return _finish(reader.read(tree.body, 0), reader.reads_json, reader.is_delicate or negated)
    except (_Unsure, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _finish(term: _Term, reads_json: bool, is_delicate: bool) -> Translation | None:
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


def _quoted(text: str) -> str:
    """A text as Jinja reads it."""
    return json.dumps(text, ensure_ascii=False)


def _text_literal(text: str) -> _Term:
    found = _WHOLE_VARIABLE.fullmatch(text)
    if found:
        return _Term(f"(vars.{found[1]} | string)", "text")
    if "{{" in text or "{%" in text:
        raise _Unsure
    return _Term(_quoted(text), "text", literal=True)


def _compare(left: _Term, operator: str, right: _Term) -> _Term:
    """Comparison without conversions: what would need one is not sure."""
    if left.literal and not right.literal:
        flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
        return _compare(right, flipped.get(operator, operator), left)
    types = {left.type, right.type}
    if operator in ("==", "!="):
        if right.type == "boolean" and right.literal:
            return _Term(
                f"({left.of('json', 'boolean').code} is {'not ' if operator == '!=' else ''}{right.code})", "boolean"
            )
        if right.type == "null":
            return _Term(f"({left.of('json').code} is {'not ' if operator == '!=' else ''}none)", "boolean")
        if len(types) > 1 and "json" not in types:
            raise _Unsure
        code = f"{left.code} {operator} {right.code}"
        if right.type == "number" and left.type == "json":
            code = f"{code} and {left.code} is not boolean" if operator == "==" else code
        return _Term(f"({code})", "boolean")
    if not types <= {"number", "json"}:
        raise _Unsure
    return _Term(f"({left.code} {operator} {right.code})", "boolean")


def _length(term: _Term) -> _Term:
    return _Term(f"({term.of('text', 'json', 'list').code} | length)", "number")


class _JavaScript:
    """Recursive descent over tokens."""

    def __init__(self, text: str) -> None:
        self.reads_json = False
        self.is_delicate = False
        self._tokens: list[tuple[str, str]] = []
        self._depth = 0
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or not found.lastgroup:
                raise _Unsure
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self._at = 0

    def whole(self) -> _Term:
        term = self._either()
        if self._at != len(self._tokens):
            raise _Unsure
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
            raise _Unsure

    def _name(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "name":
            self._at += 1
            return self._tokens[self._at - 1][1]
        raise _Unsure

    def _either(self) -> _Term:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unsure
        term = self._both()
        while self._take("||"):
            self.is_delicate = True
            term = _Term(f"({term.of('boolean').code} or {self._both().of('boolean').code})", "boolean")
        self._depth -= 1
        return term

    def _both(self) -> _Term:
        term = self._comparison()
        while self._take("&&"):
            term = _Term(f"({term.of('boolean').code} and {self._comparison().of('boolean').code})", "boolean")
        return term

    def _comparison(self) -> _Term:
        left = self._unary()
        operator = _JS_COMPARE.get(self._take(*_JS_COMPARE))
        if operator is None:
            return left
        self.is_delicate = self.is_delicate or operator == "!="
        return _compare(left, operator, self._unary())

    def _unary(self) -> _Term:
        if self._take("!"):
            self.is_delicate = True
            return _Term(f"(not {self._unary().of('boolean').code})", "boolean")
        if self._take("-"):
            term = self._primary().of("number")
            return _Term(f"-{term.code}", "number", term.literal)
        return self._postfix(self._primary())

    def _primary(self) -> _Term:
        if self._take("("):
            term = self._either()
            self._need(")")
            return term
        if self._at >= len(self._tokens):
            raise _Unsure
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return _Term(text, "number", literal=True)
        if kind == "string":
            return _text_literal(_js_string(text))
        if text in ("true", "false"):
            return _Term(text, "boolean", literal=True)
        if text == "null":
            return _Term("none", "null", literal=True)
        return self._root(text)

    def _root(self, name: str) -> _Term:
        if name == "output":
            return _Term("text", "text")
        if name == "JSON":
            self._need(".")
            if self._name() != "parse":
                raise _Unsure
            self._need("(")
            if self._name() != "output":
                raise _Unsure
            self._need(")")
            self.reads_json = True
            return _Term("output", "json")
        if name == "context":
            self._need(".")
            if self._name() != "vars":
                raise _Unsure
            self._need(".")
            return _Term(f"(vars.{self._name()} | string)", "text")
        raise _Unsure

    def _postfix(self, term: _Term) -> _Term:
        while True:
            if self._take("."):
                term = self._member(term, self._name())
            elif term.type == "json" and self._take("["):
                key = self._primary()
                if not key.literal:
                    raise _Unsure
                self._need("]")
                term = _Term(f"{term.code}[{key.of('text', 'number').code}]", "json")
            else:
                return term

    def _member(self, term: _Term, name: str) -> _Term:
        if name == "length":
            return _length(term)
        if self._take("("):
            argument = None if self._peek() == ")" else self._either()
            self._need(")")
            return _call(term, name, argument)
        return _Term(f"{term.of('json').code}.{name}", "json")


_JS_METHODS = {"toLowerCase": "lower", "toUpperCase": "upper", "trim": "strip"}
_TESTS = {"startsWith": "startswith", "endsWith": "endswith", "startswith": "startswith", "endswith": "endswith"}


def _call(term: _Term, name: str, argument: _Term | None) -> _Term:
    if argument is None:
        method = _JS_METHODS.get(name)
        if method is None:
            raise _Unsure
        return _Term(f"{term.of('text').code}.{method}()", "text")
    if name == "includes":
        return _Term(f"({argument.of('text').code} in {term.of('text').code})", "boolean")
    if name in _TESTS:
        return _Term(f"{term.of('text').code}.{_TESTS[name]}({argument.of('text').code})", "boolean")
    if name == "split" and argument.literal and argument.code not in ('""', "''"):
        return _Term(f"{term.of('text').code}.split({argument.of('text').code})", "list")
    raise _Unsure


def _js_string(token: str) -> str:
    body = token[1:-1]
    if "\\" not in body:
        return body
    if re.search(r"\\[^'\"\\/nrtbf]", body):
        raise _Unsure
    text = re.sub(r"\\(['`])", r"\1", body) if token[0] == "'" else body
    text = text if token[0] == '"' else text.replace('"', '\\"') if token[0] == "'" and '\\"' not in text else text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        raise _Unsure from None


_PY_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_PY_METHODS = frozenset({"lower", "upper", "strip", "lstrip", "rstrip"})


class _Python:
    """Walks the syntax tree of one expression."""

    def __init__(self) -> None:
        self.reads_json = False
        self.is_delicate = False

    def read(self, node: ast.expr, depth: int) -> _Term:
        if depth > _DEEPEST:
            raise _Unsure
        if isinstance(node, ast.Constant):
            return _constant(node.value)
        if isinstance(node, ast.Name) and node.id == "output":
            return _Term("text", "text")
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            self.is_delicate = self.is_delicate or word == "or"
            terms = [self.read(value, depth + 1).of("boolean").code for value in node.values]
            return _Term(f"({f' {word} '.join(terms)})", "boolean")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.is_delicate = True
            return _Term(f"(not {self.read(node.operand, depth + 1).of('boolean').code})", "boolean")
        if isinstance(node, ast.Compare):
            return self._comparison(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, depth)
        raise _Unsure

    def _comparison(self, node: ast.Compare, depth: int) -> _Term:
        terms = [self.read(one, depth + 1) for one in (node.left, *node.comparators)]
        parts = []
        for left, operator, right in zip(terms, node.ops, terms[1:], strict=False):
            if isinstance(operator, ast.In | ast.NotIn):
                word = "in" if isinstance(operator, ast.In) else "not in"
                self.is_delicate = self.is_delicate or word == "not in"
                parts.append(f"({left.of('text').code} {word} {right.of('text').code})")
            else:
                sign = _PY_COMPARE.get(type(operator))
                if sign is None:
                    raise _Unsure
                self.is_delicate = self.is_delicate or sign == "!="
                parts.append(_compare(left, sign, right).code)
        return _Term(parts[0] if len(parts) == 1 else f"({' and '.join(parts)})", "boolean")

    def _call(self, node: ast.Call, depth: int) -> _Term:
        if node.keywords:
            raise _Unsure
        if isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1:
            return _length(self.read(node.args[0], depth + 1))
        if not isinstance(node.func, ast.Attribute):
            raise _Unsure
        owner, name = node.func.value, node.func.attr
        if isinstance(owner, ast.Name) and owner.id == "json" and name == "loads" and len(node.args) == 1:
            if self.read(node.args[0], depth + 1).code != "text":
                raise _Unsure
            self.reads_json = True
            return _Term("output", "json")
        term = self.read(owner, depth + 1)
        if name in _PY_METHODS and not node.args:
            return _Term(f"{term.of('text').code}.{name}()", "text")
        if name == "split" and not node.args:
            return _Term(f"{term.of('text').code}.split()", "list")
        if len(node.args) == 1:
            return _call(term, name, self.read(node.args[0], depth + 1))
        raise _Unsure

    def _subscript(self, node: ast.Subscript, depth: int) -> _Term:
        if not isinstance(node.slice, ast.Constant):
            raise _Unsure
        key = node.slice.value
        owner = node.value
        if isinstance(owner, ast.Subscript) and isinstance(owner.value, ast.Name) and owner.value.id == "context":
            if not isinstance(owner.slice, ast.Constant) or owner.slice.value != "vars" or not isinstance(key, str):
                raise _Unsure
            return _Term(f"(vars[{_quoted(key)}] | string)", "text")
        term = self.read(owner, depth + 1).of("json")
        return _Term(f"{term.code}[{_constant(key).of('text', 'number').code}]", "json")


def _constant(value: object) -> _Term:
    if isinstance(value, bool):
        return _Term("true" if value else "false", "boolean", literal=True)
    if isinstance(value, str):
        return _text_literal(value)
    if isinstance(value, int | float):
        return _Term(repr(value), "number", literal=True)
    if value is None:
        return _Term("none", "null", literal=True)
    raise _Unsure
