"""The pace of answers: tokens per second of each, and of all of them together."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Throughput", "Writing"]

_EARLY_S: Final = 0.0005  # event loops count whole milliseconds; what is due within half of one is due


class Throughput:
    """Each answer under way gets at most `per_answer` tokens per second, and an equal part of `capacity`.

    None is no limit. As all of them get the same, one count of the tokens that each has been given since the server's
    start is enough: an answer has its tokens when that count has grown by as many. `under_way`: how many there are.
    """

    def __init__(self, per_answer: float | None, capacity: float | None) -> None:
        self.under_way = 0
        self._per_answer = per_answer
        self._capacity = capacity
        self._given = 0.0
        self._counted_at = time.perf_counter()
        self._numbers = count()  # decide between equals
        self._due: list[tuple[float, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def answer(self) -> Iterator[Writing]:
        """An answer is under way inside the context."""
        self._count()
        self.under_way += 1
        self._look()
        try:
            yield Writing(self, self._given)
        finally:
            self._count()
            self.under_way -= 1
            self._look()

    @property
    def rate(self) -> float | None:
        """Tokens per second that each answer gets now; None for as many as it likes."""
        if self._capacity is None:
            return self._per_answer
        part = self._capacity / max(1, self.under_way)
        return part if self._per_answer is None else min(part, self._per_answer)

    async def until(self, given: float) -> None:
        """Wait until each has been given so many tokens since the start."""
        self._count()
        if self.rate is None or given <= self._given:
            return
        due = asyncio.get_running_loop().create_future()
        heappush(self._due, (given, next(self._numbers), due))
        if self._due[0][2] is due:
            self._look()
        await due

    def _count(self) -> None:
        now = time.perf_counter()
        self._given += (self.rate or 0.0) * (now - self._counted_at)
        self._counted_at = now

    def _look(self) -> None:
        """Let go those that are due, and come back for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rate = self.rate
        if rate is None:
            return
        while self._due and (self._due[0][2].done() or self._due[0][0] <= self._given + rate * _EARLY_S):
            _, _, due = heappop(self._due)
            if not due.done():
                due.set_result(None)
        if self._due:
            wait_s = (self._due[0][0] - self._given) / rate
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._count()
        self._look()


class Writing:
    """One answer under way."""

    def __init__(self, throughput: Throughput, begun_at: float) -> None:
        self._throughput = throughput
        self._begun_at = begun_at

    async def reach(self, tokens: float) -> None:
        """Wait until so many tokens of it are written."""
        await self._throughput.until(self._begun_at + tokens)
