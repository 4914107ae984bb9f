"""How many sends may be under way at once.

With `adaptive` the gate looks for the server's capacity below `max_in_flight`: it starts at 20 at most, doubles per
round of good replies until the server first pushes back, then falls to 0.7 of what was under way, once per episode.
From there it climbs back fast, lingers just below the place where it was pushed back, and then tries beyond it (the
cubic curve of RFC 9438, with rounds of replies in place of seconds). It never grows while less than half of it is in
use, so that an idle hour does not end in a burst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughster.types import Limits

__all__ = ["Gate"]

_START = 20
_BACK_OFF = 0.7  # RFC 9438, section 4.6
_STEEPNESS = 0.4  # RFC 9438, section 5.1: the constant C


class Gate:
    """Arithmetic only: nobody waits here. `limit` is the present limit, `in_flight` what is under way.

    `epoch` counts the reductions: a reply to a send from before one says nothing about the present limit.
    """

    def __init__(self, limits: Limits) -> None:
        self.most = limits.max_in_flight
        self.in_flight = 0
        self.epoch = 0
        self._adaptive = limits.adaptive
        self._exact = float(min(_START, self.most) if limits.adaptive else self.most)
        self.limit = int(self._exact)
        self._doubling = True
        self._peak = 0  # the most that was under way since the last reduction
        self._plateau = 0.0  # just below where the server last pushed back
        self._rounds = 0.0  # of good replies, since then
        self._rounds_back = 0.0  # how many of them lead back to the plateau

    @property
    def is_full(self) -> bool:
        return self.in_flight >= self.limit

    def take(self) -> None:
        """Count one more under way."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)

    def give_back(self) -> None:
        """Count one fewer under way."""
        self.in_flight -= 1

    def grow(self, used: int) -> None:
        """A good reply came to a send of this epoch, made when `used` were under way."""
        exact = self._exact
        if not self._adaptive or 2 * used < exact or exact >= self.most:
            return
        if self._doubling:
            exact += 1.0
        else:
            self._rounds += 1.0 / exact
            exact = max(exact, self._plateau + _STEEPNESS * (self._rounds - self._rounds_back) ** 3)
        self._set(exact)

    def shrink(self, least: int = 1) -> None:
        """The server said that it was too much. Never below `least`."""
        if not self._adaptive:
            return
        pushed_at = min(self._exact, float(self._peak))
        self._set(max(min(float(least), self._exact), pushed_at * _BACK_OFF))
        self._plateau = max(self._exact, pushed_at - 1.0)
        self._rounds = 0.0
        self._rounds_back = ((self._plateau - self._exact) / _STEEPNESS) ** (1 / 3)
        self.epoch += 1
        self._doubling = False
        self._peak = self.in_flight

    def restart(self) -> None:
        """The server is back after an outage: what it pushed back before says little."""
        self._doubling = True

    def _set(self, exact: float) -> None:
        self._exact = min(float(self.most), exact)
        self.limit = int(self._exact)
