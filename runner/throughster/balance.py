"""Several clients that share one stream of requests; one that fails cools down while the others go on."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from throughster.client import Calls, Interface, Question
from throughster.errors import AuthError, NotFoundError, ProviderError, QuotaError, RequestError
from throughster.exchanges import playing
from throughster.limits import Watch
from throughster.types import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from throughster.client.course import Kind
    from throughster.client.forms import Form
    from throughster.client.sending import OnDelta
    from throughster.types import Attempt, Message, Piece, Response

__all__ = ["LoadBalancer"]

Strategy: TypeAlias = Literal["least_busy", "random", "weighted"]

_COOL_DOWN_S = 5.0
_CLOSED_S = 60.0
"""For a member whose key, quota or model is wrong: trying it again soon would fail again."""
_ONE_SEND = Retry(max_attempts=1)


class _Member:
    """A client and how it fares."""

    def __init__(self, client: Interface, weight: float) -> None:
        self.client = client
        self.weight = weight
        self.in_flight = 0
        self.cool_until = 0.0
        self.last_error: ProviderError | None = None
        self.is_down = False

    def cool(self, error: ProviderError) -> None:
        closed = error.service_down or isinstance(error, AuthError | QuotaError | NotFoundError)
        self.last_error = error
        self.is_down = error.service_down
        seconds = _CLOSED_S if closed else error.retry_after_s or _COOL_DOWN_S
        self.cool_until = max(self.cool_until, time.monotonic() + seconds)


class LoadBalancer(Calls):
    """Has the methods of a client, and asks one of `clients` each time.

    `strategy`: `least_busy` takes the one with the fewest requests under way (by weight), `random` any, `weighted` any
    by `weights`. A client that throttles, fails or cannot be reached rests for as long as it asked (else 5 s), one
    whose key or model is refused for a minute; its requests go to the others at once. All together, a question is sent
    as often as the first client's `retry` says.
    """

    def __init__(
        self,
        clients: Sequence[Interface],
        *,
        strategy: Strategy = "least_busy",
        weights: Sequence[float] | None = None,
    ) -> None:
        if not clients:
            raise RequestError("A LoadBalancer needs at least one client.")
        if strategy not in ("least_busy", "random", "weighted"):
            raise RequestError(f"`{strategy}` is no strategy; there are least_busy, random and weighted.")
        weights = [1.0] * len(clients) if weights is None else list(weights)
        if len(weights) != len(clients) or any(weight <= 0 for weight in weights):
            raise RequestError(f"`weights` must be {len(clients)} positive numbers, one per client.")
        self._strategy: Strategy = strategy
        self._members = [_Member(client, weight) for client, weight in zip(clients, weights, strict=True)]

    @property
    def source(self) -> str:
        """The clients' sources."""
        return ", ".join(member.client.source for member in self._members)

    @property
    def retry(self) -> Retry:
        """How often a question is sent, over all clients."""
        return self._members[0].client.retry

    async def question(self, fields: Mapping[str, Any], **options: Any) -> Question:
        """See `Calls.question`; one per client, made up front, so that a wrong request is told before sending."""
        questions = [await member.client.question(fields, **options) for member in self._members]
        return _BalancedQuestion(self, questions, **options) if len(questions) > 1 else questions[0]

    async def list_models(self) -> list[str]:
        """The names of the models that any of the clients lists."""
        names: dict[str, None] = {}
        for member in self._members:
            names.update(dict.fromkeys(await member.client.list_models()))
        return list(names)

    async def hold_nothing_back(self) -> None:
        """See `Calls.hold_nothing_back`."""
        for member in self._members:
            await member.client.hold_nothing_back()

    def held_s(self) -> Mapping[str, float]:
        """See `Calls.held_s`; summed over the clients."""
        held: Counter[str] = Counter()
        for member in self._members:
            held.update(member.client.held_s())
        return held

    async def close(self) -> None:
        """Close the clients."""
        for member in self._members:
            await member.client.close()

    def __repr__(self) -> str:
        return f"LoadBalancer([{self.source}], strategy={self._strategy!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {
            "clients": [member.client for member in self._members],
            "strategy": self._strategy,
            "weights": [member.weight for member in self._members],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a copy is made as the original was

    def pick(self) -> int | None:
        """The member to ask now, or None while all of them rest."""
        now = time.monotonic()
        able = [n for n, member in enumerate(self._members) if member.cool_until <= now]
        if not able:
            return None
        if self._strategy == "least_busy":
            least = min(self._members[n].in_flight / self._members[n].weight for n in able)
            able = [n for n in able if self._members[n].in_flight / self._members[n].weight == least]
        weights = [self._members[n].weight if self._strategy == "weighted" else 1.0 for n in able]
        return random.choices(able, weights)[0]  # noqa: S311 - spreads load, guards nothing

    def member(self, n: int) -> _Member:
        return self._members[n]

    def closed_by(self) -> ProviderError | None:
        """What closed the members, when every one of them is down or has an error that waiting does not mend."""
        errors = [member.last_error for member in self._members]
        for member, error in zip(self._members, errors, strict=True):
            if error is None or (error.retryable and not member.is_down):
                return None
        return errors[0]

    def last_error(self) -> ProviderError | None:
        """The error of the member that rests the shortest."""
        return min(self._members, key=lambda member: member.cool_until).last_error

    def next_free_s(self) -> float:
        """Seconds until the first member has rested."""
        return max(0.0, min(member.cool_until for member in self._members) - time.monotonic())


