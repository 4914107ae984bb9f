"""What a run may spend: calls, tokens and money. Nothing is sent that could pass it.

Before each send the most that it may come to is set aside; the answer's usage settles it. A send that does not fit
waits for the ones under way to settle, and is refused when nothing is under way any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.errors import BudgetError

if TYPE_CHECKING:
    from throughster.limits.estimate import Estimator
    from throughster.types import Price, Usage

__all__ = ["Amount", "Budget"]

_PROMPT_MARGIN = 1.2  # an estimated prompt may be longer than it looks


@dataclass(slots=True)
class Amount:
    """What a send may come to, or came to."""

    calls: float = 0
    tokens: float = 0
    usd: float = 0.0


class Budget:
    """For one run, on one event loop. None is no limit. `spent_*`: settled so far.

    While nothing is known of how long answers get, and the request does not limit them, one send goes at a time.
    """

    def __init__(self, calls: int | None = None, tokens: int | None = None, usd: float | None = None) -> None:
        self._most = Amount(*(float("inf") if most is None else most for most in (calls, tokens, usd)))
        self._spent = Amount()
        self._reserved = Amount()
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.exhausted = ""

    @property
    def is_bounded(self) -> bool:
        return min(self._most.calls, self._most.tokens, self._most.usd) < float("inf")

    @property
    def needs_tokens(self) -> bool:
        return min(self._most.tokens, self._most.usd) < float("inf")

    @property
    def spent_calls(self) -> int:
        return int(self._spent.calls)

    @property
    def spent_tokens(self) -> int:
        return int(self._spent.tokens)

    @property
    def spent_usd(self) -> float:
        return self._spent.usd

    def shares(self, count: int) -> list[Budget]:
        """The budget, divided among so many who spend it without knowing of each other."""
        most, no_limit = self._most, float("inf")

        def whole(amount: float, n: int) -> int | None:
            return None if amount == no_limit else int(amount) // count + (n < int(amount) % count)

        usd = None if most.usd == no_limit else most.usd / count
        return [Budget(whole(most.calls, n), whole(most.tokens, n), usd) for n in range(count)]

    async def reserve(self, estimator: Estimator, size: int, most: int | None, price: Price | None) -> Amount:
        """Set aside what a request of `size` bytes may come to. Raises BudgetError when it does not fit any more."""
        while True:
            amount, is_blind = self._amount(estimator, size, most, price)
            if self.exhausted:
                raise BudgetError(self.exhausted)
            wrong = self._too_much(amount)
            if not wrong and not (is_blind and self._under_way):
                break
            if not self._under_way:
                self.exhausted = wrong
                self._wake()
                raise BudgetError(wrong)
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._under_way += 1
        self._add(self._reserved, amount, 1)
        return amount

    def settle(self, amount: Amount, usage: Usage | None, price: Price | None, *, sent: bool) -> None:
        """The send is over. `sent`: whether it went out at all; one that brought no usage is taken to cost nothing."""
        self._under_way -= 1
        self._add(self._reserved, amount, -1)
        if sent:
            self._spent.calls += 1
        if usage is not None:
            self._spent.tokens += usage.total_tokens or usage.prompt_tokens + usage.completion_tokens
            self._spent.usd += price.cost_usd(usage) if price else 0.0
        self._wake()

    def _amount(self, estimator: Estimator, size: int, most: int | None, price: Price | None) -> tuple[Amount, bool]:
        if not self.needs_tokens:
            return Amount(1), False
        prompt = estimator.prompt_tokens(size) * _PROMPT_MARGIN
        completion = most if most is not None else estimator.largest_completion
        usd = (prompt * price.input + (completion or 0) * price.output) / 1e6 if price else 0.0
        return Amount(1, prompt + (completion or 0), usd), completion is None

    def _too_much(self, amount: Amount) -> str:
        for name, unit in (("calls", "calls"), ("tokens", "tokens"), ("usd", "USD")):
            most, spent = getattr(self._most, name), getattr(self._spent, name)
            if spent + getattr(self._reserved, name) + getattr(amount, name) > most + 1e-12:
                shown = f"{spent:,.4f} of {most:,.4f}" if name == "usd" else f"{spent:,.0f} of {most:,.0f}"
                return f"The budget is spent: {shown} {unit}, and the next call may need {_shown(amount, name)}."
        return ""

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    @staticmethod
    def _add(to: Amount, amount: Amount, sign: int) -> None:
        to.calls += sign * amount.calls
        to.tokens += sign * amount.tokens
        to.usd += sign * amount.usd


def _shown(amount: Amount, name: str) -> str:
    value = getattr(amount, name)
    return f"{value:,.4f} USD" if name == "usd" else f"{value:,.0f}"
