"""The model that judges answers: a client of its own, with limits and a bill of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from throughster.checks import JudgeError, Rating
from throughster.client import CLIENTS
from throughster.errors import AnswerError, BadRequestError, RequestError
from throughster.limits import Watch
from throughster.types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.client import Interface, Question
    from throughster.limits import Budget
    from throughster.running.targets import GraderPlan
    from throughster.types import Message, Response

__all__ = ["Bill", "Grader", "open_grader"]


@dataclass
class Bill:
    """What judging took. `cost_usd`: None where the grader has no price."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None

    def __add__(self, other: Bill) -> Bill:
        costs = [bill.cost_usd for bill in (self, other) if bill.cost_usd is not None]
        return Bill(self.calls + other.calls, self.usage + other.usage, sum(costs) if costs else None)


def open_grader(plan: GraderPlan, budget: Budget | None) -> Grader:
    """`budget`: what the whole run may spend."""
    client = CLIENTS[plan.spec.provider.name](
        address=plan.address,
        limits=plan.spec.concurrency,
        timeout=plan.timeout,
        retry=plan.retry,
        endpoint=plan.spec.provider.endpoint,
    )
    return Grader(client, plan.spec.provider.params, plan.spec.repeat, budget)


class Grader:
    """Judges; see `checks.Judge`. `bill`: what that took so far."""

    def __init__(self, client: Interface, params: Mapping[str, Any], repeat: int, budget: Budget | None) -> None:
        self.repeat = repeat
        self.bill = Bill()
        self._client = client
        self._params = {"temperature": 0, **params}
        self._budget = budget
        self._questions: dict[bytes, Question] = {}

    async def ask(self, messages: Sequence[Message], schema: dict[str, Any]) -> Any:
        """A JSON value that fits the schema. Raises ProviderError and AnswerError."""
        key = orjson.dumps(schema)
        question = self._questions.get(key)
        if question is None:
            question = self._questions[key] = await self._client.question(self._params, schema=schema)
        response = await question.ask(messages, watch=Watch(self._budget))
        self._count(response)
        return response.validated_schema

    async def rate(self, messages: Sequence[Message], scores: Sequence[int]) -> Rating | None:
        """The expectation of the score; None where the model does not tell its probabilities."""
        from throughster.client.scoring import nlg_score, scored_request

        asked = scored_request({**self._params, "messages": list(messages)}, [], scores)
        fields = {name: value for name, value in asked.items() if name != "messages"}
        try:
            question = await self._client.question(fields, choices=[str(score) for score in scores])
            response = await question.ask(messages, watch=Watch(self._budget))
        except (BadRequestError, RequestError) as error:
            if "logprobs" in f"{error} {getattr(error, 'param', '')}":
                return None  # a model that does not tell them
            raise
        self._count(response)
        if not response.logprobs:
            return None
        try:
            told = nlg_score(response, scores)
        except AnswerError as error:
            raise JudgeError(str(error)) from error
        return Rating(told["score"], told["mass"])

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text. Raises ProviderError."""
        vectors, usage = await self._client.embed(texts)
        self.bill.calls += 1
        self._add(usage)
        return vectors

    async def close(self) -> None:
        await self._client.close()

    def _count(self, response: Response) -> None:
        self.bill.calls += len(response.retry_stats.attempts)
        if not response.cached:
            self._add(response.usage)

    def _add(self, usage: Usage | None) -> None:
        price = self._client.address.price
        if usage is not None:
            self.bill.usage += usage
            if price is not None:
                self.bill.cost_usd = (self.bill.cost_usd or 0.0) + price.cost_usd(usage)
