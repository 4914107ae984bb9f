"""Which outer variables a template uses, and where: a walk over its syntax tree that follows Jinja's scopes.

No use of an outer variable is missed. A use counts as optional where the template itself says what happens without the
variable: `x is defined`, `x | default(...)`, code that such a test guards, and names that a branch may have set before.
"""

# ruff: noqa: N802 - the visiting methods are named after Jinja's nodes

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from throughster.names import did_you_mean
from throughster.prompts.filters import REFUSED_FILTERS
from throughster.prompts.sandbox import GLOBALS
from throughster.prompts.unit import ROW, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from throughster.prompts.sandbox import Sandbox
    from throughster.prompts.unit import Unit

__all__ = ["Found", "find_references"]

_ROW_METHODS = frozenset({"get", "items", "keys", "values"})
_MOST_FILES = 100


@dataclass(slots=True)
class Found:
    """What the walk gathered: the references, the files that were included, and whether `row` is used as a whole."""

    references: list[Reference] = field(default_factory=list)
    units: dict[str, Unit] = field(default_factory=dict)
    uses_row: bool = False
    uses_whole_row: bool = False
    walked: set[Any] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Scope:
    """Names known at a point: True where surely set, False where only a branch may have set it."""

    names: dict[str, bool] = field(default_factory=dict)
    guarded: frozenset[str] = frozenset()
    runs_later: bool = False  # a macro or block: what the top level sets afterwards is there when it runs

    def child(self, *names: str, guarded: frozenset[str] = frozenset(), runs_later: bool = False) -> _Scope:
        known = self.names | dict.fromkeys(names, True)
        return _Scope(known, self.guarded | guarded, self.runs_later or runs_later)


def find_references(unit: Unit, environment: Sandbox, load: Callable[[str, Unit, int], Unit]) -> Found:
    """Walk `unit` and the files it includes, which `load(name, including unit, offset)` parses.

    Raises `TemplateProblem` for what can never render: unknown filters and tests, files named by an expression.
    """
    found = Found()
    _Walker(unit, environment, load, found).walk(_Scope({"self": True}), frozenset())
    return found


