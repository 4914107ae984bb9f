"""Answers held against the checks of their case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from throughster.checks import Answer, JudgeError, verdict_of
from throughster.running.result import Failure
from throughster.types import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.checks import Check, Judge
    from throughster.running.cases import Case
    from throughster.running.result import Result
    from throughster.types import CheckResult, Message

__all__ = ["EXAMINED", "Rivals", "answer_of", "compare", "examine"]

_ABOUT_THE_END = ("is-refusal", "finish-reason")
"""Checks that a refusal, or an answer that was cut, may be what a test wants."""
_CHECKED = ("ok", "refused", "truncated", "filtered")
EXAMINED = (*_CHECKED, "failed")
"""Statuses of answers that checks, or further checks, may still look at."""


def answer_of(result: Result, messages: Sequence[Message], *, has_output: bool) -> Answer:
    """What the checks see of a result."""
    return Answer(
        text=result.text or "",
        output=result.output,
        has_output=has_output and result.status == "ok" and not result.tool_calls,
        vars=result.vars,
        messages=tuple(messages),
        tool_calls=tuple(ToolCall(call.id, call.name, call.arguments) for call in result.tool_calls),
        finish_reason=result.finish_reason,
        refusal=result.refusal,
        usage=result.usage,
        cost_usd=result.cost_usd,
        latency_s=result.latency_s,
        first_token_s=result.first_token_s,
    )


async def examine(result: Result, answer: Answer, case: Case, judge: Judge | None) -> list[Result]:
    """The result, alone, with what the checks say; those that compare answers are left for `compare`."""
    if result.status not in _CHECKED:
        return [result]
    try:
        found = [await _one(check, answer, judge) for check in case.checks if not check.is_comparative]
    except JudgeError as error:
        return [replace(result, status="judge_error", error=Failure("JudgeError", str(error)))]
    return [_judged(result, case, [check for check in case.checks if not check.is_comparative], found)]


async def _one(check: Check, answer: Answer, judge: Judge | None) -> CheckResult:
    if not check.is_graded:
        return check.run(answer)
    assert judge is not None, "a spec whose checks ask a judge has one"
    return await check.judge(answer, judge)


class Rivals:
    """Answers to tests that compare them, until the last one of each is there. `count`: how many that are."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._groups: dict[tuple[str, int], list[tuple[Result, Answer]]] = {}

    def add(self, result: Result, answer: Answer) -> list[tuple[Result, Answer]]:
        """All answers to the case, when this is the last one; else nothing."""
        key = (result.id, result.repeat)
        group = self._groups.setdefault(key, [])
        group.append((result, answer))
        return self._groups.pop(key) if len(group) == self._count else []

    def lonely(self) -> Iterator[Result]:
        """Those whose rivals never came: they are kept, and asked again by the next run."""
        why = Failure("NotCompared", "The other answers to compare with are missing.")
        for group in self._groups.values():
            for result, _ in group:
                yield replace(result, status="skipped", error=result.error or why)


async def compare(pairs: Sequence[tuple[Result, Answer]], case: Case, judge: Judge) -> list[Result]:
    """The results of one case at several providers, with what the checks that compare them say."""
    results = [result for result, _ in pairs]
    able = [n for n, result in enumerate(results) if result.status in ("ok", "failed")]
    plain = [check for check in case.checks if not check.is_comparative]
    comparing = [check for check in case.checks if check.is_comparative]
    from throughster.checks import pick_best  # with the kinds that ask a judge

    try:
        rounds = [await pick_best(check, [pairs[n][1] for n in able], judge) for check in comparing]
    except JudgeError as error:
        reason = Failure("JudgeError", str(error))
        return [replace(r, status="judge_error", error=reason) if n in able else r for n, r in enumerate(results)]
    for place, n in enumerate(able):
        result = replace(results[n], status="ok")
        found = [*result.checks, *(told[place] for told in rounds)]
        results[n] = _judged(result, case, [*plain, *comparing], found)
    return results


def _judged(result: Result, case: Case, checks: Sequence[Check], found: Sequence[CheckResult]) -> Result:
    if not checks:
        return replace(result, checks=tuple(found))
    is_wanted = result.status == "ok" or any(
        check.type in _ABOUT_THE_END and told.passed for check, told in zip(checks, found, strict=True)
    )
    if not is_wanted:
        return replace(result, checks=tuple(found))
    verdict = verdict_of(checks, found, case.threshold)
    return replace(result, checks=tuple(found), status="ok" if verdict.passed else "failed")
