"""Parts of a suite: the cases with one tag, or with one value of a variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from throughster.regression.statistics import holm, suite_p

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.regression.cases import CaseOutcome
    from throughster.regression.statistics import Pair

__all__ = ["MOST_VALUES", "Group", "Grouped", "compare_groups", "places_by_group"]

MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Pass rates of a group in two runs. `p_corrected`: of its drop, corrected for the number of groups.

    `is_certain`: whether its drop is beyond chance.
    """

    name: str
    cases: int
    before: float
    after: float
    p: float
    p_corrected: float
    is_certain: bool


def compare_groups(
    cases: Sequence[CaseOutcome], pairs: Sequence[Pair | None], alpha: float, tolerance: float
) -> tuple[Group, ...]:
    """The groups of the later run's cases, by name, each tested as the suite is. `pairs`: one a case, if it has one."""
    found = {name: [pair for n in places if (pair := pairs[n])] for name, places in places_by_group(cases).items()}
    found = {name: of_group for name, of_group in sorted(found.items()) if of_group}
    values = [suite_p(of_group, tolerance) for of_group in found.values()]
    groups = []
    for (name, of_group), p, p_corrected in zip(found.items(), values, holm(values), strict=True):
        before = math.fsum(pair.passed_before / pair.repeats_before for pair in of_group) / len(of_group)
        after = math.fsum(pair.passed_after / pair.repeats_after for pair in of_group) / len(of_group)
        groups.append(Group(name, len(of_group), before, after, p, p_corrected, p_corrected <= alpha))
    return tuple(groups)


class Grouped(Protocol):
    """What puts a case into groups."""

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def variables(self) -> Mapping[str, str]: ...


def places_by_group(cases: Sequence[Grouped]) -> dict[str, list[int]]:
    """Which cases are in `tag:NAME` or `variable=value`.

    A variable makes groups where it has at most 20 values, and fewer than there are cases. All cases make no group.
    """
    groups: dict[str, list[int]] = {}
    values: dict[str, dict[str, list[int]]] = {}
    for n, case in enumerate(cases):
        for tag in dict.fromkeys(case.tags):
            groups.setdefault(f"tag:{tag}", []).append(n)
        for name, value in case.variables.items():
            values.setdefault(name, {}).setdefault(value, []).append(n)
    for name, by_value in values.items():
        if len(by_value) <= MOST_VALUES and len(by_value) < len(cases):
            groups.update({f"{name}={value}": places for value, places in by_value.items()})
    return {name: places for name, places in groups.items() if len(places) < len(cases)}
