"""A results file, folded into cases: one for each spec, id and label, with what its repeats came to."""

from __future__ import annotations

import mmap
import os
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import orjson

from throughster.errors import SettingsError
from throughster.paths import PathProblem, descriptor_of, resolve_named
from throughster.running.cases import tally_of
from throughster.running.hashes import HashSet
from throughster.running.lines import is_result, line_number, line_start
from throughster.running.result import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "FAILED", "NO_EVIDENCE", "CaseKey", "CaseOutcome", "Verdict", "fold", "newest_first", "require_whole", "trials",
]  # fmt: skip

Verdict: TypeAlias = Literal["pass", "flaky", "fail", "error"]

NO_EVIDENCE = frozenset({"error", "judge_error", "skipped"})
"""Statuses that say nothing of the answer."""
FAILED = frozenset(STATUSES) - NO_EVIDENCE - {"ok"}
"""Statuses of an answer that is not good."""
_LONGEST_VALUE = 200
_ROUNDING = 1e-9


class CaseKey(NamedTuple):
    """What is compared with what: the same case of the same spec, asked of the same provider entry."""

    spec: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What the repeats of one case came to.

    `failures`: how many repeats failed by which check, or by which status where no check did, the most frequent first.
    `variables`: those short enough to make groups of. `latencies_s`, `costs_usd`, `tokens`: one number for each answer
    that has it and is not from the cache. `cost_usd`: of all repeats; None where no repeat has a price. `planned`: how
    many repeats were to be asked, 0 where that is not known; `is_sampled`: whether each is an answer of its own.
    """

    key: CaseKey
    row: int
    pass_rate: float
    digest: str | None
    name: str | None
    tags: tuple[str, ...]
    variables: dict[str, str]
    passed: int
    failed: int
    errors: int
    failures: dict[str, int]
    latencies_s: Sequence[float]
    costs_usd: Sequence[float]
    tokens: Sequence[float]
    cost_usd: float | None
    checks_digest: str | None = None
    planned: int = 0
    is_sampled: bool = True

    @property
    def asked(self) -> int:
        """Repeats that were asked, with an answer or without."""
        return self.answered + self.errors

    @property
    def trials(self) -> tuple[int, int]:
        """Passes, and how many trials they are of: what statistics may count."""
        return trials(self.passed, self.answered, is_sampled=self.is_sampled, is_passing=self.is_passing)

    @property
    def answered(self) -> int:
        """Repeats that say something: those that passed or failed."""
        return self.passed + self.failed

    @property
    def verdict(self) -> Verdict:
        """Pass: no repeat failed. Flaky: some did, but `pass_rate` was met. Fail: it was not.

        Error: there is no answer, or the repeats without one could turn the outcome.
        """
        needed = max(self.pass_rate * self.asked - _ROUNDING, _ROUNDING)  # one at least, however low the rate
        if self.answered == 0 or self.passed < needed <= self.passed + self.errors:
            return "error"
        if self.passed < needed:
            return "fail"
        return "flaky" if self.failed else "pass"

    @property
    def is_passing(self) -> bool:
        return self.verdict in ("pass", "flaky")

    @property
    def tally(self) -> str:
        """As in `4/5`: passed, of those with an answer; and of how many planned ones, where not all were asked."""
        return tally_of(self.passed, self.answered, self.planned if self.asked < self.planned else self.answered)


class _Counting:
    """A case while its lines are read."""

    def __init__(self, newest: dict[str, Any]) -> None:
        self.newest = newest
        self.statuses: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.latencies_s, self.costs_usd, self.tokens = array("d"), array("d"), array("d")
        self.cost_usd: float | None = None

    def add(self, line: dict[str, Any]) -> None:
        status, cost = line["status"], line.get("cost_usd")
        self.statuses[status] += 1
        if status in FAILED:
            failed = {check["type"] for check in line.get("checks") or () if not check["passed"]}
            self.failures.update(failed or {status})
        if cost is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost
        if status not in NO_EVIDENCE and not line.get("cached"):
            _append(self.latencies_s, line.get("latency_s"))
            _append(self.costs_usd, cost)
            _append(self.tokens, (line.get("usage") or {}).get("total_tokens"))

    def outcome(self, key: CaseKey, pass_rate: float, tags: Sequence[str]) -> CaseOutcome:
        line, statuses = self.newest, self.statuses
        return CaseOutcome(
            key=key,
            row=line["row"],
            pass_rate=pass_rate,
            digest=line["digest"],
            checks_digest=line["checks_digest"],
            planned=line["planned"] or 0,
            is_sampled=line["sampled"] is not False,
            name=line["name"],
            tags=tuple(tags),
            variables=line["vars"],
            passed=statuses["ok"],
            failed=sum(statuses[status] for status in FAILED),
            errors=sum(statuses[status] for status in NO_EVIDENCE),
            failures=dict(sorted(self.failures.items(), key=lambda item: (-item[1], item[0]))),
            latencies_s=self.latencies_s,
            costs_usd=self.costs_usd,
            tokens=self.tokens,
            cost_usd=self.cost_usd,
        )


def _append(values: array[float], value: float | None) -> None:
    if value is not None:
        values.append(value)


def trials(passed: int, answered: int, *, is_sampled: bool, is_passing: bool) -> tuple[int, int]:
    """Passes and trials of a case: copies of one answer, as a model at temperature 0 gives them, are one trial."""
    return (passed, answered) if is_sampled or answered <= 1 else (int(is_passing), 1)


def require_whole(cases: Mapping[CaseKey, CaseOutcome], path: Path) -> None:
    """Raises SettingsError where repeats were left out: the rates of such results cannot be compared.

    A case is stopped early because of how its first repeats came out, so that its rate is not that of all of them.
    """
    part = [case for case in cases.values() if case.asked < case.planned]
    if part:
        first = part[0]
        raise SettingsError(
            f"{path} was not asked to the end: {len(part):,} of {len(cases):,} cases lack repeats that were planned "
            f"({first.key.id} has {first.asked} of {first.planned}), so its pass rates cannot be compared. Run it "
            f"again without `early_stop`, or, where it was interrupted, go on with it: --resume."
        )


def fold(
    path: Path,
    *,
    pass_rate: float = 1.0,
    rates: Mapping[str, float] | None = None,
    tags: Mapping[str, Sequence[str]] | None = None,
    wants: Callable[[Mapping[str, Any]], bool] | None = None,
) -> dict[CaseKey, CaseOutcome]:
    """The cases of a results file, in the order of its rows.

    `rates`, `tags`: the pass rates and tags of some cases, by id, where a spec has them; else `pass_rate` counts, and
    the tags that the lines have. `wants`: which lines count, by default all. Of a repeat that stands there twice the
    last line counts; a last line without its end does not. What is held of a case does not grow with its answers.
    Raises SettingsError for a file that cannot be read or is no results file.
    """
    counting: dict[CaseKey, _Counting] = {}
    seen = HashSet()
    for line, _ in newest_first(path):
        key = CaseKey(line["spec"], line["id"], line["label"])
        if (wants is not None and not wants(line)) or not seen.add(hash((key, line["repeat"]))):
            continue
        if key not in counting:
            counting[key] = _Counting(_kept(line))
        counting[key].add(line)
    rates, tags = rates or {}, tags or {}
    cases = [
        one.outcome(key, rates.get(key.id, pass_rate), tags.get(key.id) or one.newest["tags"] or ())
        for key, one in counting.items()
    ]
    return {case.key: case for case in sorted(cases, key=lambda case: (case.key.spec, case.row, case.key.label))}


def _kept(line: dict[str, Any]) -> dict[str, Any]:
    """What is remembered of a case's last line, with its short variables as text."""
    variables = {
        n: v if isinstance(v, str) else orjson.dumps(v).decode() for n, v in line["vars"].items() if _is_short(v)
    }
    kept = {name: line.get(name) for name in ("row", "digest", "checks_digest", "planned", "sampled", "name", "tags")}
    return {**kept, "vars": variables}


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST_VALUE)