class _BalancedQuestion(Question):
    """A question that any of several clients may answer."""

    def __init__(self, balancer: LoadBalancer, questions: Sequence[Question], **options: Any) -> None:
        self._balancer = balancer
        self._questions = questions
        self._make_form = questions[0]._make_form  # noqa: SLF001 - only whether there is one
        self._max_attempts = options.get("max_attempts", 3)

    def forget(self, asked: Sequence[Sequence[Message]]) -> None:
        """See `Question.forget`."""
        for question in self._questions:
            question.forget(asked)

    def is_recorded(self, messages: Sequence[Message]) -> bool:
        """See `Question.is_recorded`."""
        return any(question.is_recorded(messages) for question in self._questions)

    def _played_by(self, messages: Sequence[Message]) -> int | None:
        """While a tape is played: the member that its recording is of."""
        if playing() is None:
            return None
        return next((n for n, question in enumerate(self._questions) if question.is_recorded(messages)), 0)

    async def once(
        self,
        messages: Sequence[Message],
        sends: list[Attempt],
        kind: Kind,
        *,
        retry: Retry | None = None,
        on_delta: OnDelta | None = None,
        watch: Watch | None = None,
    ) -> tuple[Response, Form | None]:
        """See `Question.once`."""
        rounds, watch = _Rounds(self._balancer, retry, sends), _impatient(watch)
        while True:
            n = self._played_by(messages)
            n = await rounds.next_member() if n is None else n
            with rounds.asking(n):
                return await self._questions[n].once(
                    messages, sends, kind, retry=_ONE_SEND, on_delta=on_delta, watch=watch
                )
            rounds.check()
            kind = "transport"

    async def stream(
        self,
        messages: Sequence[Message],
        sends: list[Attempt] | None = None,
        *,
        retry: Retry | None = None,
        watch: Watch | None = None,
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        """See `Question.stream`; another client takes over only before the first event."""
        sends = [] if sends is None else sends
        rounds, watch = _Rounds(self._balancer, retry, sends), _impatient(watch)
        while True:
            n = self._played_by(messages)
            n = await rounds.next_member() if n is None else n
            with rounds.asking(n):
                items = self._questions[n].stream(messages, sends, retry=_ONE_SEND, watch=watch)
                async with aclosing(items):
                    async for item in items:
                        rounds.is_final = rounds.is_final or bool(item)
                        yield item
                return
            rounds.check()


def _impatient(watch: Watch | None) -> Watch:
    """Nobody queues at a member that is closed: another may answer."""
    return Watch(patient=False) if watch is None else replace(watch, patient=False)


class _Rounds:
    """The course of one question over the members."""

    def __init__(self, balancer: LoadBalancer, retry: Retry | None, sends: list[Attempt]) -> None:
        self._balancer = balancer
        self._sends = sends
        self._sends_before = len(sends)
        self._retry = retry or balancer.retry
        self._ends_at = time.monotonic() + self._retry.deadline_s
        self._failure: ProviderError | None = None
        self._asked = 0
        self.is_final = False

    async def next_member(self) -> int:
        """The member to ask, after waiting for one to have rested where all of them do."""
        n = self._balancer.pick()
        while n is None:
            if (cause := self._balancer.closed_by()) is not None:
                raise cause
            if time.monotonic() + self._balancer.next_free_s() > self._ends_at:
                cause = self._failure or self._balancer.last_error()
                assert cause is not None
                raise cause
            rest_s = self._balancer.next_free_s() + random.uniform(0.0, 0.05)  # noqa: S311
            await asyncio.sleep(rest_s)
            n = self._balancer.pick()
        return n

    def asking(self, n: int) -> _Rounds:
        self._asked = n
        return self

    def __enter__(self) -> None:
        self._balancer.member(self._asked).in_flight += 1

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        member = self._balancer.member(self._asked)
        member.in_flight -= 1
        self._failure = error if isinstance(error, ProviderError) else None
        if self._failure is None:
            return False
        moves_on = self._failure.retryable or isinstance(self._failure, AuthError | QuotaError | NotFoundError)
        if moves_on:
            member.cool(self._failure)
        return moves_on and not self.is_final

    def check(self) -> None:
        """Raise the failure when nobody is left who could do better, or the sends are used up."""
        failure = self._failure
        assert failure is not None
        wait_s = self._balancer.next_free_s()
        used_up = (
            len(self._sends) - self._sends_before >= self._retry.max_attempts
            or time.monotonic() + wait_s > self._ends_at
        )
        if used_up or (not failure.retryable and wait_s > 0):
            raise failure
