"""Cases as rows: the tests of a spec times the matrix, with their checks, and what becomes of them over the repeats."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from throughster.errors import Problem, SpecError
from throughster.running.rows import Row, RowIds, content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from throughster.checks import Check
    from throughster.running.rows import Choice
    from throughster.running.values import Types
    from throughster.spec.check_cases import CheckedCase
    from throughster.types import Message

__all__ = ["Case", "CaseVerdict", "Cases", "Repeats", "Verdict", "tally_of", "verdicts_of", "with_turns"]

_MOST_CASES = 100_000
Verdict: TypeAlias = Literal["pass", "flaky", "fail", "error"]


@dataclass(frozen=True)
class Case:
    """A test that is run. `repeat`: how often it is asked; `pass_rate`: share of the repeats that must pass.

    `threshold`: the weighted score that an answer must reach; None: every check must pass. `file`, `line`: where it
    stands. `turns`: earlier turns of the conversation. `digest`: the hash of what its answers are checked for.
    """

    repeat: int
    pass_rate: float
    checks: tuple[Check, ...] = field(repr=False)
    threshold: float | None = None
    turns: tuple[Message, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    digest: int = 0

    @property
    def needed(self) -> int:
        """How many repeats must pass: one at least, however low the rate."""
        return max(1, math.ceil(self.pass_rate * self.repeat - 1e-9))


@dataclass
class Repeats:
    """What became of the repeats of one case at one provider."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, status: str, reason: str = "") -> None:
        if status == "ok":
            self.passed += 1
        elif status in ("error", "judge_error", "skipped"):
            self.errors += 1
        else:
            self.failed += 1
        if reason:
            self.reasons[reason] += 1

    def is_decided(self, case: Case) -> bool:
        """Whether no further repeat could change the verdict from failing to passing, or the other way round."""
        return self.passed >= case.needed or self.failed > case.repeat - case.needed

    def verdict(self, case: Case) -> Verdict:
        if self.failed > case.repeat - case.needed:
            return "fail"
        if self.passed < case.needed:
            return "error"
        return "flaky" if self.failed else "pass"


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """What became of a test at one provider. `passed` of `asked` repeats passed; `reason`: why most others did not.

    `file`, `line`: where the test stands.
    """

    id: str
    label: str
    verdict: Verdict
    passed: int
    asked: int
    repeat: int
    reason: str
    file: str
    line: int

    @property
    def tally(self) -> str:
        """As in `3/3 of 5 planned`."""
        return tally_of(self.passed, self.asked, self.repeat)


def tally_of(passed: int, asked: int, planned: int) -> str:
    """How many repeats passed, of how many; and of how many planned ones, where not all were asked."""
    return f"{passed}/{asked}" if asked >= planned else f"{passed}/{asked} of {planned} planned"


