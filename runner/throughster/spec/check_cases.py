"""The cases of a spec with their checks compiled, and everything that would let one pass, or fail, by mistake."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from throughster.names import did_you_mean
from throughster.spec.cases import CaseSource, WrittenCase, read_cases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from throughster.checks import Check
    from throughster.errors import Problem
    from throughster.spec.model import CheckSpec, Spec
    from throughster.yamltree import Document

__all__ = ["CheckedCase", "case_source", "check_cases"]

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

    `entries`: the same as they were written. `threshold`: the weighted score that they must reach together.
    """

    written: WrittenCase
    checks: tuple[Check, ...]
    entries: tuple[Mapping[str, Any], ...] = ()
    threshold: float | None = None


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
            problems.append(case.problem((), "This test has no check, so it could not fail.", "Add `assert: [...]`."))
        elif not any(check.weight > 0 for check in (*shared, *checks)) and not issues:
            problems.append(case.problem((), "No check of this test has a weight, so none could pass."))
        for check in checks:
            problems += [case.problem(("assert", check.index, "type"), *words) for words in _unmet(check, lacking)]
        known = {*spec.inputs, *spec.vars, *spec.matrix, *spec.default_test.vars, *given, *case.test.vars}
        problems += _undefined(case, checks, known, ("assert",))
        problems += _undefined(case, shared, known, ())
        entries = (*_entries(spec.default_test.checks), *_entries(case.test.checks))
        threshold = spec.default_test.threshold if case.test.threshold is None else case.test.threshold
        cases.append(CheckedCase(case, (*shared, *checks), entries, threshold))
    problems += _twice(cases)
    return tuple(cases), list(dict.fromkeys(problems))


def _entries(checks: Sequence[CheckSpec]) -> list[dict[str, Any]]:
    """The fields that were written: a null value is a value."""
    return [{name: getattr(check, name) for name in check.model_fields_set} for check in checks]


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


def _twice(cases: Sequence[CheckedCase]) -> Iterator[Problem]:
    counts = Counter(case.written.test.id for case in cases)
    for case in cases:
        name = case.written.test.id
        if name is not None and counts[name] > 1:
            yield case.written.problem(("id",), f"Another case has the id `{name}` too.", "Give each its own.")


def _as_warning(problem: Problem) -> Problem:
    return replace(problem, severity="warning")
