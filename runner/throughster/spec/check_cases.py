"""The cases of a spec with their checks compiled, and everything that would let one pass, or fail, by mistake."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem
from throughster.names import did_you_mean, is_slip
from throughster.paths import PathProblem, resolve_inside
from throughster.schema import SchemaProblem, load_schema
from throughster.spec.cases import SPECIAL_COLUMNS, CaseSource, WrittenCase, read_cases
from throughster.spec.model import DefaultTestSpec, TestSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from throughster.checks import Check
    from throughster.prompts import PromptTemplate
    from throughster.spec.model import CheckSpec, Spec
    from throughster.yamltree import Document

__all__ = ["CheckedCase", "case_source", "check_cases", "check_columns", "check_misplaced"]

_SHARED_KEYS = frozenset(field.alias or name for name, field in DefaultTestSpec.model_fields.items())
_TEST_KEYS = frozenset(field.alias or name for name, field in TestSpec.model_fields.items())
_ALL_VARS = re.compile(r"\bvars\b(?!\s*(?:\.|\[\s*[\"']))")
_NEEDS = {
    "grader": ("asks a judge, and the spec has none.", "Add `grader: {provider: ...}`."),
    "embeddings": ("asks a judge for embeddings, and the spec has none.", "Add `grader: {provider: ...}`."),
    "stream": ("needs streamed answers.", "Add `stream: true`."),
    "price": ("needs the price of every provider.", "Add `price: {input: ..., output: ...}` to the provider."),
    "rivals": ("compares the answers of several providers, and there is one.", "Name several under `providers:`."),
}


@dataclass(frozen=True)
class CheckedCase:
    """A case with the checks that its answers must pass: those of `default_test`, then its own.

    `entries`: the same as they were written; `schemas`: those that they name by a path. `threshold`: the weighted score
    that they must reach together.
    """

    written: WrittenCase
    checks: tuple[Check, ...]
    entries: tuple[Mapping[str, Any], ...] = ()
    threshold: float | None = None
    schemas: tuple[Any, ...] = ()


def case_source(spec: Spec, cases: Sequence[CheckedCase]) -> CaseSource:
    """The cases' variables as rows."""
    return CaseSource(tuple(case.written for case in cases), dict(spec.default_test.vars), spec.name)


def check_cases(
    spec: Spec, document: Document, base: Path, root: Path, given: Mapping[str, Any]
) -> tuple[tuple[CheckedCase, ...], list[Problem]]:
    """`given`: variables from outside the spec, which every case has."""
    from throughster.checks import compile_checks  # what only a spec with tests needs

    written, found = read_cases(spec, document, base, root)
    problems = list(found)
    lacking = _lacking(spec)
    shared, issues = compile_checks(_entries(spec.default_test.checks), base=base, root=root)
    for issue in issues:
        at = ("default_test", "assert", *issue.at)
        problems.append(document.problem(at, issue.message, issue.hint, key=issue.at_key, severity=issue.severity))
    for check in shared:
        for message, hint in _unmet(check, lacking):
            problems.append(document.problem(("default_test", "assert", check.index, "type"), message, hint))
    cases = []
    for case in written:
        checks, issues = compile_checks(_entries(case.test.checks), base=base, root=root)
        for issue in issues:
            problem = case.problem(("assert", *issue.at), issue.message, issue.hint, key=issue.at_key)
            problems.append(problem if issue.severity == "error" else _as_warning(problem))
        if not case.test.checks and not spec.default_test.checks:
            hint = "Add `assert: [...]`." if case.table is None else "Write one into a column `__expected`."
            problems.append(case.problem((), "This test has no check, so it could not fail.", hint))
        elif not any(check.weight > 0 for check in (*shared, *checks)) and not issues:
            problems.append(case.problem((), "No check of this test has a weight, so none could pass."))
        for check in checks:
            problems += [case.problem(("assert", check.index, "type"), *words) for words in _unmet(check, lacking)]
        known = {*spec.inputs, *spec.vars, *spec.matrix, *spec.default_test.vars, *given, *case.test.vars}
        problems += _undefined(case, checks, known, ("assert",))
        problems += _undefined(case, shared, known, ())
        entries = (*_entries(spec.default_test.checks), *_entries(case.test.checks))
        threshold = spec.default_test.threshold if case.test.threshold is None else case.test.threshold
        problems += _reached_by_all(spec, document, case)
        schemas = () if issues else tuple(_schemas(entries, base, root))
        cases.append(CheckedCase(case, (*shared, *checks), entries, threshold, schemas))
    problems += _twice(cases)
    needs = {need for case in cases for check in case.checks for need in check.needs}
    if spec.grader is not None and not problems and not needs & {"grader", "embeddings"}:
        problems.append(document.problem(("grader",), "No check asks the `grader`.", key=True, severity="warning"))
    return tuple(cases), list(dict.fromkeys(problems))


def _entries(checks: Sequence[CheckSpec]) -> list[dict[str, Any]]:
    """The fields that were written: a null value is a value."""
    return [{name: getattr(check, name) for name in check.model_fields_set} for check in checks]


def _schemas(entries: Iterable[Mapping[str, Any]], base: Path, root: Path) -> Iterator[Any]:
    """The schemas in files that these entries name: with a change of one, something else is checked."""
    for entry in entries:
        value = entry.get("value")
        if isinstance(value, list):
            yield from _schemas((child for child in value if isinstance(child, dict)), base, root)
        elif isinstance(value, str) and str(entry.get("type")).removeprefix("not-") in ("is-json", "json-schema"):
            try:
                yield load_schema(resolve_inside(root, base, value), root=root).schema
            except (PathProblem, SchemaProblem):
                yield None  # a template; or it is told elsewhere