def verdicts_of(cases: Cases, labels: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> tuple[CaseVerdict, ...]:
    """The verdicts of all cases, from their lines in a journal, in the order of the cases.

    Cases that were not chosen are among them where an earlier part of the run has asked them.
    """
    outcomes: dict[tuple[str, str], Repeats] = {}
    for line in lines:
        failed = next((check["reason"] for check in line["checks"] if not check["passed"]), "")
        reason = (line["error"] or {}).get("message") or failed or (line["status"] if line["status"] != "ok" else "")
        outcomes.setdefault((line["id"], line["label"]), Repeats()).add(
            line["status"], reason if line["status"] != "ok" else ""
        )
    found = []
    chosen = {row.id for row in cases}
    for row in cases.known.values():
        assert row.case is not None
        for label in labels:
            if row.id not in chosen and (row.id, label) not in outcomes:
                continue
            outcome = outcomes.get((row.id, label), Repeats())
            reason = outcome.reasons.most_common(1)[0][0] if outcome.reasons else ""
            asked = outcome.passed + outcome.failed + outcome.errors
            verdict = outcome.verdict(row.case)
            place = (row.case.file, row.case.line)
            found.append(CaseVerdict(row.id, label, verdict, outcome.passed, asked, row.case.repeat, reason, *place))
    return tuple(found)


class Cases:
    """The rows of a spec's tests; it is asked like `Rows`. `skipped`: cases that are left out, with the reason.

    `is_whole`: whether no other case is left out. `known`: all but the skipped ones, by id, chosen or not.

    Raises SpecError for a value of another type than `inputs` declares.
    """

    def __init__(
        self,
        cases: Sequence[CheckedCase],
        *,
        under: Mapping[str, Any],
        shared: Mapping[str, Any],
        matrix: Mapping[str, list[Any]],
        over: Mapping[str, Any],
        choice: Choice,
        tags: Sequence[str],
        repeat: int,
        pass_rate: float,
        types: Types | None,
        asked: frozenset[str] | None = None,
        judge: Mapping[str, Any] | None = None,
    ) -> None:
        """`asked`: the variables that the prompt uses, None for all; `judge`: what a change of the grader changes."""
        self.skipped: dict[str, str] = {}
        self.known: dict[str, Row] = {}
        has_only = any(case.written.test.only for case in cases)
        count = len(cases) * math.prod(len(values) for values in matrix.values())
        if count > _MOST_CASES:
            message = f"The tests times the matrix are {count:,} cases; at most {_MOST_CASES:,} are run together."
            raise SpecError([Problem(cases[0].written.file, 0, 0, message, "Make the matrix smaller.")])
        cells = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]
        ids, index, rows = RowIds(), 0, []
        for checked in cases:
            test = checked.written.test
            case = _case(checked, repeat, pass_rate)
            seen: set[int] = set()
            for cell in cells:
                values = {**under, **cell, **shared, **test.vars, **over}
                if types:
                    values = types(values, f"{case.file}:{case.line}")
                whole = content_hash(values)
                if whole in seen:
                    continue  # the test itself says what the matrix would
                seen.add(whole)
                own = {name: cell[name] for name in cell if name not in test.vars}
                content, digest = _digests(values, case, checked, asked, judge)
                name = _id(test.id, own, len(cells)) or ids.add(whole)
                row = Row(index, name, values, content, replace(case, digest=digest))
                index += 1
                if test.skip:
                    self.skipped[row.id] = test.skip if isinstance(test.skip, str) else ""
                    continue
                self.known[row.id] = row
                if (test.only or not has_only) and choice.fits(row) and (not tags or set(tags) & set(case.tags)):
                    rows.append(row)
        if choice.sample is not None:
            drawn = random.Random(choice.seed).sample(range(len(rows)), min(choice.sample, len(rows)))  # noqa: S311
            rows = [rows[n] for n in sorted(drawn)]
        self._rows = rows[: choice.limit]
        self.is_whole = len(self._rows) == len(self.known)

    @property
    def total(self) -> int:
        return len(self._rows)

    @property
    def is_large(self) -> bool:
        """As of `Rows`; there are never so many cases."""
        return False

    @property
    def questions(self) -> int:
        """How often somebody is asked, of each provider."""
        return sum(row.case.repeat for row in self._rows if row.case is not None)

    def part(self, n: int, count: int) -> Cases:
        """Every `count`-th of them, from the `n`-th on."""
        return self._of(self._rows[n::count])

    def only(self, row: Row) -> Cases:
        """This one alone."""
        return self._of([row])

    def _of(self, rows: list[Row]) -> Cases:
        part = Cases.__new__(Cases)
        part.skipped, part.known, part.is_whole = self.skipped, self.known, False
        part._rows = rows  # noqa: SLF001 - of one of its own kind
        return part

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


def _case(checked: CheckedCase, repeat: int, pass_rate: float) -> Case:
    test = checked.written.test
    return Case(
        repeat=test.repeat or repeat,
        pass_rate=pass_rate if test.pass_rate is None else test.pass_rate,
        checks=checked.checks,
        threshold=checked.threshold,
        turns=tuple({"role": turn.role, "content": turn.content} for turn in test.messages),
        description=test.description,
        tags=test.tags,
        file=checked.written.file,
        line=checked.written.line,
    )


def _digests(
    values: Mapping[str, Any],
    case: Case,
    checked: CheckedCase,
    asked: frozenset[str] | None,
    judge: Mapping[str, Any] | None,
) -> tuple[int, int]:
    """The hash of what is asked, and that of what is checked: what the prompt does not use is there for the checks."""
    shown = values if asked is None else {name: value for name, value in values.items() if name in asked}
    others = {name: value for name, value in values.items() if name not in shown}
    checks = {
        "checks": checked.entries,
        "schemas": checked.schemas,
        "threshold": case.threshold,
        "judge": judge if any(check.is_graded for check in case.checks) else None,
        "vars": others,
    }
    return content_hash({"vars": shown, "turns": case.turns}), content_hash(checks)


def _id(name: str | None, cell: Mapping[str, Any], cells: int) -> str | None:
    """The test's own id; with a matrix the cell's values behind it."""
    if name is None or cells == 1 or not cell:
        return name
    return f"{name}[{','.join(f'{variable}={value}' for variable, value in cell.items())}]"


def with_turns(messages: list[Message], case: Case | None) -> list[Message]:
    """The prompt's messages, with a case's earlier turns behind those of the system."""
    if case is None or not case.turns:
        return messages
    first = next((n for n, message in enumerate(messages) if message["role"] != "system"), len(messages))
    return [*messages[:first], *case.turns, *messages[first:]]