class _Walker:
    """The walk over one template; an included one gets its own."""

    def __init__(
        self,
        unit: Unit,
        environment: Sandbox,
        load: Callable[[str, Unit, int], Unit],
        found: Found,
    ) -> None:
        self.unit, self.environment, self.load, self.found = unit, environment, load, found
        self.top = _Scope()
        self.overridden: frozenset[str] = frozenset()
        self.pending: list[int] = []
        self.parents: list[nodes.Extends] = []

    def walk(self, scope: _Scope, overridden: frozenset[str]) -> None:
        self.top, self.overridden = scope, overridden
        self.statements(self.unit.tree.body, scope)
        if self.parents:  # they run last, with what this template has set
            blocks = self.unit.tree.find_all(nodes.Block)
            replaced = frozenset(block.name for block in blocks if not _calls_super(block))
            for parent in self.parents:
                self.follow(parent, scope, "extends", with_context=True, overridden=overridden | replaced)
        references = self.found.references
        for index in self.pending:
            if references[index].name in scope.names:
                references[index] = replace(references[index], optional=True)

    # -- statements ---------------------------------------------------------------------------------------------------

    def statements(self, body: Iterable[nodes.Node], scope: _Scope) -> None:
        for node in body:
            self.visit(node, scope)

    def visit(self, node: nodes.Node, scope: _Scope) -> None:
        method = getattr(self, f"visit_{type(node).__name__}", None)
        if method is None:
            self.statements(node.iter_child_nodes(), scope)
        else:
            method(node, scope)

    def visit_If(self, node: nodes.If, scope: _Scope) -> None:
        ends: list[_Scope] = []
        rest = scope
        for branch in (node, *node.elif_):
            self.visit(branch.test, rest)
            if_true, if_false = _guards(branch.test)
            taken = rest.child(guarded=if_true)
            self.statements(branch.body, taken)
            ends.append(taken)
            rest = rest.child(guarded=if_false)
        self.statements(node.else_, rest)
        ends.append(rest)
        for name in {name for end in ends for name in end.names}:
            scope.names[name] = all(end.names.get(name, False) for end in ends)

    def visit_For(self, node: nodes.For, scope: _Scope) -> None:
        self.visit(node.iter, scope)
        targets = _stored(node.target)
        guarded: frozenset[str] = frozenset()
        if node.test is not None:
            self.visit(node.test, scope.child(*targets))
            guarded = _guards(node.test)[0]
        self.statements(node.body, scope.child(*targets, "loop", guarded=guarded))
        self.statements(node.else_, scope.child())

    def visit_Assign(self, node: nodes.Assign, scope: _Scope) -> None:
        self.visit(node.node, scope)
        self.store(node.target, scope)

    def visit_AssignBlock(self, node: nodes.AssignBlock, scope: _Scope) -> None:
        self.statements(node.body, scope.child())
        if node.filter is not None:
            self.visit(node.filter, scope)
        self.store(node.target, scope)

    def visit_With(self, node: nodes.With, scope: _Scope) -> None:
        self.statements(node.values, scope)
        self.statements(node.body, scope.child(*(name for target in node.targets for name in _stored(target))))

    def visit_Macro(self, node: nodes.Macro, scope: _Scope) -> None:
        scope.names[node.name] = True
        self.callable_body(node, scope)

    def visit_CallBlock(self, node: nodes.CallBlock, scope: _Scope) -> None:
        self.visit(node.call, scope)
        self.callable_body(node, scope)

    def callable_body(self, node: nodes.Macro | nodes.CallBlock, scope: _Scope) -> None:
        names = ("caller", "varargs", "kwargs")
        inner = scope.child(*names, *(argument.name for argument in node.args), runs_later=True)
        self.statements(node.defaults, inner)
        self.statements(node.body, inner)

    def visit_FilterBlock(self, node: nodes.FilterBlock, scope: _Scope) -> None:
        self.statements(node.body, scope.child())
        self.visit(node.filter, scope)

    def visit_Block(self, node: nodes.Block, scope: _Scope) -> None:
        if node.name in self.overridden:
            return
        seen = scope if node.scoped else _Scope(self.top.names, scope.guarded)
        self.statements(node.body, seen.child("super", runs_later=True))

    def visit_ScopedEvalContextModifier(self, node: nodes.Node, _scope: _Scope) -> None:
        raise self.unit.problem(
            "`autoescape` has no place in a prompt: nothing is escaped. Escape a value with `| e`.", node.lineno
        )

    # -- other files --------------------------------------------------------------------------------------------------

    def visit_Include(self, node: nodes.Include, scope: _Scope) -> None:
        self.follow(node, scope, "include", with_context=bool(node.with_context))

    def visit_Import(self, node: nodes.Import, scope: _Scope) -> None:
        self.follow(node, scope, "import", with_context=bool(node.with_context))
        scope.names[node.target] = True

    def visit_FromImport(self, node: nodes.FromImport, scope: _Scope) -> None:
        self.follow(node, scope, "import", with_context=bool(node.with_context))
        for name in node.names:
            scope.names[name if isinstance(name, str) else name[1]] = True

    def visit_Extends(self, node: nodes.Extends, _scope: _Scope) -> None:
        self.parents.append(node)

    def follow(
        self,
        node: nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends,
        scope: _Scope,
        tag: str,
        *,
        with_context: bool,
        overridden: frozenset[str] = frozenset(),
    ) -> None:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not isinstance(name, str):
            raise self.unit.problem(f"`{tag}` needs the name of one file as plain text in quotes.", node.lineno)
        if name not in self.found.units:
            if len(self.found.units) >= _MOST_FILES:
                raise self.unit.problem(f"More than {_MOST_FILES} template files are used.", node.lineno)
            self.found.units[name] = self.load(name, self.unit, node.template.lineno)
        if with_context:
            self.walk_file(name, scope.child("self"), overridden)
            return
        if name not in self.found.alone:
            self.found.alone.add(name)
            self.check_alone(name, node.template.lineno)

    def walk_file(self, name: str, scope: _Scope, overridden: frozenset[str]) -> None:
        key = (name, frozenset(scope.names.items()), scope.guarded, overridden)
        if key not in self.found.walked:
            self.found.walked.add(key)
            _Walker(self.found.units[name], self.environment, self.load, self.found).walk(scope, overridden)

    def check_alone(self, name: str, offset: int) -> None:
        """Raise where a file that is given no variables uses one."""
        inner = Found(units=self.found.units, alone=self.found.alone)
        _Walker(inner.units[name], self.environment, self.load, inner).walk(_Scope({"self": True}), frozenset())
        unseen = next((use for use in inner.references if not use.optional or use.through_row), None)
        if unseen is not None:
            where = f"(line {unseen.line} of {unseen.template})"
            message = f"`{name}` uses `{unseen.name}` {where}, which it is not given. Add `with context`."
            raise self.unit.problem(message, offset)

    # -- expressions --------------------------------------------------------------------------------------------------

    def visit_Name(self, node: nodes.Name, scope: _Scope, optional: bool = False) -> None:
        if node.name == "self" and not any(self.unit.tree.find(kind) for kind in (nodes.Block, nodes.Extends)):
            message = "`self` stands for a template's blocks in Jinja, so no variable can have that name. Rename it"
            raise self.unit.problem(f'{message}, or write `{{{{ {ROW}["self"] }}}}`.', node.lineno)
        if node.name == ROW and ROW not in scope.names:
            self.found.uses_row = self.found.uses_whole_row = True
            self.record(ROW, node.lineno, scope, optional=True, through_row=True)
        elif scope.names.get(node.name) is not True:
            self.record(node.name, node.lineno, scope, optional=optional)

    def visit_Getattr(self, node: nodes.Getattr, scope: _Scope, optional: bool = False) -> None:
        if not self.is_row(node.node, scope):
            self.visit(node.node, scope)
            return
        offset = self.unit.positions.after_space(node.lineno + 1)
        self.record(node.attr, offset, scope, optional=optional, through_row=True)

    def visit_Getitem(self, node: nodes.Getitem, scope: _Scope, optional: bool = False) -> None:
        key = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if not (isinstance(key, str) and self.is_row(node.node, scope)):
            self.visit(node.node, scope)
            self.visit(node.arg, scope)
            return
        self.record(key, node.arg.lineno, scope, optional=optional, through_row=True)

    def visit_Filter(self, node: nodes.Filter, scope: _Scope) -> None:
        self.check_name("filter", node.name, self.environment.filters, node.lineno)
        if node.node is not None:
            self.visit_subject(node.node, scope, optional=node.name in {"default", "d"})
        self.arguments(node, scope)

    def visit_Test(self, node: nodes.Test, scope: _Scope) -> None:
        self.check_name("test", node.name, self.environment.tests, node.lineno)
        self.visit_subject(node.node, scope, optional=node.name in {"defined", "undefined"})
        self.arguments(node, scope)

    def visit_Call(self, node: nodes.Call, scope: _Scope) -> None:
        callee = node.node
        if isinstance(callee, nodes.Name) and callee.name in GLOBALS and callee.name not in scope.names:
            pass  # range(...) and its like
        elif isinstance(callee, nodes.Getattr) and callee.attr in _ROW_METHODS and self.is_row(callee.node, scope):
            key = node.args[0] if node.args else None
            if callee.attr == "get" and isinstance(key, nodes.Const) and isinstance(key.value, str):
                self.record(key.value, key.lineno, scope, optional=True, through_row=True)
            else:
                self.visit(callee.node, scope)
        else:
            self.visit(callee, scope)
        self.arguments(node, scope)

    def visit_CondExpr(self, node: nodes.CondExpr, scope: _Scope) -> None:
        self.visit(node.test, scope)
        if_true, if_false = _guards(node.test)
        self.visit(node.expr1, scope.child(guarded=if_true))
        if node.expr2 is not None:
            self.visit(node.expr2, scope.child(guarded=if_false))

    def visit_And(self, node: nodes.And, scope: _Scope) -> None:
        self.visit(node.left, scope)
        self.visit(node.right, scope.child(guarded=_guards(node.left)[0]))

    def visit_Or(self, node: nodes.Or, scope: _Scope) -> None:
        self.visit(node.left, scope)
        self.visit(node.right, scope.child(guarded=_guards(node.left)[1]))

    def visit_NSRef(self, node: nodes.NSRef, scope: _Scope) -> None:
        if scope.names.get(node.name) is not True:
            self.record(node.name, node.lineno, scope)

    # -- parts --------------------------------------------------------------------------------------------------------

    def visit_subject(self, node: nodes.Node, scope: _Scope, *, optional: bool) -> None:
        """Visit what a filter or test is applied to."""
        if isinstance(node, nodes.Name):
            self.visit_Name(node, scope, optional)
        elif isinstance(node, nodes.Getattr):
            self.visit_Getattr(node, scope, optional)
        elif isinstance(node, nodes.Getitem):
            self.visit_Getitem(node, scope, optional)
        else:
            self.visit(node, scope)

    def arguments(self, node: nodes.Filter | nodes.Test | nodes.Call, scope: _Scope) -> None:
        self.statements(node.args, scope)
        self.statements(node.kwargs, scope)
        self.statements([extra for extra in (node.dyn_args, node.dyn_kwargs) if extra is not None], scope)

    def store(self, target: nodes.Node, scope: _Scope) -> None:
        for part in target.find_all(nodes.NSRef) if not isinstance(target, nodes.NSRef) else [target]:
            self.visit(part, scope)
        scope.names.update(dict.fromkeys(_stored(target), True))

    def is_row(self, node: nodes.Node, scope: _Scope) -> bool:
        return isinstance(node, nodes.Name) and node.name == ROW and ROW not in scope.names

    def record(
        self, name: str, offset: int, scope: _Scope, *, optional: bool = False, through_row: bool = False
    ) -> None:
        self.found.uses_row |= through_row
        optional = optional or name in scope.guarded or (not through_row and scope.names.get(name) is False)
        if scope.runs_later and not through_row:
            self.pending.append(len(self.found.references))
        line, column = self.unit.positions.line_and_column(offset)
        self.found.references.append(Reference(name, line, column, optional, self.unit.name, through_row))

    def check_name(self, kind: str, name: str, table: dict[str, Any], offset: int) -> None:
        if name in table and " " not in name:
            return
        hint = did_you_mean(name, [known for known in table if known.isidentifier()])
        if kind == "filter" and name in REFUSED_FILTERS:
            hint = f"Prompts do not have it: {REFUSED_FILTERS[name]}."
        raise self.unit.problem(f"Unknown {kind} `{name}`. {hint}".rstrip(), offset)


