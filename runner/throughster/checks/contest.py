"""`select-best`: a judge chooses among the answers to one case, those of several providers or prompts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from throughster.checks.answer import Subject, Unanswerable
from throughster.checks.asking import judgement, messages_of, tagged
from throughster.checks.check import Outcome
from throughster.checks.judge import asked, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.checks.answer import Answer
    from throughster.checks.check import Check, Contest
    from throughster.checks.entry import Entry
    from throughster.checks.judge import Judge
    from throughster.types import CheckResult

__all__ = ["pick_best", "select_best"]


def select_best(entry: Entry) -> Contest:
    """The best answer passes. Each repeat of the judge sees the answers in another order; the share of wins counts."""
    criteria = entry.text("the criteria")

    async def run(subjects: Sequence[Subject], answer: Answer, judge: Judge) -> list[Outcome]:
        count = len(subjects)
        task = (
            f"You choose the best of {count} answers by these criteria:\n{criteria}\n\nSay in one sentence what makes "
            "it the best, without its number, then give its number."
        )
        schema = judgement(best={"type": "integer", "minimum": 1, "maximum": count})

        async def once(turn: int) -> tuple[int, str]:
            order = [(place + turn) % count for place in range(count)]
            texts = (tagged("answer", subjects[n].text, number=place) for place, n in enumerate(order, 1))
            found = await asked(judge, messages_of(task, answer, "\n\n".join(texts)), schema, entry.type)
            return order[int(found["best"]) - 1], found["reason"]

        return _outcomes(await several(judge.repeat, once), count)

    return run


def _outcomes(choices: list[tuple[int, str]], count: int) -> list[Outcome]:
    wins = Counter(chosen for chosen, _ in choices)
    most = max(wins.values())
    why = next(reason for chosen, reason in choices if wins[chosen] == most)
    outcomes = []
    for n in range(count):
        is_best = wins[n] == most
        reason = next(reason for chosen, reason in choices if chosen == n) if is_best else why
        told = f"{'the best' if is_best else 'another is better'}, chosen in {wins[n]} of {len(choices)} judgements"
        outcomes.append(Outcome(is_best, wins[n] / len(choices), f"{told}: {reason}"))
    return outcomes


async def pick_best(check: Check, answers: Sequence[Answer], judge: Judge) -> tuple[CheckResult, ...]:
    """What a comparative check says of each of the answers to one case, in their order. Raises JudgeError.

    An answer without the part at the check's `path` does not take part, and fails. One answer alone is no best.
    """
    results: dict[int, CheckResult] = {}
    subjects: dict[int, Subject] = {}
    for n, answer in enumerate(answers):
        try:
            subjects[n] = check.subject(answer)
        except Unanswerable as why:
            results[n] = check.unevaluated(str(why))
    try:
        outcomes = await _contest(check, list(subjects.values()), answers, judge)
        results |= {n: check.result(check.turned(outcome)) for n, outcome in zip(subjects, outcomes, strict=True)}
    except Unanswerable as why:
        results |= dict.fromkeys(subjects, check.unevaluated(str(why)))
    return tuple(results[n] for n in range(len(answers)))


async def _contest(
    check: Check, subjects: Sequence[Subject], answers: Sequence[Answer], judge: Judge
) -> Sequence[Outcome]:
    if len(subjects) < 2:
        raise Unanswerable("there is no other answer to this case to compare with")
    run: Contest = check.runner(answers[0])
    return await run(subjects, answers[0], judge)
