"""A comparison as plain values, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughster.regression.cases import CaseOutcome
    from throughster.regression.compare import CaseChange, Comparison

__all__ = ["as_plain"]


def as_plain(comparison: Comparison) -> dict[str, Any]:
    """Everything but the single latencies, costs and tokens."""
    return {
        "verdict": comparison.verdict,
        "reasons": list(comparison.reasons),
        "notes": list(comparison.notes),
        "alpha": comparison.alpha,
        "tolerance": comparison.tolerance,
        "suite": asdict(comparison.suite) if comparison.suite is not None else None,
        "cases": [_change(change) for change in comparison.cases],
        "is_acceptable": comparison.is_acceptable,
        "new": [_case(case) for case in comparison.new],
        "missing": [_case(case) for case in comparison.missing],
        "groups": [asdict(group) for group in comparison.groups],
        "drifts": [asdict(drift) for drift in comparison.drifts],
    }


def _change(change: CaseChange) -> dict[str, Any]:
    return {
        **change.after.key._asdict(),
        "kind": change.kind,
        "p": change.p,
        "p_corrected": change.p_corrected,
        "is_certain": change.is_certain,
        "is_other_request": change.is_other_request,
        "is_other_check": change.is_other_check,
        "before": _counts(change.before),
        "after": _counts(change.after),
    }


def _case(case: CaseOutcome) -> dict[str, Any]:
    return {**case.key._asdict(), **_counts(case)}


def _counts(case: CaseOutcome) -> dict[str, Any]:
    return {
        "verdict": case.verdict,
        "passed": case.passed,
        "failed": case.failed,
        "errors": case.errors,
        "failures": case.failures,
        "cost_usd": case.cost_usd,
    }
