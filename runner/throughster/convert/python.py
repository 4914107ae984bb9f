"""Walks the syntax tree of the Python expressions that are translated. Nothing is run."""

from __future__ import annotations

import ast

from throughster.convert.terms import DEEPEST, Term, Unsure, called, compared, length_of, quoted_text, text_literal

__all__ = ["Python"]

_PY_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_PY_METHODS = frozenset({"lower", "upper", "strip", "lstrip", "rstrip"})


class Python:
    """`parsed`: `output` is the parsed answer, not its text. `is_delicate`, `reads_json`: see `expressions`."""

    def __init__(self, *, parsed: bool) -> None:
        self._parsed = parsed
        self.reads_json = False
        self.is_delicate = False

    def read(self, node: ast.expr, depth: int) -> Term:
        if depth > DEEPEST:
            raise Unsure
        if isinstance(node, ast.Constant):
            return _constant(node.value)
        if isinstance(node, ast.Name) and node.id == "output":
            self.reads_json = self.reads_json or self._parsed
            return Term("output", "json") if self._parsed else Term("text", "text")
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items = tuple(self.read(item, depth + 1).of("text") for item in node.elts)
            return Term("", "texts", items=items)
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            self.is_delicate = self.is_delicate or word == "or"
            terms = [self.read(value, depth + 1).bare.code for value in node.values]
            return Term(f"({f' {word} '.join(terms)})", "boolean")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.is_delicate = True
            return Term(f"(not {self.read(node.operand, depth + 1).bare.code})", "boolean")
        if isinstance(node, ast.Compare):
            return self._comparison(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, depth)
        raise Unsure

    def _comparison(self, node: ast.Compare, depth: int) -> Term:
        terms = [self.read(one, depth + 1) for one in (node.left, *node.comparators)]
        parts = []
        for left, operator, right in zip(terms, node.ops, terms[1:], strict=False):
            if isinstance(operator, ast.In | ast.NotIn):
                word = "in" if isinstance(operator, ast.In) else "not in"
                self.is_delicate = self.is_delicate or word == "not in"
                parts.append(f"({left.of('text', 'json').code} {word} {_container(left, right)})")
            else:
                sign = _PY_COMPARE.get(type(operator))
                if sign is None:
                    raise Unsure
                self.is_delicate = self.is_delicate or sign == "!="
                parts.append(compared(left, sign, right).code)
        return Term(parts[0] if len(parts) == 1 else f"({' and '.join(parts)})", "boolean")

    def _call(self, node: ast.Call, depth: int) -> Term:
        if node.keywords:
            raise Unsure
        if isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1:
            return length_of(self.read(node.args[0], depth + 1))
        if not isinstance(node.func, ast.Attribute):
            raise Unsure
        owner, name = node.func.value, node.func.attr
        if isinstance(owner, ast.Name) and owner.id == "json" and name == "loads" and len(node.args) == 1:
            if self.read(node.args[0], depth + 1).code != "text":
                raise Unsure
            self.reads_json = True
            return Term("output", "json")
        term = self.read(owner, depth + 1)
        if name in _PY_METHODS and not node.args:
            return Term(f"{term.of('text').code}.{name}()", "text")
        if name == "split" and not node.args:
            return Term(f"{term.of('text').code}.split()", "words")
        if len(node.args) == 1:
            return called(term, name, self.read(node.args[0], depth + 1))
        raise Unsure

    def _subscript(self, node: ast.Subscript, depth: int) -> Term:
        if not isinstance(node.slice, ast.Constant):
            raise Unsure
        key = node.slice.value
        owner = node.value
        if isinstance(owner, ast.Subscript) and isinstance(owner.value, ast.Name) and owner.value.id == "context":
            if not isinstance(owner.slice, ast.Constant) or owner.slice.value != "vars" or not isinstance(key, str):
                raise Unsure
            return Term(f"(vars[{quoted_text(key)}] | string)", "text")
        term = self.read(owner, depth + 1).of("json")
        return Term(f"{term.code}[{_constant(key).of('text', 'number').code}]", "json")


def _container(left: Term, right: Term) -> str:
    if right.type == "texts":
        return f"[{', '.join(item.code for item in right.items)}]"
    left.of("text")
    return right.of("text").code


def _constant(value: object) -> Term:
    if isinstance(value, bool):
        return Term("true" if value else "false", "boolean", literal=True)
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, int | float):
        return Term(repr(value), "number", literal=True)
    if value is None:
        return Term("none", "null", literal=True)
    raise Unsure
