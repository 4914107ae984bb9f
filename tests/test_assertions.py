"""What holds for the tests themselves: those with a loop have an assertion that always runs."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
_LOOPS = (ast.For, ast.AsyncFor)
_HELPERS = ("assert", "check", "refuse", "expect")
_RUN_TO_THE_END = {"test_what_was_given_before_others_came_stays_given_and_what_they_leave_is_given_at_once"}
"""Tests of something that must not raise, or not wait for ever."""


def functions():
    """Tests that have a loop."""
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(module):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
            if is_test and node.name not in _RUN_TO_THE_END and any(isinstance(one, _LOOPS) for one in ast.walk(node)):
                yield f"{path.relative_to(TESTS)}::{node.name}", node, [*ast.walk(node), *module.body]


def is_assertion(node):
    if isinstance(node, ast.With):
        return any("raises" in ast.unparse(item.context_expr) for item in node.items)
    name = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.Assert) or name.startswith(_HELPERS) or name in ("fail", "match_lines", "fnmatch_lines")


def may_be_empty(loop, scope):
    """Whether what is gone through could have nothing in it: anything but a literal, a range, or a name for a literal."""
    values = loop.iter
    if isinstance(values, ast.Name):
        named = (
            node.value for node in scope if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == values.id
        )
        values = next(named, values)
    if isinstance(values, ast.IfExp):
        values = values.body
    if isinstance(values, ast.Tuple | ast.List | ast.Dict | ast.Set):
        return not ast.unparse(values).strip("()[]{}")
    return not (isinstance(values, ast.Call) and ast.unparse(values.func) == "range")


def always_run(function, scope):
    """The assertions that are in no loop that may be empty."""
    helpers = {
        node.name for node in scope if isinstance(node, ast.FunctionDef) and any(map(is_assertion, ast.walk(node)))
    }
    inside = {
        id(node)
        for loop in ast.walk(function)
        if isinstance(loop, _LOOPS) and may_be_empty(loop, scope)
        for node in ast.walk(loop)
    }
    nodes = (node for node in ast.walk(function) if id(node) not in inside)
    return [
        node
        for node in nodes
        if is_assertion(node) or (isinstance(node, ast.Call) and ast.unparse(node.func) in helpers)
    ]


def test_no_test_asserts_only_inside_a_loop_that_may_be_empty():
    found = list(functions())
    assert len(found) > 100
    assert sorted(name for name, node, scope in found if not always_run(node, scope)) == []
