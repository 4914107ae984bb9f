"""The results of a file in a form that is small enough to hold: one entry a case, with where its lines stand.

What is held of a case does not grow with its answers; they are read again for the cases that are shown.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from throughster.regression.cases import NO_EVIDENCE, CaseKey, newest_first, trials
from throughster.regression.groups import MOST_VALUES
from throughster.reports.folded import case_of, missing_of
from throughster.running.cases import Repeats, tally_of
from throughster.running.hashes import HashSet
from throughster.running.result import STATUSES
from throughster.running.resume import is_provider_down
from throughster.types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.running.cases import Case, Verdict
    from throughster.running.plan import Plan
    from throughster.running.result import Status
    from throughster.running.rows import Row

__all__ = ["ORDER", "CheckCount", "Entry", "Index", "read_index"]

ORDER: tuple[Verdict, ...] = ("fail", "error", "flaky", "pass")
"""The verdicts, what needs a look first."""
_LONGEST_VALUE = 200
_HASH = re.compile(r"[0-9a-f]{16}(-\d+)?")


@dataclass(slots=True)
class Entry:
    """A case at one provider. `places`: (repeat, status, offset in the file) of its results.

    `planned`: how many there were to be. `is_sampled`: whether each of them is an answer of its own. `tokens`,
    `cost_usd`: of all repeats; `latencies_s`: of the answers that are not from the cache. `variables`: those that can
    make groups.
    """

    key: CaseKey
    row: int
    case: Case
    passed: int = 0
    failed: int = 0
    errors: int = 0
    places: list[tuple[int, str, int]] = field(default_factory=list)
    variables: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict = "error"
    tokens: int = 0
    cost_usd: float | None = None
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    planned: int = 0
    is_sampled: bool = True

    @property
    def tags(self) -> Sequence[str]:
        return self.case.tags

    @property
    def asked(self) -> int:
        return len(self.places)

    @property
    def answered(self) -> int:
        """Repeats that say something: those that passed or failed."""
        return self.passed + self.failed

    @property
    def tally(self) -> str:
        """As in `3/3 of 5 planned`."""
        return tally_of(self.passed, self.asked, self.planned)

    @property
    def trials(self) -> tuple[int, int]:
        """Passes and trials, as statistics may count them."""
        return trials(self.passed, self.answered, is_sampled=self.is_sampled, is_passing=self.is_passing)

    @property
    def is_passing(self) -> bool:
        return self.verdict in ("pass", "flaky")

    def settle(self, case: Case, variables: Mapping[str, str]) -> None:
        """When all its results are known."""
        self.case, self.variables = case, variables
        self.places.sort()
        self.verdict = Repeats(self.passed, self.failed, self.errors).verdict(case)

    @property
    def has_name(self) -> bool:
        """Whether somebody gave it its id, which else is a hash."""
        return _HASH.fullmatch(self.key.id) is None


@dataclass(slots=True)
class CheckCount:
    """How often a kind of check was held against an answer, how often it passed, and the sum of its scores."""

    held: int = 0
    passed: int = 0
    score: float = 0.0


@dataclass
class Index:
    """All cases of a file, in the order of the specs, rows and labels. `skipped`: tests left out, with the reason.

    `unasked`: what the plans ask for and nothing stands of, and how many results; rows have no id.
    `checks`: by metric where the spec names one, else by type. `down`: results that failed through the provider.
    """

    entries: list[Entry] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)
    checks: dict[str, CheckCount] = field(default_factory=dict)
    sends: int = 0
    resent: int = 0
    cached: int = 0
    down: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    unasked: Mapping[CaseKey, int] = field(default_factory=dict)

    @property
    def specs(self) -> list[str]:
        return list(dict.fromkeys(entry.key.spec for entry in self.entries))

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(entry.key.label for entry in self.entries))

    @property
    def results(self) -> int:
        return self.statuses.total()

    @property
    def has_tests(self) -> bool:
        return bool(self.checks)


def read_index(journal: Path, plans: Sequence[Plan] = (), *, pass_rate: float = 1.0) -> Index:
    """The results of these plans; without plans all, each case with this pass rate.

    Of a repeat that stands there twice the last line counts. Raises SettingsError for a file that is none of results.
    """
    reading = _Reading(plans, pass_rate)
    seen = HashSet()
    for line, start in newest_first(journal):
        key = CaseKey(sys.intern(line["spec"]), line["id"], sys.intern(line["label"]))
        if reading.wants(line) and seen.add(hash((key, line["repeat"]))):
            reading.add(key, line, start)
    return reading.finish()


def _counts_as(status: Status) -> tuple[int, int, int]:
    """Whether a result with this status has passed, failed, or is an error."""
    one = Repeats()
    one.add(status)
    return one.passed, one.failed, one.errors


_COUNTS = {status: _counts_as(status) for status in STATUSES}


class _Reading:
    """An index while it is read."""

    def __init__(self, plans: Sequence[Plan], pass_rate: float) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._order = {plan.name: n for n, plan in enumerate(plans)}
        self._rows: dict[tuple[str, str], Row] = {
            (plan.name, name): row for plan in plans if plan.cases is not None for name, row in plan.cases.known.items()
        }
        self._pass_rate = pass_rate
        self._entries: dict[CaseKey, Entry] = {}
        self._cases: dict[int, Case] = {}
        self._variables = _Variables()
        self._index = Index()
        self._index.skipped = {
            name: why for plan in plans if plan.cases is not None for name, why in plan.cases.skipped.items()
        }

    def wants(self, line: dict[str, Any]) -> bool:
        plan = self._plans.get(line["spec"])
        return not self._plans if plan is None else plan.holds(line)

    def add(self, key: CaseKey, line: dict[str, Any], start: int) -> None:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(key, line["row"], self._case(key, 1))
            entry.planned, entry.is_sampled = line.get("planned") or 0, line.get("sampled") is not False
            entry.variables = self._variables.kept(line["vars"])
        passed, failed, errors = _COUNTS[line["status"]]
        entry.passed, entry.failed, entry.errors = entry.passed + passed, entry.failed + failed, entry.errors + errors
        entry.places.append((line["repeat"], sys.intern(line["status"]), start))
        usage, cost = line.get("usage") or {}, line.get("cost_usd")
        entry.tokens += usage.get("total_tokens") or 0
        if cost is not None:
            entry.cost_usd = (entry.cost_usd or 0.0) + cost
        latency_s = line.get("latency_s")
        if latency_s is not None and line["status"] not in NO_EVIDENCE and not line.get("cached"):
            entry.latencies_s.append(latency_s)
        self._count(entry.case, line, usage)

    def _case(self, key: CaseKey, asked: int) -> Case:
        """The test; cases of results that are no tests, and are asked as often, share one."""
        row = self._rows.get((key.spec, key.id))
        if row is not None:
            return case_of(row, asked)
        if (plan := self._plans.get(key.spec)) is not None:
            asked = max(asked, plan.repeat)
        if asked not in self._cases:
            self._cases[asked] = case_of(None, asked, self._pass_rate)
        return self._cases[asked]

    def _count(self, case: Case, line: dict[str, Any], usage: dict[str, Any]) -> None:
        index = self._index
        index.statuses[line["status"]] += 1
        index.usage += Usage(**{name: usage.get(name) or 0 for name in Usage.__dataclass_fields__})
        sends = len(line.get("attempts") or ())
        index.sends += sends
        index.resent += max(0, sends - 1)
        index.cached += bool(line.get("cached"))
        index.down += is_provider_down(line)
        found = line.get("checks") or ()
        is_matched = len(case.checks) == len(found)  # else nobody knows which metric is whose
        for n, check in enumerate(found):
            metric = case.checks[n].metric if is_matched and case.checks[n].type == check["type"] else None
            count = index.checks.setdefault(metric or check["type"], CheckCount())
            count.held += 1
            count.passed += bool(check["passed"])
            count.score += check.get("score") or 0.0

    def finish(self) -> Index:
        for entry in self._entries.values():
            entry.settle(self._case(entry.key, entry.asked), self._variables.grouping(entry.variables))
        self._index.unasked = self._unasked()
        order = self._order
        self._index.entries = sorted(
            self._entries.values(), key=lambda e: (order.get(e.key.spec, 0), e.key.spec, e.row, e.key.label)
        )
        return self._index

    def _unasked(self) -> dict[CaseKey, int]:
        found: dict[CaseKey, int] = {}
        for name, plan in self._plans.items():
            keys = [CaseKey(name, row.id, label) for row in plan.cases or () for label in plan.labels]
            found |= {key: 1 for key in keys if key not in self._entries}
            if plan.cases is None:
                asked: Counter[str] = Counter()
                for key, entry in self._entries.items():
                    asked[key.label] += entry.asked if key.spec == name else 0
                found |= {CaseKey(name, "", label): count for label, count in missing_of(plan, asked).items()}
        return found


class _Variables:
    """The short values of variables that have few; cases with the same ones share them."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}
        self._shared: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    def kept(self, values: dict[str, Any]) -> Mapping[str, str]:
        kept = []
        for name, value in values.items():
            if not isinstance(value, bool | int | float | str) or (
                isinstance(value, str) and len(value) > _LONGEST_VALUE
            ):
                continue
            seen = self._seen.setdefault(name, set())
            if len(seen) <= MOST_VALUES:
                text = value if isinstance(value, str) else orjson.dumps(value).decode()
                seen.add(text)
                kept.append((name, text))
        return self._shared.setdefault(tuple(kept), dict(kept))

    def grouping(self, values: Mapping[str, str]) -> Mapping[str, str]:
        few = tuple((name, text) for name, text in values.items() if len(self._seen[name]) <= MOST_VALUES)
        return values if len(few) == len(values) else self._shared.setdefault(few, dict(few))