def _stored(target: nodes.Node) -> list[str]:
    """Return the names that an assignment to `target` sets."""
    if isinstance(target, nodes.Name):
        return [target.name]
    return [name.name for name in target.find_all(nodes.Name)]


def _calls_super(block: nodes.Block) -> bool:
    return any(name.name in {"super", "self"} for name in block.find_all(nodes.Name))


def _guards(test: nodes.Node) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables that surely exist where `test` is true, and where it is false."""
    if isinstance(test, nodes.Test) and test.name in {"defined", "undefined"}:
        name = _variable(test.node)
        names = frozenset({name}) if name is not None else frozenset()
        return (names, frozenset()) if test.name == "defined" else (frozenset(), names)
    if isinstance(test, nodes.Not):
        if_true, if_false = _guards(test.node)
        return if_false, if_true
    if isinstance(test, (nodes.And, nodes.Or)):
        (true_1, false_1), (true_2, false_2) = _guards(test.left), _guards(test.right)
        if isinstance(test, nodes.And):
            return true_1 | true_2, false_1 & false_2
        return true_1 & true_2, false_1 | false_2
    return frozenset(), frozenset()


def _variable(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == ROW:
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == ROW:
        return node.arg.value if isinstance(node.arg, nodes.Const) else None
    return None
