"""Results for reports: the repeats of a test, or of a row, folded into one."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import RequestError
from throughster.running.cases import Case, Repeats, tally_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from throughster.running.cases import Verdict
    from throughster.running.plan import Plan
    from throughster.running.rows import Row
    from throughster.types import Message

__all__ = ["Folded", "case_of", "folded", "missing_of", "reason_of"]


@dataclass(frozen=True)
class Folded:
    """One test, or row, at one provider.

    `passed` of `asked` repeats, of `planned` ones. `reasons`: of those that did not pass, each once. `text`: the
    answer of the first that did not, else of the first. `kind`: what failed. `seconds`: of all repeats. `file`, `line`:
    where a test stands.
    """

    id: str
    label: str
    row: int
    verdict: Verdict
    passed: int
    asked: int
    kind: str
    reasons: tuple[str, ...]
    text: str | None
    seconds: float
    cost_usd: float | None
    description: str | None
    file: str
    line: int
    source: Row | None
    planned: int = 0

    @property
    def tally(self) -> str:
        """As in `3/3 of 5 planned`."""
        return tally_of(self.passed, self.asked, self.planned)

    @property
    def is_unasked(self) -> bool:
        """Whether it lacks a verdict because the run ended before its answers were there."""
        return self.verdict == "error" and self.kind == "skipped"

    @property
    def reason(self) -> str:
        return self.reasons[0] if self.reasons else ""

    def messages(self, plan: Plan) -> Sequence[Message]:
        """What was asked, rendered again; nothing where that is not known any more."""
        if self.source is None:
            return ()
        try:
            return plan.messages(self.source)
        except RequestError:
            return ()


def reason_of(line: dict[str, Any]) -> str:
    """Why a result is not good; nothing for one that is."""
    if line["status"] == "ok":
        return ""
    failed = "; ".join(check["reason"] for check in line["checks"] if not check["passed"])
    message: str = (line["error"] or {}).get("message", "")
    return message or failed or line["refusal"] or str(line["status"])


def case_of(row: Row | None, asked: int, pass_rate: float = 1.0) -> Case:
    """The test of a row; where it has none, one whose repeats must pass at this rate."""
    return row.case if row is not None and row.case is not None else Case(asked, pass_rate, ())


def folded(journal: Path, plan: Plan) -> list[Folded]:
    """The plan's tests, or rows, in the order of the spec. Holds one line for each.

    What the plan asks for and the journal has nothing of is an error. Of rows only the number is known: those of a
    label are one entry.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in _lines(journal, plan):
        groups.setdefault((line["id"], line["label"]), []).append(line)
    rows = plan.cases.known if plan.cases is not None else {}
    found = [_fold(lines, rows.get(key[0]), plan.repeat) for key, lines in groups.items()]
    return [*sorted(found, key=lambda case: (case.row, case.label)), *_unasked(plan, groups)]


def missing_of(plan: Plan, asked: Mapping[str, int]) -> dict[str, int]:
    """How many results of rows there should be and are not, by label. `asked`: how many each label has."""
    if plan.cases is not None or plan.rows_per_target is None:
        return {}
    missing = {label: plan.rows_per_target - asked.get(label, 0) for label in plan.labels}
    return {label: count for label, count in missing.items() if count > 0}


def _unasked(plan: Plan, groups: Mapping[tuple[str, str], list[dict[str, Any]]]) -> Iterator[Folded]:
    """What has no line: an error each, with the reason that others give who were not asked either."""
    lines = (line for group in groups.values() for line in group if line["status"] == "skipped")
    stops = (line["error"]["message"] for line in lines if (line["error"] or {}).get("type") in _STOPS)
    reason = f"was not asked: {next(stops, 'the run was stopped')}"
    for row in plan.cases or ():
        for label in plan.labels:
            if (row.id, label) not in groups:
                yield _nothing(row.id, label, row, reason)
    answers: Counter[str] = Counter()
    for (_, label), group in groups.items():
        answers[label] += len(group)
    for label, count in missing_of(plan, answers).items():
        told = "1 row" if count == 1 else f"{count:,} rows"
        yield _nothing(told, label, None, reason)


_STOPS = ("BudgetError", "Interrupted")


def _nothing(name: str, label: str, row: Row | None, reason: str) -> Folded:
    case = case_of(row, 1)
    return Folded(
        id=name,
        label=label,
        row=sys.maxsize if row is None else row.index,
        verdict="error",
        passed=0,
        asked=0,
        kind="skipped",
        reasons=(reason,),
        text=None,
        seconds=0.0,
        cost_usd=None,
        description=case.description,
        file=case.file,
        line=case.line,
        source=row,
    )


def _lines(journal: Path, plan: Plan) -> Iterable[dict[str, Any]]:
    with journal.open("rb") as file:
        for text in file:
            line = orjson.loads(text)
            if plan.holds(line):
                yield {name: line[name] for name in _KEPT}


_KEPT = (
    "id", "label", "row", "repeat", "status", "spec", "text", "latency_s", "cost_usd", "checks", "error", "refusal",
)  # fmt: skip


def _fold(lines: list[dict[str, Any]], row: Row | None, repeat: int) -> Folded:
    lines.sort(key=lambda line: line["repeat"])
    outcome = Repeats()
    for line in lines:
        outcome.add(line["status"])
    case = case_of(row, max(len(lines), repeat))
    verdict = outcome.verdict(case)
    bad = [line for line in lines if line["status"] != "ok"]
    shown = (bad or lines)[0]
    costs = [line["cost_usd"] for line in lines if line["cost_usd"] is not None]
    checks = [check["type"] for check in shown["checks"] if not check["passed"]]
    reasons = list(dict.fromkeys(reason_of(line) for line in bad))
    if verdict == "error" and len(lines) < case.repeat:
        reasons.append(f"was asked {len(lines)} of {case.repeat} times: the run was stopped")
    return Folded(
        id=shown["id"],
        label=shown["label"],
        row=shown["row"],
        verdict=verdict,
        passed=outcome.passed,
        asked=len(lines),
        kind=checks[0] if checks else "skipped" if reasons and not bad else str(shown["status"]),
        reasons=tuple(reasons),
        text=shown["text"],
        seconds=sum(line["latency_s"] or 0.0 for line in lines),
        cost_usd=sum(costs) if costs else None,
        description=case.description,
        file=case.file,
        line=case.line,
        source=row,
        planned=case.repeat,
    )