def newest_first(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The lines of a results file, the last first, and where each starts; without those that are not whole.

    Raises SettingsError for a file that cannot be read or is no results file.
    """
    try:
        file = descriptor_of(resolve_named(path))
    except PathProblem as problem:
        raise SettingsError(f"{path} cannot be read: {problem} Name a results file (.jsonl).") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}. Name a results file (.jsonl).") from error
    try:
        if os.fstat(file).st_size:
            yield from _lines(file, path)
    except OSError as error:  # a folder, a pipe
        raise SettingsError(f"{path} cannot be read: {error.strerror}. Name a results file (.jsonl).") from error
    finally:
        os.close(file)


def _lines(file: int, path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        end = line_start(data, len(data) + 1, file, path)
        if end == 0:
            raise SettingsError(f"{path}:1: this line is no result. Name a results file (.jsonl).")
        while end > 0:
            start = line_start(data, end, file, path)
            if data[start:end].strip():
                yield _parsed(data[start:end], path, file, start), start
            end = start


def _parsed(line: bytes, path: Path, file: int, start: int) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
        is_whole = is_result(value) and value["status"] in STATUSES
    except (ValueError, TypeError, KeyError):
        is_whole = False
    if not is_whole:
        number = line_number(file, start)
        raise SettingsError(f"{path}:{number}: this line is no result. Mend or remove it, or name another file.")
    assert isinstance(value, dict)
    return value
