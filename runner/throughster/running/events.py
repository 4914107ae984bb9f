"""What the engine tells, to whoever listens. It knows nothing of consoles and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from throughster.types import Usage

if TYPE_CHECKING:
    from throughster.errors import ThroughsterError
    from throughster.running.cases import CaseVerdict
    from throughster.running.grader import Bill
    from throughster.running.result import Result

__all__ = [
    "AttemptFailed", "Emit", "Event", "RowFinished", "RunFinished", "RunStarted", "Stopping", "Summary", "TextArrived",
]  # fmt: skip


@dataclass(slots=True)
class Summary:
    """What a run came to. `asked` rows of `total` (None where it cannot be known) have a result.

    `stopped_by`: why scheduling ended before the rows did, in words; `wrong`: the mistake in the data, or the missing
    recording, that ended it. `cached`: rows whose answer came from the cache.
    `provider_down`: rows that failed through the provider, not through themselves. `kept`: rows that an earlier run had
    answered; `whole`: the statuses of all rows in the output, theirs included. `budget_spent`: what ran out, in words.
    `decided`: repeats that were not asked, since the verdict could not change; `grader`: what judging took; `journal`:
    where the results are; `left_out`: tests that were skipped, with the reason; `verdicts`: what became of each test at
    each provider, None where no tests are run. `lost`: a process that ended, in words.
    `interrupted`: by a signal, by a handle, or `cancelled` with the task that it ran in. `held_s`: seconds in which
    rows waited, by what for: concurrency, requests, tokens (per minute), server.
    """

    total: int | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    sends: int = 0
    resent: int = 0
    first_try: int = 0
    cached: int = 0
    elapsed_s: float = 0.0
    provider_down: int = 0
    bugs: int = 0
    kept: int = 0
    budget_spent: str = ""
    lost: str = ""
    journal: str = ""
    decided: int = 0
    grader: Bill | None = None
    verdicts: tuple[CaseVerdict, ...] | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    held_s: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] | None = None
    wrong: ThroughsterError | None = None
    stopped_by: str = ""
    signal: int | None = None
    interrupted: bool = False
    cancelled: bool = False

    @property
    def asked(self) -> int:
        return sum(self.statuses.values())

    @property
    def all_statuses(self) -> Counter[str]:
        """Of all rows in the output."""
        return self.statuses if self.whole is None else self.whole

    def add(self, result: Result) -> None:
        self.statuses[result.status] += 1
        if result.usage is not None:
            self.usage += result.usage
        if result.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + result.cost_usd
        self.sends += len(result.attempts)
        self.resent += max(0, len(result.attempts) - 1)
        self.cached += result.cached
        self.first_try += result.status == "ok" and len(result.attempts) <= 1


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`notes`: what the user should know before anything else, such as that the answers are canned.

    `done`: rows that an earlier run has answered.
    """

    name: str
    file: str
    labels: tuple[str, ...]
    total: int | None
    journal: str
    notes: tuple[str, ...] = ()
    done: int = 0


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One send failed; the question goes on or ends in a RowFinished."""

    label: str
    row: int
    error: str


@dataclass(frozen=True, slots=True)
class TextArrived:
    """A piece of a streamed answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """The run was interrupted, and gives `under_way` calls up to `grace_s` seconds; None where they are not counted.

    `by_signal`: a second signal ends the process at once.
    """

    under_way: int | None
    grace_s: float
    by_signal: bool


@dataclass(frozen=True, slots=True)
class RowFinished:
    """A result that is on disk."""

    result: Result


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The end, whatever it is."""

    name: str
    summary: Summary
    journal: str


Event: TypeAlias = RunStarted | AttemptFailed | TextArrived | RowFinished | Stopping | RunFinished
Emit: TypeAlias = Callable[[Event], None]
