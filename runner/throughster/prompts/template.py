"""A template, compiled once: checked, its variables known, rendered many times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from throughster.characters import not_utf8
from throughster.errors import RequestError
from throughster.names import did_you_mean
from throughster.paths import PathProblem, read_bounded, resolve_inside
from throughster.prompts import budget
from throughster.prompts.filters import COMPARE, CONCAT, KEY, LOOP, SLICE, SPEND
from throughster.prompts.positions import Positions
from throughster.prompts.references import Found, find_references
from throughster.prompts.sandbox import Sandbox
from throughster.prompts.text import text_of
from throughster.prompts.unit import ROW, Reference, TemplateProblem, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["MOST_BYTES", "PromptError", "Template", "compile_template"]

_LONGEST_SOURCE = 1_000_000
MOST_BYTES = 4 * _LONGEST_SOURCE
"""Of a file with a template."""
_LONGEST_REASON = 500
_MOST_TAGS = 5_000
_MOST_PARTS = 15_000  # compiled in about a second
_TOO_LONG = f"the prompt would be longer than {budget.LONGEST_TEXT:,} characters"
_SANDBOX = Sandbox()
_UNKNOWN_TAG = re.compile(r"Encountered unknown tag '(\w+)'\.")
_TAGS = (
    *("for", "endfor", "if", "elif", "else", "endif", "set", "endset", "with", "endwith", "macro", "endmacro"),
    *("call", "endcall", "filter", "endfilter", "block", "endblock", "include", "import", "from", "extends", "raw"),
)


class PromptError(RequestError):
    """A prompt that could not be rendered with these values. `template`, `line` (from 1, 0: unknown), `reason`."""

    def __init__(self, reason: str, *, template: str, line: int = 0) -> None:
        super().__init__(f"{template}{f', line {line}' if line else ''}: {reason}")
        self.reason = reason
        self.template = template
        self.line = line


class Template:
    """A compiled template. Made by `compile_template`; it pickles as its source."""

    __slots__ = (
        "_compiled", "_files", "_parts", "_uses_row", "included", "name", "references", "source", "uses_whole_row",
    )  # fmt: skip

    def __init__(
        self, source: str, files: tuple[Path | None, Path | None], unit: Unit, found: Found, compiled: jinja2.Template
    ) -> None:
        self.name = unit.name
        self.source = source
        self.references: tuple[Reference, ...] = tuple(found.references)
        """Every use of an outer variable, in the template and the files it includes."""
        self.uses_whole_row = found.uses_whole_row
        """Whether `row` is used as a value, so that any variable may be used."""
        self.included = {name: included.positions.text for name, included in found.units.items()}
        """The texts of the files that it includes, by name."""
        self._files = files
        self._compiled = compiled
        self._uses_row = found.uses_row
        self._parts = _plain_parts(unit.tree)

    def __reduce__(self) -> tuple[Any, ...]:
        return _recompile, (self.source, self.name, *self._files)

    def __repr__(self) -> str:
        return f"Template({self.name!r}, {self.source[:60]!r})"

    @property
    def is_static(self) -> bool:
        """Whether the template is plain text: nothing depends on values."""
        return self._parts is not None and all(is_text for is_text, _part in self._parts)

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text. Raises `PromptError`, and nothing else, where the values do not fit the template."""
        try:
            if self._parts is not None:
                return _join_parts(self._parts, values)
            return self._render_compiled(values)
        except Exception as error:  # noqa: BLE001 - whatever a template does, it is one row's error
            raise self._problem(error, values) from None

    def _render_compiled(self, values: Mapping[str, Any]) -> str:
        given = dict(values)
        if self._uses_row and ROW not in given:
            given[ROW] = dict(values)
        token = budget.start()
        try:
            pieces, size = [], 0
            for piece in self._compiled.root_render_func(self._compiled.new_context(given)):
                size += len(piece)
                if size > budget.LONGEST_TEXT:
                    raise jinja2.TemplateRuntimeError(_TOO_LONG)
                pieces.append(piece)
            return "".join(pieces)
        finally:
            budget.end(token)

    def _problem(self, error: Exception, values: Mapping[str, Any]) -> PromptError:
        if isinstance(error, KeyError) and self._parts is not None:
            missing = next(use for use in self.references if use.name not in values)
            return PromptError(f"`{missing.name}` is undefined", template=self.name, line=missing.line)
        name, line = _innermost_template(error.__traceback__)
        return PromptError(_reason(error), template=name or self.name, line=line)


