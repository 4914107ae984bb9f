"""Checks of what an answer took: seconds, tokens, money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.checks.answer import Unanswerable
from throughster.checks.check import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Run
    from throughster.checks.entry import Entry

__all__ = ["cost", "first_token", "latency", "tokens"]


def latency(entry: Entry) -> Run:
    """Seconds of the send that was answered, waits and earlier sends left out."""
    return _at_most(entry, lambda answer: answer.latency_s, "s", "it is not known how long the answer took")


def first_token(entry: Entry) -> Run:
    """Seconds until the first token of a streamed answer."""
    why = "the answer was not streamed, so there is no first token; set `stream: true`"
    return _at_most(entry, lambda answer: answer.first_token_s, "s", why)


def cost(entry: Entry) -> Run:
    """USD, by the tokens and the provider's `price`."""
    why = "the cost is not known; give the provider a `price`"
    return _at_most(entry, lambda answer: answer.cost_usd, "USD", why)


def tokens(entry: Entry) -> Run:
    """Tokens of prompt and answer together."""
    return _at_most(entry, _total, "tokens", "the provider did not count the tokens")


def _total(answer: Answer) -> float | None:
    return None if answer.usage is None else answer.usage.total_tokens


def _at_most(entry: Entry, measured: Callable[[Answer], float | None], unit: str, unknown: str) -> Run:
    most = entry.limit

    def run(_subject: Subject, answer: Answer) -> Outcome:
        value = measured(answer)
        if value is None:
            raise Unanswerable(unknown)
        passed = value <= most
        return Outcome.of(passed, f"{value:.6g} {unit}, {'within' if passed else 'more than'} the {most:.6g} allowed")

    return run
