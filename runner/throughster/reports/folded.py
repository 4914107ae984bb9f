"""Results for reports: the repeats of a test, or of a row, folded into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import RequestError
from throughster.running.cases import Case, Repeats

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from throughster.running.cases import Verdict
    from throughster.running.plan import Plan
    from throughster.running.rows import Row
    from throughster.types import Message

__all__ = ["Folded", "case_of", "folded", "reason_of"]


@dataclass(frozen=True)
class Folded:
    """One test, or row, at one provider. `passed` of `asked` repeats; `reasons`: of those that did not, each once.

    `text`: the answer of the first that did not, else of the first. `kind`: what failed. `seconds`: of all repeats.
    `file`, `line`: where a test stands.
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

    @property
    def tally(self) -> str:
        return f"{self.passed}/{self.asked}"

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
    """The plan's tests, or rows, in the order of the spec. Holds one line for each."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in _lines(journal, plan.name):
        groups.setdefault((line["id"], line["label"]), []).append(line)
    rows = {row.id: row for row in plan.cases or ()}
    found = [_fold(lines, rows.get(key[0])) for key, lines in groups.items()]
    return sorted(found, key=lambda case: (case.row, case.label))


def _lines(journal: Path, spec: str) -> Iterable[dict[str, Any]]:
    with journal.open("rb") as file:
        for text in file:
            line = orjson.loads(text)
            if line["spec"] == spec:
                yield {name: line[name] for name in _KEPT}


_KEPT = (
    "id", "label", "row", "repeat", "status", "spec", "text", "latency_s", "cost_usd", "checks", "error", "refusal",
)  # fmt: skip


def _fold(lines: list[dict[str, Any]], row: Row | None) -> Folded:
    lines.sort(key=lambda line: line["repeat"])
    outcome = Repeats()
    for line in lines:
        outcome.add(line["status"])
    case = case_of(row, len(lines))
    bad = [line for line in lines if line["status"] != "ok"]
    shown = (bad or lines)[0]
    costs = [line["cost_usd"] for line in lines if line["cost_usd"] is not None]
    checks = [check["type"] for check in shown["checks"] if not check["passed"]]
    return Folded(
        id=shown["id"],
        label=shown["label"],
        row=shown["row"],
        verdict=outcome.verdict(case),
        passed=outcome.passed,
        asked=len(lines),
        kind=checks[0] if checks else str(shown["status"]),
        reasons=tuple(dict.fromkeys(reason_of(line) for line in bad)),
        text=shown["text"],
        seconds=sum(line["latency_s"] or 0.0 for line in lines),
        cost_usd=sum(costs) if costs else None,
        description=case.description,
        file=case.file,
        line=case.line,
        source=row,
    )
