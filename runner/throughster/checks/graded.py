"""Checks that a model judges, one answer at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.checks.asking import judgement, messages_of, tagged
from throughster.checks.check import Outcome
from throughster.checks.judge import JudgeError, Rating, asked, judged, several

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import JudgedRun
    from throughster.checks.entry import Entry
    from throughster.checks.judge import Judge
    from throughster.types import Message

__all__ = ["factuality", "g_eval", "llm_rubric"]

_SCORES = (1, 2, 3, 4, 5)
_LEAST_MASS = 0.5  # of the probability; where less falls on the scores, the model said something else
_CATEGORIES = {
    "subset": (0.5, "says less than the reference, and nothing against it"),
    "superset": (0.75, "says more than the reference, and nothing against it"),
    "same": (1.0, "says the same as the reference"),
    "contradiction": (0.0, "contradicts the reference"),
    "irrelevant": (1.0, "differs from the reference in nothing that matters to the facts"),
}
"""Score and meaning of each. The five are those of the fact.yaml in OpenAI's evals."""

_RUBRIC = judgement(passed={"type": "boolean"}, score={"type": "number", "minimum": 0, "maximum": 1})
_FACTS = judgement(category={"type": "string", "enum": list(_CATEGORIES)})
_RATING = judgement(score={"type": "integer", "minimum": _SCORES[0], "maximum": _SCORES[-1]})


def llm_rubric(entry: Entry) -> JudgedRun:
    """The judge says whether the rubric is met, and how well. With a threshold the score decides."""
    task = (
        "You judge an answer by a rubric. Say in one sentence how the answer does, then whether it meets the rubric, "
        f"then how well, from 0 (not at all) to 1 (fully).\n\nThe rubric:\n{entry.text('the rubric')}"
    )

    async def once(messages: Sequence[Message], judge: Judge) -> Outcome:
        found = await asked(judge, messages, _RUBRIC, entry.type)
        return Outcome(found["passed"], float(found["score"]), found["reason"])

    return _repeated(entry, task, once)


def factuality(entry: Entry) -> JudgedRun:
    """All but a contradiction pass. With a threshold the category's score decides."""
    told = "\n".join(f"- {name}: the answer {meaning}" for name, (_, meaning) in _CATEGORIES.items())
    task = (
        "You compare the facts in an answer with those in a reference, whatever the style. Say in one sentence what "
        f"you find, then choose a category:\n{told}\n\n{tagged('reference', entry.text('the reference'))}"
    )

    async def once(messages: Sequence[Message], judge: Judge) -> Outcome:
        found = await asked(judge, messages, _FACTS, entry.type)
        score, meaning = _CATEGORIES[found["category"]]
        return Outcome(score > 0, score, f"the answer {meaning}: {found['reason']}")

    return _repeated(entry, task, once)


def g_eval(entry: Entry) -> JudgedRun:
    """From 1 to 5, the mean weighted by the model's probabilities where it tells them, as a share of that range.

    Source: Liu et al., G-Eval, arXiv 2303.16634, section 2.1.
    """
    task = (
        f"You rate an answer from {_SCORES[0]} (worst) to {_SCORES[-1]} (best) by these criteria.\n\n"
        f"The criteria:\n{entry.text('the criteria')}"
    )
    form = f"Answer with one number out of {', '.join(map(str, _SCORES))}, and with nothing else."

    async def once(messages: Sequence[Message], judge: Judge) -> Outcome:
        system, *rest = messages
        alone = [{**system, "content": f"{system['content']}\n\n{form}"}, *rest]
        found, how = await judged(judge.rate(alone, _SCORES), entry.type), "weighted by probability"
        if found is None:
            answered = await asked(judge, messages, _RATING, entry.type)
            found, how = Rating(float(answered["score"]), 1.0), answered["reason"]
        if found.mass < _LEAST_MASS:
            raise JudgeError(f"{entry.type}: only {found.mass:.0%} of the judge's probability fell on a rating.")
        score = (found.score - _SCORES[0]) / (_SCORES[-1] - _SCORES[0])
        if not 0 <= score <= 1:
            raise JudgeError(f"{entry.type}: the judge's rating is {found.score:g}, not from 1 to 5.")
        return Outcome(score >= entry.limit, score, f"{found.score:.2f} of {_SCORES[-1]}, {how}")

    return _repeated(entry, task, once)


def _repeated(entry: Entry, task: str, once: Callable[[Sequence[Message], Judge], Awaitable[Outcome]]) -> JudgedRun:
    """Asks as often as the judge repeats: the mean score counts, and without a threshold the majority."""

    async def run(subject: Subject, answer: Answer, judge: Judge) -> Outcome:
        messages = messages_of(task, answer, tagged("answer", subject.text))
        outcomes = await several(judge.repeat, lambda _turn: once(messages, judge))
        score = sum(outcome.score for outcome in outcomes) / len(outcomes)
        if entry.threshold is None:
            agreed = sum(outcome.passed for outcome in outcomes)
            passed = 2 * agreed > len(outcomes)
            told = f"score {score:.2f}" + (f", {agreed} of {len(outcomes)} say yes" if len(outcomes) > 1 else "")
        else:
            passed = score >= entry.threshold
            told = f"score {score:.2f} is {'at least' if passed else 'less than'} {entry.threshold:g}"
        telling = next((outcome for outcome in outcomes if outcome.passed == passed), outcomes[0])
        return Outcome(passed, score, f"{told}: {telling.reason}")

    return run
