"""A compiled check, and what it says of an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from throughster.checks.answer import Answer, Subject, Unanswerable, json_text
from throughster.checks.jsonpath import JsonPath
from throughster.errors import ThroughsterError
from throughster.prompts import PromptError, Reference
from throughster.redact import one_line
from throughster.types import CheckResult

if TYPE_CHECKING:
    from throughster.checks.judge import Judge

__all__ = ["Check", "Contest", "JudgedRun", "Outcome", "Run", "Use", "WrongCheck"]

_WIDTH = 400


class WrongCheck(ThroughsterError):  # noqa: N818 - it becomes a Problem of the spec, with a position
    """An entry that cannot be used. `at`: keys and indexes below the entry; `at_key`: whether the key is wrong."""

    def __init__(self, message: str, hint: str = "", at: tuple[str | int, ...] = (), *, at_key: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        self.at_key = at_key


class Outcome(NamedTuple):
    """What a check found. `score`: 0 to 1. `reason`: what is so, whether the check is negated or not."""

    passed: bool
    score: float
    reason: str

    @classmethod
    def of(cls, passed: bool, reason: str) -> Outcome:
        return cls(passed, 1.0 if passed else 0.0, reason)


Run: TypeAlias = Callable[[Subject, Answer], Outcome]
"""Raises Unanswerable."""
JudgedRun: TypeAlias = Callable[[Subject, Answer, "Judge"], Awaitable[Outcome]]
"""Raises Unanswerable and JudgeError."""
Contest: TypeAlias = Callable[[Sequence[Subject], Answer, "Judge"], Awaitable[list[Outcome]]]
"""An outcome for each of the answers to the case of one of them. Raises JudgeError."""


class Use(NamedTuple):
    """A use of a variable in a check's value. `at`: where below the entry; `source`: the text that holds it."""

    at: tuple[str | int, ...]
    reference: Reference
    source: str


@dataclass(frozen=True)
class Check:
    """A compiled entry. `type`: as it was written, with `not-` where it is negated.

    `make`: gives what runs, for the variables of a case. `needs`: what it cannot do without, of "grader", "embeddings",
    "stream", "price" and "rivals" (several answers to the same case). `uses`: the variables in its value.
    `index`: the place of its entry in the list.
    """

    type: str
    negated: bool
    make: Callable[[Mapping[str, Any]], Run | JudgedRun | Contest] = field(repr=False)
    weight: float = 1.0
    metric: str | None = None
    path: JsonPath | None = None
    needs: frozenset[str] = frozenset()
    uses: tuple[Use, ...] = field(default=(), repr=False)
    index: int = 0

    @property
    def is_graded(self) -> bool:
        """Whether `judge` is what evaluates it, not `run`."""
        return bool(self.needs & {"grader", "embeddings"})

    @property
    def is_comparative(self) -> bool:
        """Whether it compares the answers to a case: `pick_best` evaluates it."""
        return "rivals" in self.needs

    def run(self, answer: Answer) -> CheckResult:
        """What the check says of the answer. Nothing that the answer holds makes it raise."""
        try:
            return self.result(self.outcome(answer))
        except Unanswerable as why:
            return self.unevaluated(str(why))

    async def judge(self, answer: Answer, judge: Judge) -> CheckResult:
        """The same for any check but a comparative one. Raises JudgeError."""
        try:
            return self.result(await self.judged_outcome(answer, judge))
        except Unanswerable as why:
            return self.unevaluated(str(why))

    def outcome(self, answer: Answer) -> Outcome:
        """What is found, negated where the check is. Raises Unanswerable."""
        if self.is_graded:
            raise TypeError(f"`{self.type}` is judged: await `judge`")
        run = self.runner(answer)
        return self.turned(run(self.subject(answer), answer))

    async def judged_outcome(self, answer: Answer, judge: Judge) -> Outcome:
        """The same for any check but a comparative one. Raises Unanswerable and JudgeError."""
        if not self.is_graded:
            return self.outcome(answer)
        if self.is_comparative:
            raise TypeError(f"`{self.type}` compares answers: await `pick_best`")
        run = self.runner(answer)
        return self.turned(await run(self.subject(answer), answer, judge))

    def runner(self, answer: Answer) -> Any:
        """What runs for the variables of the answer's case. Raises Unanswerable where its value comes to nothing."""
        try:
            return self.make(answer.vars)
        except WrongCheck as wrong:
            raise Unanswerable(wrong.message) from None
        except PromptError as error:
            raise Unanswerable(f"its value cannot be rendered: {error.reason}") from None

    def subject(self, answer: Answer) -> Subject:
        """What the check looks at. Raises Unanswerable where `path` leads to nothing."""
        if self.path is None:
            return Subject(answer.output if answer.has_output else answer.text, answer.text, answer.has_output)
        value = self.path.find(answer.json)
        return Subject(value, json_text(value), is_json=True)

    def turned(self, outcome: Outcome) -> Outcome:
        if not self.negated:
            return outcome
        return Outcome(not outcome.passed, 1.0 - outcome.score, outcome.reason)

    def result(self, outcome: Outcome) -> CheckResult:
        path = None if self.path is None else self.path.text
        return CheckResult(
            self.type, outcome.passed, outcome.score, one_line(f"{self.type}: {outcome.reason}", _WIDTH), path
        )

    def unevaluated(self, why: str) -> CheckResult:
        """A check that cannot be evaluated has failed, negated or not."""
        return self.result(Outcome(passed=False, score=0.0, reason=f"cannot be evaluated: {why}"))
