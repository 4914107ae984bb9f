"""The changes that are tried: where in a file each could be made, and the file with one of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass

__all__ = ["Change", "changes_of"]

_COMPARE = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*"}
_SIGNS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in",
    ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One change of a file: the characters from `start` to `end` become `text`. `line` counts from 1."""

    file: str
    line: int
    start: int
    end: int
    text: str
    before: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: `{' '.join(self.before.split())[:70]}` -> `{self.text[:70]}`"

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


class _Finder(ast.NodeVisitor):
    def __init__(self, file, source):
        self.file, self.source, self.found = file, source, []
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = source.splitlines(keepends=True)

    def _at(self, line, column):
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _span(self, node):
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _add(self, line, start, end, text):
        self.found.append(Change(self.file, line, start, end, text, self.source[start:end]))

    def _between(self, left, right, sign, text):
        """An operator between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        at = self.source.find(sign, start, end)
        if at >= 0 and "#" not in self.source[start:end]:
            self._add(left.end_lineno, at, at + len(sign), text)

    def visit_Compare(self, node):
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            self._between(left, right, _SIGNS[type(operator)], _COMPARE[type(operator)])
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        sign, text = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, sign, text)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        if type(node.op) in _ARITHMETIC and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            self._between(node.left, node.right, _SIGNS[type(node.op)], _ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            start, _ = self._span(node)
            self._add(node.lineno, start, self._span(node.operand)[0], "")
        self.generic_visit(node)

    def visit_Constant(self, node):
        start, end = self._span(node)
        if isinstance(node.value, bool):
            self._add(node.lineno, start, end, str(not node.value))
        elif isinstance(node.value, int | float):
            self._add(node.lineno, start, end, repr(node.value + 1))

    def visit_If(self, node):
        start, end = self._span(node.test)
        if not isinstance(node.test, ast.Name) or node.test.id != "TYPE_CHECKING":
            self._add(node.lineno, start, end, "False")
            self.generic_visit(node)

    def visit_Return(self, node):
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._add(node.lineno, *self._span(node.value), "None")
        self.generic_visit(node)

    def visit_Raise(self, node):
        self._add(node.lineno, *self._span(node), "pass")

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call | ast.Await):
            self._add(node.lineno, *self._span(node), "pass")
            self.generic_visit(node)

    def visit_Break(self, node):
        self._add(node.lineno, *self._span(node), "continue")

    def visit_Continue(self, node):
        self._add(node.lineno, *self._span(node), "pass")

    def visit_AugAssign(self, node):
        self._add(node.lineno, *self._span(node), "pass")
        self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    def visit_arguments(self, node):
        for default in (*node.defaults, *filter(None, node.kw_defaults)):
            self.visit(default)

    def visit_FunctionDef(self, node):
        for child in (*node.body, node.args):
            self.visit(child)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assign(self, node):
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self.generic_visit(node)


def changes_of(file, source):
    """Every change of a file that is tried, in order."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return [change for change in finder.found if _compiles(change.apply(source))]


def _compiles(source):
    try:
        compile(source, "changed", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
