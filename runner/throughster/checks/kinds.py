"""The types of checks: what makes each of them, and which fields its entries have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from throughster.checks import contest, cost, expression, graded, groups, refusals, similarity, structure, text
from throughster.checks.check import Contest, JudgedRun, Run
from throughster.checks.entry import Entry
from throughster.checks.installed import make_installed

__all__ = ["INSTALLED", "KINDS", "Kind", "Threshold"]


@dataclass(frozen=True)
class Threshold:
    """What a type's threshold is, and from where to where it may go."""

    what: str
    is_needed: bool = True
    least: float = 0.0
    most: float = math.inf

    @property
    def is_score(self) -> bool:
        """From 0 to 1, and at least that much is needed."""
        return self.most == 1.0


@dataclass(frozen=True)
class Kind:
    """A type of check. `make` raises WrongCheck for a value it cannot use. `needs`: see Check.

    `is_template`: texts in the value are rendered for each case. `has_path`: it looks at the output.
    """

    make: Callable[[Entry], Run | JudgedRun | Contest]
    value: Literal["needed", "optional", "none", "checks"] = "needed"
    threshold: Threshold | None = None
    has_path: bool = True
    is_template: bool = True
    needs: frozenset[str] = frozenset()


_SCORE = Threshold("the least score", most=1.0)
_SCORE_IF_ANY = Threshold("the least score", is_needed=False, most=1.0)
_GRADER = frozenset({"grader"})


def _measure(make: Callable[[Entry], Run], what: str, *needs: str) -> Kind:
    return Kind(make, "none", Threshold(f"{what} at most"), has_path=False, needs=frozenset(needs))


KINDS: dict[str, Kind] = {
    "equals": Kind(text.equals),
    "contains": Kind(text.contains),
    "icontains": Kind(text.icontains),
    "starts-with": Kind(text.starts_with),
    "contains-any": Kind(text.contains_any),
    "contains-all": Kind(text.contains),
    "regex": Kind(text.regex),
    "is-json": Kind(structure.is_json, "optional", is_template=False),
    "contains-json": Kind(structure.contains_json, "optional", is_template=False),
    "json-schema": Kind(structure.json_schema, is_template=False),
    "word-count": Kind(text.word_count),
    "levenshtein": Kind(similarity.levenshtein, threshold=Threshold("characters that may differ")),
    "rouge": Kind(similarity.rouge, threshold=_SCORE),
    "bleu": Kind(similarity.bleu, threshold=_SCORE),
    "similar": Kind(similarity.similar, threshold=_SCORE, needs=frozenset({"embeddings"})),
    "tool-call": Kind(structure.tool_call, has_path=False),
    "finish-reason": Kind(structure.finish_reason, has_path=False),
    "is-refusal": Kind(refusals.is_refusal, "none", has_path=False),
    "latency": _measure(cost.latency, "seconds"),
    "first-token": _measure(cost.first_token, "seconds", "stream"),
    "cost": _measure(cost.cost, "USD", "price"),
    "tokens": _measure(cost.tokens, "tokens"),
    "expr": Kind(expression.expr, is_template=False),
    "llm-rubric": Kind(graded.llm_rubric, threshold=_SCORE_IF_ANY, needs=_GRADER),
    "factuality": Kind(graded.factuality, threshold=_SCORE_IF_ANY, needs=_GRADER),
    "g-eval": Kind(graded.g_eval, threshold=_SCORE, needs=_GRADER),
    "select-best": Kind(contest.select_best, needs=_GRADER | {"rivals"}),
    "any-of": Kind(groups.any_of, "checks", has_path=False, is_template=False),
    "all-of": Kind(groups.all_of, "checks", _SCORE_IF_ANY, has_path=False, is_template=False),
}

INSTALLED = Kind(make_installed, "optional", Threshold("what the check takes it for", is_needed=False, least=-math.inf))
"""Any type that another package brings."""
