"""Who judges: what a spec's grader must be able to do, and how its judgements are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from throughster.errors import BudgetError, CassetteError, ThroughsterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from throughster.schema import AnswerSchema
    from throughster.types import Message

__all__ = ["Judge", "JudgeError", "Rating", "asked", "judged"]


class JudgeError(ThroughsterError):
    """A judge could not be asked, or gave no judgement. The check has no result: it has neither passed nor failed."""


class Rating(NamedTuple):
    """A score of several that a model could give: its expectation, and the probability that fell on the scores."""

    score: float
    mass: float


class Judge(Protocol):
    """The grader. Its methods raise JudgeError; errors of a provider, and answers that are none, become one."""

    @property
    def repeat(self) -> int:
        """How often each answer is judged, at least once."""

    async def ask(self, messages: Sequence[Message], schema: dict[str, Any]) -> Any:
        """A JSON value that fits the schema."""

    async def rate(self, messages: Sequence[Message], scores: Sequence[int]) -> Rating | None:
        """One of the scores, weighted by the model's own probabilities; None where the model does not tell them."""

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """The embedding of each text."""


async def asked(judge: Judge, messages: Sequence[Message], schema: AnswerSchema, check: str) -> Any:
    """The judgement, which fits the schema. Raises JudgeError."""
    value = await judged(judge.ask(messages, schema.schema), check)
    errors = schema.validate(value)
    if errors:
        raise JudgeError(f"{check}: the judgement cannot be used: {errors[0]}.")
    return value


async def judged(answer: Awaitable[Any], check: str) -> Any:
    """What a judge answers. Raises JudgeError; a spent budget and a missing recording are no failures of the judge."""
    try:
        return await answer
    except (BudgetError, CassetteError, JudgeError):
        raise
    except ThroughsterError as error:  # whatever it is: no connection, no answer, a grader without embeddings
        raise JudgeError(f"{check}: the judge failed: {error}") from error


async def several(times: int, once: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """What comes of asking so often, all at once. Raises the first error there is, when all have ended."""
    found = await asyncio.gather(*(once(turn) for turn in range(max(1, times))), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found
