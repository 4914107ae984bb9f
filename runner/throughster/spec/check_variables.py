"""The variables of the templates, held against what every row will have."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem
from throughster.names import did_you_mean, nearest
from throughster.prompts import PromptTemplate
from throughster.spec.check_templates import problem_in_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from throughster.inputs import Scan
    from throughster.prompts import MessageTemplate, Reference
    from throughster.spec.model import Spec
    from throughster.yamltree import Document, Path

__all__ = ["check_variables"]

_MOST_TOLD = 100  # problems of one kind: who has more of them mends the first


def check_variables(
    spec: Spec,
    document: Document,
    messages: Sequence[tuple[MessageTemplate, Path]],
    scan: Scan | None,
    given: Mapping[str, Any],
    *,
    own_data: bool,
    is_whole: bool,
) -> list[Problem]:
    """Undefined variables are errors, with position and nearest name; values that nothing uses are warnings.

    `messages`: with their places in the spec. `given`: variables from outside the spec. `own_data`: whether the rows
    are the spec's own. `is_whole`: whether these are all messages. Where the data has problems of its own, only names
    that resemble a known one are told: the others may stand in it.
    """
    prompt = PromptTemplate(tuple(message for message, _ in messages))
    columns = tuple(scan.columns) if scan else ()
    common = scan.common if scan else frozenset()
    defaults = {name for name, declared in spec.inputs.items() if declared.has_default}
    always = {*defaults, *spec.vars, *spec.matrix, *given, *common}
    known = {*always, *columns, *spec.inputs}
    has_data = spec.data is not None or not own_data
    is_unknown = has_data and (scan is None or any(p.severity == "error" for p in scan.problems))
    problems = list(_undefined(spec, document, messages, scan, always, known, only_misspelt=is_unknown))
    if is_whole and not is_unknown:
        problems += _unused_options(given, prompt, known - set(given))
    if is_whole:
        problems += _unused(spec, document, prompt, columns if own_data else ())
    return problems


def _undefined(
    spec: Spec,
    document: Document,
    messages: Sequence[tuple[MessageTemplate, Path]],
    scan: Scan | None,
    always: set[str],
    known: set[str],
    *,
    only_misspelt: bool,
) -> Iterable[Problem]:
    for message, path in messages:
        seen: set[str] = set()
        for use in message.template.references:
            if use.optional or _variable(use, always) in always or use.name in seen:
                continue
            seen.add(use.name)
            if len(seen) > _MOST_TOLD:
                return
            if only_misspelt and nearest(use.name, known - {use.name}) is None:
                continue
            text, hint = _missing(use.name, spec, scan, known)
            source = message.template.source if use.template == message.template.name else ""
            yield problem_in_template(document, path, source, use.template, use.line, use.column, text, hint, use.name)


def _missing(name: str, spec: Spec, scan: Scan | None, known: set[str]) -> tuple[str, str]:
    if scan is not None and name in scan.columns:
        return f"`{name}` is missing in some rows, first at {scan.missing[name]}.", (
            f"Give it a default in `inputs`, or write {{{{ {name} | default('...') }}}}."
        )
    if name in spec.inputs:
        return f"`{name}` has no value: it is declared in `inputs`, but no row, `vars` or default gives one.", ""
    hint = did_you_mean(name, known - {name})
    if not hint:
        names = ", ".join(f"`{n}`" for n in sorted(known)[:12])
        hint = f"Rows have {names}." if known else "The spec has no `data`, `vars`, `matrix` or `inputs`."
    return f"`{name}` is undefined: no column, `vars`, `matrix` or `inputs` has it.", hint


def _variable(use: Reference, always: set[str]) -> str:
    return "row" if use.through_row and "row" in always else use.name


def _unused(spec: Spec, document: Document, prompt: PromptTemplate, columns: tuple[str, ...]) -> Iterable[Problem]:
    if prompt.uses_whole_row:
        return
    used = {use.name for use in prompt.references}
    for place, names in (("inputs", spec.inputs), ("vars", spec.vars), ("matrix", spec.matrix)):
        for name in islice((name for name in names if name not in used), _MOST_TOLD):
            hint = did_you_mean(name, used)
            yield document.problem((place, name), f"No template uses `{name}`.", hint, key=True, severity="warning")
    idle = [name for name in columns if name not in used]
    if idle:
        listed = ", ".join(f"`{name}`" for name in idle[:8]) + (" and more" if len(idle) > 8 else "")
        text = f"No template uses the data's {'column' if len(idle) == 1 else 'columns'} {listed}."
        yield document.problem(("data",), text, severity="warning")


def _unused_options(given: Mapping[str, Any], prompt: PromptTemplate, known: set[str]) -> Iterable[Problem]:
    used = {use.name for use in prompt.references}
    for name in given:
        if name not in used and name not in known and not prompt.uses_whole_row:
            message = f"--var {name}: no template uses it, and no row has it. {did_you_mean(name, used)}".rstrip()
            yield Problem("", 0, 0, message)