def compile_template(source: str, *, name: str, root: Path | None = None, base: Path | None = None) -> Template:
    """Compile `source`, a Jinja2 template that messages call `name`.

    `{% include "file" %}` and its like read files inside `root`, named as seen from `base` (by default `root`); without
    `root` they are refused. Nothing of the template is evaluated. Raises `TemplateProblem` with the position of the
    first thing that is wrong.
    """
    if len(source) > _LONGEST_SOURCE:
        message = f"The template has {len(source):,} characters; at most {_LONGEST_SOURCE:,} are allowed."
        raise TemplateProblem(message, line=1, column=1, template=name)
    unit = _parse(source, name)

    def load(file: str, by: Unit, offset: int) -> Unit:
        return _load_file(root, base or root, file, by, offset)

    try:
        found = find_references(unit, _SANDBOX, load)
        environment = _SANDBOX
        if found.units:
            loader = _Loader()
            environment = _SANDBOX.overlay(loader=loader)
            environment.prices = {file: _cost(included.tree.body) for file, included in found.units.items()}
            loader.templates = {file: _build(included, environment) for file, included in found.units.items()}
        return Template(source, (root, base), unit, found, _build(unit, environment))
    except RecursionError:
        raise unit.problem("The template is nested too deeply.", 0) from None


def _recompile(source: str, name: str, root: Path | None, base: Path | None) -> Template:
    return compile_template(source, name=name, root=root, base=base)


def _parse(source: str, name: str) -> Unit:
    positions = Positions(source)
    tags = sum(source.count(tag) for tag in ("{{", "{%", "{#"))
    if tags > _MOST_TAGS:
        message = f"The template has {tags:,} tags; at most {_MOST_TAGS:,} are allowed."
        raise TemplateProblem(message, line=1, column=1, template=name)
    try:
        unit = Unit(name, _SANDBOX._parse(source, name, None), positions)  # noqa: SLF001 - `parse` rewrites the error
    except jinja2.TemplateSyntaxError as error:
        line, column = positions.line_and_column(min(error.lineno, len(positions.text)))
        message = _syntax_message(error.message or "The template cannot be read")
        raise TemplateProblem(message, line=line, column=column, template=name) from None
    except RecursionError:
        raise TemplateProblem("The template is nested too deeply.", line=1, column=1, template=name) from None
    except (ValueError, OverflowError, MemoryError) as error:  # a number of thousands of digits
        raise TemplateProblem(_sentence(_reason(error)), line=1, column=1, template=name) from None
    try:
        parts = sum(1 for _ in unit.tree.find_all(nodes.Node))
    except RecursionError:
        raise TemplateProblem("The template is nested too deeply.", line=1, column=1, template=name) from None
    if parts > _MOST_PARTS:
        message = f"The template has {parts:,} parts (values, operators, tags); at most {_MOST_PARTS:,} are allowed."
        raise TemplateProblem(message, line=1, column=1, template=name)
    return unit


def _load_file(root: Path | None, base: Path | None, file: str, by: Unit, offset: int) -> Unit:
    if root is None or base is None:
        raise by.problem(f"`{file}` cannot be read here: only templates of a spec may use other files.", offset)
    try:
        source = read_bounded(resolve_inside(root, base, file), MOST_BYTES).decode("utf-8-sig")
    except PathProblem as problem:
        raise by.problem(str(problem), offset) from None
    except UnicodeDecodeError as error:
        raise by.problem(f"`{file}` cannot be read. {not_utf8(error)}", offset) from None
    except OSError as error:
        raise by.problem(f"`{file}` cannot be read: {error.strerror or error}.", offset) from None
    if len(source) > _LONGEST_SOURCE:
        raise by.problem(f"`{file}` has more than {_LONGEST_SOURCE:,} characters.", offset)
    return _parse(source, file)