def _lacking(spec: Spec) -> frozenset[str]:
    """What checks may need, and this spec does not have."""
    has = {
        "grader": spec.grader is not None,
        "embeddings": spec.grader is not None,
        "stream": spec.stream,
        "price": all(provider.price is not None for provider in spec.each_provider),
        "rivals": len(spec.each_provider) > 1,
    }
    return frozenset(name for name, there in has.items() if not there)


def _unmet(check: Check, lacking: frozenset[str]) -> Iterator[tuple[str, str]]:
    for need in sorted(check.needs & lacking):
        words, hint = _NEEDS[need]
        yield f"`{check.type}` {words}", hint


def _reached_by_all(spec: Spec, document: Document, case: WrittenCase) -> Iterator[Problem]:
    """A threshold of 0 is a warning, as that of a check: suites of other tools have it."""
    from throughster.checks.verdict import ROUNDING

    message = "Every answer reaches `threshold: 0`, so that no check can fail the test."
    own, shared = case.test.threshold, spec.default_test.threshold
    if own is not None and own <= ROUNDING:
        yield _as_warning(case.problem(("threshold",), message, "Raise it, or remove it."))
    elif own is None and shared is not None and shared <= ROUNDING:
        at = ("default_test", "threshold")
        yield document.problem(at, message.replace("the test", "a test"), "Raise it, or remove it.", severity="warning")


def _undefined(
    case: WrittenCase, checks: Sequence[Check], known: set[str], below: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Variables in checks that the case does not have; of shared checks (`below` is empty) told at the case."""
    for check in checks:
        for use in check.uses:
            name = use.reference.name
            if use.reference.optional or name in known:
                continue
            hint = did_you_mean(name, known) or f"This case has {', '.join(sorted(known)) or 'no variables'}."
            at = (*below, check.index, *use.at) if below else ()
            yield case.problem(at, f"`{name}` is undefined in the value of `{check.type}`.", hint)


def check_misplaced(
    spec: Spec, document: Document, cases: Sequence[CheckedCase], prompt: PromptTemplate
) -> Iterator[Problem]:
    """Keys of a test that stand among its variables, where nothing uses them: one step too far to the right."""
    if prompt.uses_whole_row or any(_sees_all(entry) for case in cases for entry in case.entries):
        return
    used = _used(spec, cases, prompt)
    for name in spec.default_test.vars:
        if name in _SHARED_KEYS and name not in used:
            yield document.problem(("default_test", "vars", name), *_misplaced(name), key=True, severity="warning")
    for case in cases:
        for name in case.written.test.vars if case.written.table is None else ():
            if name in _TEST_KEYS and name not in used:
                yield _as_warning(case.written.problem(("vars", name), *_misplaced(name), key=True))


def _misplaced(name: str) -> tuple[str, str]:
    message = f"`{name}` is a variable here, which no template or check uses."
    return message, "As a key of the test it stands beside `vars`, not under it."


def _used(spec: Spec, cases: Sequence[CheckedCase], prompt: PromptTemplate) -> set[str]:
    """The variables that something uses."""
    checks = [check for case in cases for check in case.checks]
    used = {use.name for use in prompt.references} | {use.reference.name for check in checks for use in check.uses}
    return used | (set(spec.gate.groups) if spec.gate is not None else set()) | set(spec.inputs)


def check_columns(spec: Spec, cases: Sequence[CheckedCase], prompt: PromptTemplate) -> Iterator[Problem]:
    """Columns of a table of cases that nothing uses: a warning, and an error for what was to hold checks."""
    table = cases[0].written.table if cases else None
    if table is None or prompt.uses_whole_row or any(_sees_all(entry) for case in cases for entry in case.entries):
        return
    used = _used(spec, cases, prompt)
    if "row" in used:
        return
    special = {name.strip("_"): name for name in SPECIAL_COLUMNS}
    for column in cases[0].written.test.vars:
        if column in used:
            continue
        plain = column.strip("_ ").rstrip("0123456789")
        place = (table.name, *table.place(0, column))
        if is_slip(plain, "expected"):
            message = f"The column `{column}` holds no checks, and no template or check uses it."
            yield Problem(*place, message, "Did you mean `__expected`?")
            continue
        meant = special.get(plain) if column.startswith("_") else None
        hint = f"Did you mean `{meant}`?" if meant else did_you_mean(column, used)
        yield Problem(*place, f"No template or check uses the column `{column}`.", hint, severity="warning")


def _sees_all(entry: Mapping[str, Any]) -> bool:
    """Whether a check may use variables that it does not name: an installed one, or an expression with all `vars`."""
    from throughster.checks.kinds import KINDS

    name = entry["type"].removeprefix("not-")
    if isinstance(entry.get("value"), list) and any(isinstance(child, dict) for child in entry["value"]):
        return any(_sees_all(child) for child in entry["value"] if isinstance(child, dict) and "type" in child)
    return name not in KINDS or (name == "expr" and bool(_ALL_VARS.search(str(entry.get("value")))))


def _twice(cases: Sequence[CheckedCase]) -> Iterator[Problem]:
    counts = Counter(case.written.test.id for case in cases)
    for case in cases:
        name = case.written.test.id
        if name is not None and counts[name] > 1:
            yield case.written.problem(("id",), f"Another case has the id `{name}` too.", "Give each its own.")


def _as_warning(problem: Problem) -> Problem:
    return replace(problem, severity="warning")
