"""Two folded results, held against each other: what has changed, and whether it is a regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from throughster.regression.decide import Decision, decide
from throughster.regression.drift import Drift, drift
from throughster.regression.groups import Group, compare_groups
from throughster.regression.statistics import Pair, case_p, corrected
from throughster.regression.suite import SuiteChange, suite_change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from throughster.regression.cases import CaseKey, CaseOutcome

    Common: TypeAlias = Sequence[tuple[CaseOutcome, CaseOutcome]]

__all__ = ["CaseChange", "Comparison", "Kind", "compare"]

Kind: TypeAlias = Literal["newly failing", "below its pass rate", "newly passing", "changed", "same"]
"""`newly failing`: passed in every repeat before, in none now. `below its pass rate`: passed before and fails now, but
not so clearly."""

_QUANTITIES = (("latency_s", "latencies_s"), ("cost_usd", "costs_usd"), ("tokens", "tokens"))


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case of both runs. `p`: of its drop alone; `p_corrected`: for the number of cases; None without answers.

    `is_certain`: whether its drop is beyond chance. `is_other_request`: whether it was asked something else;
    `is_other_check`: whether its answers were checked for something else.
    """

    before: CaseOutcome
    after: CaseOutcome
    kind: Kind
    p: float | None
    p_corrected: float | None
    is_certain: bool
    is_other_request: bool
    is_other_check: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it. `reasons`: why the verdict is what it is, in words; `notes`: what a reader should know beside.

    `suite`: None where no case has answers in both runs. `new`, `missing`: cases of one run only. `needs_all`: whether
    a missing case is no pass.
    """

    verdict: Decision
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    alpha: float
    tolerance: float
    suite: SuiteChange | None
    cases: tuple[CaseChange, ...]
    new: tuple[CaseOutcome, ...]
    missing: tuple[CaseOutcome, ...]
    groups: tuple[Group, ...]
    drifts: tuple[Drift, ...]
    needs_all: bool = False

    @property
    def unanswered(self) -> tuple[CaseOutcome, ...]:
        """Cases that the later run has no verdict of. They can neither hold nor break what was before."""
        return tuple(case for case in (*(change.after for change in self.cases), *self.new) if case.verdict == "error")

    @property
    def failing_new(self) -> tuple[CaseOutcome, ...]:
        """Failing cases that the earlier run does not have: they speak for themselves."""
        return tuple(case for case in self.new if case.verdict == "fail")

    @property
    def failing_unknown(self) -> tuple[CaseOutcome, ...]:
        """Failing cases that the earlier run has no answer of: nothing compares them either."""
        return tuple(c.after for c in self.cases if not c.before.answered and c.after.verdict == "fail")

    @property
    def is_acceptable(self) -> bool:
        """No regression, as far as can be told, and nothing that fails by itself."""
        is_worse = self.verdict in ("regression", "newly failing")
        is_short = self.needs_all and bool(self.missing)
        return not (is_worse or is_short or self.unanswered or self.failing_new or self.failing_unknown)

    def of_kind(self, kind: Kind) -> tuple[CaseChange, ...]:
        return tuple(change for change in self.cases if change.kind == kind)


def compare(
    before: Mapping[CaseKey, CaseOutcome],
    after: Mapping[CaseKey, CaseOutcome],
    *,
    alpha: float = 0.05,
    tolerance: float = 0.0,
    forgives_newly_failing: bool = False,
    needs_all: bool = False,
) -> Comparison:
    """`before`: the baseline. `alpha`: the chance of a false alarm; `tolerance`: a drop up to it is no regression.

    `needs_all`: every case of the baseline must be there. Where each run has one spec, or one label, and it is not the
    same, cases are matched without it.
    """
    earlier, later, notes = _matched(before, after)
    common = [(earlier[key], case) for key, case in later.items() if key in earlier]
    pairs = [_pair(one, other) for one, other in common]
    compared = [pair for pair in pairs if pair is not None]
    suite = suite_change(compared, alpha, tolerance) if compared else None
    changes = _changes(common, pairs, alpha)
    verdict, reasons = decide(suite, len(common), alpha, tolerance)
    newly = sum(change.kind == "newly failing" for change in changes)
    if newly and verdict == "regression":
        reasons = (*reasons, _newly_failing(newly))
    elif newly:
        verdict = verdict if forgives_newly_failing else "newly failing"
        reasons = (_newly_failing(newly), *reasons)
    values = [(name, [(getattr(one, f), getattr(other, f)) for one, other in common]) for name, f in _QUANTITIES]
    drifts = (drift(name, of_cases, alpha) for name, of_cases in values)
    found = Comparison(
        verdict,
        (*reasons, *(_reasons_of_cases(changes) if verdict != "regression" else ())),
        (*notes, *_notes_of_repeats(common), *_notes_of_copies(common)),
        alpha,
        tolerance,
        suite,
        changes,
        tuple(case for key, case in later.items() if key not in earlier),
        tuple(case for key, case in earlier.items() if key not in later),
        compare_groups([after for _, after in common], pairs, alpha, tolerance),
        tuple(one for one in drifts if one is not None),
        needs_all,
    )
    return replace(found, reasons=(*found.reasons, *_reasons_of_others(found)))


def _pair(before: CaseOutcome, after: CaseOutcome) -> Pair | None:
    if not before.answered or not after.answered:
        return None
    return Pair(*before.trials, *after.trials)


def _matched(
    before: Mapping[CaseKey, CaseOutcome], after: Mapping[CaseKey, CaseOutcome]
) -> tuple[dict[CaseKey, CaseOutcome], dict[CaseKey, CaseOutcome], list[str]]:
    earlier, later, notes = dict(before), dict(after), []
    for field, noun in (("spec", "spec"), ("label", "provider")):
        one = {getattr(key, field) for key in earlier}
        other = {getattr(key, field) for key in later}
        if len(one) == len(other) == 1 and one != other:
            notes.append(f"The {noun} is not the same: {one.pop()} before, {other.pop()} after.")
            earlier = {key._replace(**{field: ""}): case for key, case in earlier.items()}
            later = {key._replace(**{field: ""}): case for key, case in later.items()}
    return earlier, later, notes


def _changes(common: Common, pairs: Sequence[Pair | None], alpha: float) -> tuple[CaseChange, ...]:
    found = iter(corrected([pair for pair in pairs if pair is not None], alpha))
    changes = []
    for (before, after), pair in zip(common, pairs, strict=True):
        p = None if pair is None else case_p(pair)
        p_corrected = None if pair is None else next(found)
        is_certain = p_corrected is not None and p_corrected <= alpha
        others = (before.digest != after.digest, before.checks_digest != after.checks_digest)
        changes.append(CaseChange(before, after, _kind(before, after), p, p_corrected, is_certain, *others))
    return tuple(changes)


def _kind(before: CaseOutcome, after: CaseOutcome) -> Kind:
    if before.answered and before.passed == before.answered and after.failed and not after.passed:
        return "newly failing"
    if before.verdict == after.verdict:
        return "same"
    if before.is_passing and after.verdict == "fail":
        return "below its pass rate"
    if before.verdict == "fail" and after.is_passing:
        return "newly passing"
    return "changed"


def _reasons_of_cases(changes: Sequence[CaseChange]) -> tuple[str, ...]:
    certain = sum(change.is_certain for change in changes)
    if not certain:
        return ()
    return (f"But {certain:,} {'case has' if certain == 1 else 'cases have'} dropped beyond chance.",)


def _newly_failing(count: int) -> str:
    if count == 1:
        return "1 case that passed in every repeat passes in none now."
    return f"{count:,} cases that passed in every repeat pass in none now."


def _reasons_of_others(found: Comparison) -> Iterator[str]:
    """What fails whatever the test says."""
    if found.needs_all and found.missing:
        count = "1 case" if len(found.missing) == 1 else f"{len(found.missing):,} cases"
        yield (
            f"{count} of the baseline {'is' if len(found.missing) == 1 else 'are'} missing now, which is no pass. If "
            f"that is meant, make this run the baseline with --update-baseline."
        )
    for cases, what in (
        (found.unanswered, "without a verdict now"),
        (found.failing_new, "new and failing"),
        (found.failing_unknown, "failing, and had no answer before"),
    ):
        if cases:
            yield f"{len(cases):,} {'case is' if len(cases) == 1 else 'cases are'} {what}, which is no pass."


def _notes_of_repeats(common: Common) -> list[str]:
    notes = []
    errors = [(sum(pair[n].errors for pair in common), when) for n, when in enumerate(("before", "after"))]
    if told := ", ".join(f"{count:,} {when}" for count, when in errors if count):
        notes.append(f"Repeats without an answer count neither as passed nor as failed: {told}.")
    for n, when in enumerate(("before", "after")):
        repeats = {pair[n].answered + pair[n].errors for pair in common}
        if len(repeats) > 1:
            notes.append(
                f"Not all cases {when} were asked equally often ({min(repeats)} to {max(repeats)} times). Where "
                f"repeats were left out because the outcome was decided, the pass rates are not exact."
            )
    return notes


def _notes_of_copies(common: Common) -> list[str]:
    """Cases whose repeats say nothing new."""
    copied = sum(any(not case.is_sampled and case.answered > 1 for case in pair) for pair in common)
    if not copied:
        return []
    whose = "All cases have" if copied == len(common) else "1 case has" if copied == 1 else f"{copied:,} cases have"
    why = "since the model was asked for the likeliest one (`temperature: 0`)"
    return [f"{whose} repeats that are copies of one answer, {why}: they count as one trial."]
