"""The admission gate: how many sends may be under way at once.

One gate holds for all questions of a client. With `adaptive` it looks for the server's capacity below
`max_in_flight`: it starts at 20 at most, doubles per round of good replies until the server first pushes back, then
falls to 0.7 of itself once per episode and grows by one per full round. It never grows while less than half of it is
in use, so that an idle hour does not end in a burst. (AIMD; the factors are those of AWS's adaptive client, the
use rule that of Netflix's concurrency-limits.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from throughster.types import Limits

__all__ = ["Gate", "Ticket"]

Ticket: TypeAlias = tuple[int, int]
"""The gate's epoch when a place was taken, and how much was under way then."""

_START = 20
_BACK_OFF = 0.7


class Gate:
    """First come, first served. `limit` is the present limit, `in_flight` what is under way."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.max_in_flight
        self._adaptive = limits.adaptive
        self._limit = float(min(_START, self._most) if limits.adaptive else self._most)
        self._doubling = True
        self._epoch = 0  # counts the reductions: a reply to a send from before one says nothing about the present limit
        self._peak = 0  # the most that was under way since the last reduction
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    async def enter(self) -> Ticket:
        """Wait for a place. The ticket that comes back goes to `leave`."""
        if self.in_flight < self.limit and not self._waiting:
            self._take()
        else:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():  # the place was given in the moment of the cancellation
                    self.in_flight -= 1
                    self._admit()
                raise
        return self._epoch, self.in_flight

    def leave(self, ticket: Ticket, *, pushed_back: bool = False) -> None:
        """Give the place back. `pushed_back`: the server said that it was too much."""
        epoch, used = ticket
        if self._adaptive and epoch == self._epoch:
            if pushed_back:
                self._shrink()
            elif 2 * used >= self._limit < self._most:
                self._limit = min(float(self._most), self._limit + (1.0 if self._doubling else 1.0 / self._limit))
        self.in_flight -= 1
        self._admit()

    def _shrink(self) -> None:
        self._limit = max(1.0, min(self._limit, float(self._peak)) * _BACK_OFF)
        self._epoch += 1
        self._doubling = False
        self._peak = self.in_flight

    def _take(self) -> None:
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._take()
                place.set_result(None)