class _Loader(jinja2.BaseLoader):
    """The included files, compiled already."""

    def __init__(self) -> None:
        self.templates: dict[str, jinja2.Template] = {}

    def load(
        self,
        environment: jinja2.Environment,  # noqa: ARG002 - Jinja's signature
        name: str,
        globals: Any = None,  # noqa: A002, ARG002 - Jinja's signature
    ) -> jinja2.Template:
        if name not in self.templates:
            raise jinja2.TemplateNotFound(name)
        return self.templates[name]


class _Guard(NodeTransformer):
    """Puts bounds where Jinja offers no hook: around what loops run over, and in place of `~`.

    An inline `if` without `else` gives nothing where Jinja would give an undefined value, which printing refuses.
    """

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named after Jinja's nodes
        cost = budget.LOOP_COST + _cost(node.body)
        self.generic_visit(node)
        values: Any = node.iter
        node.iter = _filtered(values, LOOP, cost)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._spending(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._spending(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        return self._spending(node)

    def _spending(self, node: nodes.Macro | nodes.CallBlock | nodes.Block) -> nodes.Node:
        """A body that runs when it is called: its first statement pays for it."""
        cost = _cost(node.body)
        self.generic_visit(node)
        paid = _filtered(nodes.Const("", lineno=node.lineno), SPEND, cost)
        node.body.insert(0, nodes.ExprStmt(paid, lineno=node.lineno))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """`a < b < c` is `a < b and b < c`. What is compared with a short constant costs nothing to speak of."""
        self.generic_visit(node)
        sides: list[nodes.Expr] = [node.expr, *(operand.expr for operand in node.ops)]
        if all(_is_cheap(a, operand) for a, operand in zip(sides, node.ops, strict=False)):
            return node
        pairs: list[nodes.Expr] = []
        for left, operand in zip(sides, node.ops, strict=False):
            both = nodes.List([left, operand.expr], lineno=node.lineno)
            pairs.append(_filtered(both, COMPARE, operand.op))
        whole: nodes.Expr = pairs[0]
        for pair in pairs[1:]:
            whole = nodes.And(whole, pair, lineno=node.lineno)
        return whole

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Jinja lets Python slice, without asking the sandbox."""
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        none = nodes.Const(None, lineno=node.lineno)
        limits = [limit or none for limit in (node.arg.start, node.arg.stop, node.arg.step)]
        return nodes.Filter(node.node, SLICE, limits, [], None, None, lineno=node.lineno)

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.key, nodes.Const):
            node.key = _filtered(node.key, KEY)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        return self._arguments(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        return self._arguments(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        return self._arguments(node)

    def _arguments(self, node: nodes.Call | nodes.Filter | nodes.Test) -> nodes.Node:
        """`*values` are arguments before anybody is called."""
        self.generic_visit(node)
        if node.dyn_args is not None:
            node.dyn_args = _filtered(node.dyn_args, LOOP, budget.LOOP_COST)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802
        """`{{ ", " if not loop.last }}` says what it wants: nothing otherwise."""
        self.generic_visit(node)
        if node.expr2 is None:
            node.expr2 = nodes.Const("", lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        operands = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(operands, CONCAT, [], [], None, None, lineno=node.lineno)


_OF_CONSTANTS = (nodes.Const, nodes.List, nodes.Tuple, nodes.Operand)


def _is_cheap(left: nodes.Node, operand: nodes.Operand) -> bool:
    """Whether a comparison is bounded by constants: `==` by either side, `in` by what is searched."""
    if operand.op in ("in", "notin"):
        return _is_constant(operand.expr) and not isinstance(operand.expr, nodes.Const)
    return _is_constant(left) or _is_constant(operand.expr)


def _is_constant(node: nodes.Node) -> bool:
    return isinstance(node, _OF_CONSTANTS) and all(isinstance(part, nodes.Const) for part in node.iter_child_nodes())


def _filtered(node: nodes.Expr, name: str, *constants: Any) -> nodes.Filter:
    values: list[nodes.Expr] = [nodes.Const(value, lineno=node.lineno) for value in constants]
    return nodes.Filter(node, name, values, [], None, None, lineno=node.lineno)


def _cost(body: list[nodes.Node]) -> int:
    """Of running these statements once: their texts, and the parts of their tree."""
    texts = sum(len(data.data) for part in body for data in _all(part, nodes.TemplateData))
    return texts + budget.NODE_COST * sum(len(_all(part, nodes.Node)) for part in body)


def _build(unit: Unit, environment: jinja2.Environment) -> jinja2.Template:
    """Make the template that runs. Consumes the unit's tree, so each unit is built once."""
    tree = unit.tree
    for node in (tree, *_all(tree, nodes.Node)):
        if node.lineno is not None:  # Jinja leaves it out of a comparison's operands
            node.lineno = unit.positions.line(node.lineno)
    tree = _Guard().visit(tree)
    tree.set_environment(environment)
    try:
        code = environment.compile(tree, unit.name, unit.name)
    except jinja2.TemplateSyntaxError as error:
        message = _sentence(error.message or "")
        raise TemplateProblem(message, line=error.lineno, column=1, template=unit.name) from None
    except SyntaxError as error:  # CPython's own limit
        message = f"The template is nested too deeply ({error.msg})."
        raise TemplateProblem(message, line=1, column=1, template=unit.name) from None
    except (ValueError, OverflowError, MemoryError) as error:
        message = f"The template is too long ({_reason(error)})."
        raise TemplateProblem(message, line=1, column=1, template=unit.name) from None
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _all(node: nodes.Node, kind: Any) -> list[Any]:
    found = list(node.find_all(kind))
    return [node, *found] if isinstance(node, kind) else found


def _plain_parts(tree: nodes.Template) -> tuple[tuple[bool, str], ...] | None:
    """Return (is text, text or variable) for a template of nothing but text and `{{ variable }}`, else None."""
    parts: list[tuple[bool, str]] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append((True, node.data))
            elif isinstance(node, nodes.Name) and node.name not in {ROW, "self", *_SANDBOX.globals}:
                parts.append((False, node.name))
            else:
                return None
    return tuple(parts)


def _join_parts(parts: tuple[tuple[bool, str], ...], values: Mapping[str, Any]) -> str:
    text = "".join([part if is_text else text_of(values[part]) for is_text, part in parts])
    if len(text) > budget.LONGEST_TEXT:
        raise jinja2.TemplateRuntimeError(_TOO_LONG)
    return text


def _innermost_template(traceback: TracebackType | None) -> tuple[str, int]:
    """Return the name and line of the template that was running; Jinja marks its frames with the template."""
    name, line = "", 0
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            name, line = template.name, template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return name, line


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the template, or the data, is nested too deeply"
    if isinstance(error, MemoryError):
        return "the template needs more memory than there is"
    return (str(error) or type(error).__name__)[:_LONGEST_REASON]


_OF_OTHER_TEXT = ("expected token 'end of print statement'", "Missing end of", "Expected an expression")
_RAW = " Braces that are no template, as in JSON or LaTeX, go between {% raw %} and {% endraw %}."


def _syntax_message(message: str) -> str:
    """Say Jinja's message in words that help."""
    if message.startswith("unexpected char"):
        character = message.removeprefix("unexpected char ").rpartition(" at ")[0]
        unclosed = " Is a text in quotes not closed?" if character in {repr("'"), repr('"')} else ""
        return f"Unexpected character {character}.{unclosed or _RAW}"
    tag = _UNKNOWN_TAG.match(message)
    if tag and tag[1] in _TAGS:
        return f"`{tag[1]}` has nothing to belong to here."
    if tag:
        hint = did_you_mean(tag[1], _TAGS)
        return f"Unknown tag `{tag[1]}`. {hint}".rstrip() + message[tag.end() :] + ("" if hint else _RAW)
    return _sentence(message) + (_RAW if message.startswith(_OF_OTHER_TEXT) else "")


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."
