"""Whether a run as a whole is good enough: a spec's `gate`, held against its cases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.regression.drift import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from throughster.regression.cases import CaseKey, CaseOutcome
    from throughster.spec.model import GateSpec

__all__ = ["Condition", "GateOutcome", "evaluate_gate"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `found`: the figure; None where there is none, and then the condition is not met.

    `limit`: the least pass rate, or the greatest cost in USD or latency in seconds. `text`: all of it in words. `tests`
    is the condition that nobody writes, where it is not met: each case passes for which the gate has no rate.
    """

    name: str
    is_met: bool
    found: float | None
    limit: float
    text: str


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """Every condition, in the order of the gate."""

    conditions: tuple[Condition, ...]

    @property
    def is_met(self) -> bool:
        return all(condition.is_met for condition in self.conditions)


def evaluate_gate(gate: GateSpec, cases: Mapping[CaseKey, CaseOutcome], *, is_compared: bool = False) -> GateOutcome:
    """The conditions that the gate has, each with its figure. A case whose verdict is `error` has not passed.

    Cases that `pass_rate` and `groups` say nothing of must pass, unless a comparison with a baseline decides over them.
    """
    conditions: list[Condition] = []
    everything = list(cases.values())
    if gate.pass_rate is not None:
        conditions.append(_pass_rate("pass_rate", everything, gate.pass_rate))
    for name, limit in gate.groups.items():
        conditions += _of_group(name, everything, limit)
    if gate.pass_rate is None and not is_compared:
        conditions += _others(gate, everything)
    if gate.max_cost_usd is not None:
        conditions.append(_cost(everything, gate.max_cost_usd))
    if gate.max_p95_latency_s is not None:
        conditions.append(_latency(everything, gate.max_p95_latency_s))
    return GateOutcome(tuple(conditions))


def _pass_rate(name: str, cases: Sequence[CaseOutcome], limit: float) -> Condition:
    if not cases:
        return Condition(name, is_met=False, found=None, limit=limit, text=f"{name}: there are no such cases")
    passed = sum(case.is_passing for case in cases)
    rate = passed / len(cases)
    text = f"{name}: {passed:,} of {len(cases):,} cases passed ({_percent(rate)}), {_percent(limit)} needed"
    return Condition(name, passed > 0 and rate >= limit - _ROUNDING, rate, limit, text)


def _of_group(name: str, cases: Sequence[CaseOutcome], limit: float) -> Iterable[Condition]:
    """`tag:NAME` is one group; the name of a variable makes one of each of its values."""
    if name.startswith("tag:"):
        tag = name.removeprefix("tag:")
        return [_pass_rate(name, [case for case in cases if tag in case.tags], limit)]
    by_value: dict[str, list[CaseOutcome]] = {}
    for case in cases:
        if name in case.variables:
            by_value.setdefault(case.variables[name], []).append(case)
    if not by_value:
        return [_pass_rate(name, [], limit)]
    return [_pass_rate(f"{name}={value}", found, limit) for value, found in by_value.items()]


def _others(gate: GateSpec, cases: Sequence[CaseOutcome]) -> Iterable[Condition]:
    """What is told where a case has not passed that is in none of the groups."""
    others = [case for case in cases if not any(_is_in(name, case) for name in gate.groups)]
    failing = sum(not case.is_passing for case in others)
    if failing:
        which = "cases in no group" if gate.groups else "cases"
        text = f"tests: {failing:,} of {len(others):,} {which} did not pass, and without a `pass_rate` each must"
        yield Condition("tests", is_met=False, found=1 - failing / len(others), limit=1.0, text=text)


def _is_in(name: str, case: CaseOutcome) -> bool:
    return name.removeprefix("tag:") in case.tags if name.startswith("tag:") else name in case.variables


def _cost(cases: Sequence[CaseOutcome], limit: float) -> Condition:
    name = "max_cost_usd"
    costs = [case.cost_usd for case in cases if case.cost_usd is not None]
    if not costs:
        text = f"{name}: the cost is not known, since no model has a `price`"
        return Condition(name, is_met=False, found=None, limit=limit, text=text)
    total = math.fsum(costs)
    return Condition(name, total <= limit + _ROUNDING, total, limit, f"{name}: {total:.4f} USD, {limit:g} at most")


def _latency(cases: Sequence[CaseOutcome], limit: float) -> Condition:
    name = "max_p95_latency_s"
    latencies = sorted(value for case in cases for value in case.latencies_s)
    if not latencies:
        text = f"{name}: no answer has a latency of its own"
        return Condition(name, is_met=False, found=None, limit=limit, text=text)
    found = percentile(latencies, 0.95)
    return Condition(name, found <= limit, found, limit, f"{name}: {found:.3f} s, {limit:g} at most")


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
