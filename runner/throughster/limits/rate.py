"""One limit per minute, of requests or of tokens: a bucket that refills steadily.

The limit is what the user configured and what the server's replies say, the lower of the two.

A reply says what was left at some moment between its request's arrival and its own departure; nobody says which. What
was sent meanwhile may be counted in it or not, what flowed in meanwhile too. So a reply gives two bounds, and the level
is moved only when it is not between them: down after others have used the same key, up after it was guessed too low.
"""

from __future__ import annotations

import math

__all__ = ["Rate"]

_MINUTE_S = 60.0
_NARROWER = {_MINUTE_S: 10.0, 10.0: 1.0, 1.0: 0.1}
"""Services that promise a limit per minute may hold it over 10 or over 1 second (Azure OpenAI, quota documentation).

The last is no service's: at an even pace there is no burst that could be refused.
"""


class Rate:
    """Times are those of one monotonic clock, in seconds. The caller holds the lock.

    `per_minute`: the limit, infinite while none is known. `window_s`: how much of a minute may be taken at once.
    `taken`: everything taken so far; a reply compares it with what it was when its request left.
    """

    def __init__(self, configured: float | None = None) -> None:
        self.configured = configured or math.inf
        self.learned = math.inf
        self.window_s = _MINUTE_S
        self.taken = 0.0
        self._narrowed_at = -1.0
        self._level = self.capacity
        self._at = -math.inf

    @property
    def per_minute(self) -> float:
        return min(self.configured, self.learned)

    @property
    def is_known(self) -> bool:
        return self.configured < math.inf or self.learned < math.inf

    @property
    def capacity(self) -> float:
        """The most that may be taken at once."""
        return max(1.0, self.per_minute * self.window_s / 60.0)

    def configure(self, per_minute: float) -> None:
        """Another client of the same place says what it is allowed: the lower holds."""
        self.configured = min(self.configured, per_minute)
        self._level = min(self._level, self.capacity)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken. More than the bucket holds may be taken when it is full."""
        if not self.is_known:
            return 0.0
        self._refill(now)
        missing = min(amount, self.capacity) - self._level
        return 0.0 if missing <= 1e-6 else missing * 60.0 / self.per_minute

    def take(self, amount: float, now: float) -> float:
        """Take it, into debt if need be. Returns `taken`, which goes to `observe` with the reply."""
        self.taken += amount
        if self.is_known:
            self._refill(now)
            self._level -= amount
        return self.taken

    def settle(self, estimated: float, real: float) -> None:
        """What was taken turned out to be `real`."""
        if self.is_known:
            self._level = min(self.capacity, self._level + estimated - real)

    def observe(
        self, limit: float | None, remaining: float | None, taken_then: float, now: float, took_s: float = 0.0
    ) -> None:
        """A reply said how much is allowed and left; a limit that is zero or negative means that it does not know.

        `taken_then`: what had been taken when its request left, `took_s` ago.
        """
        if limit is None or limit <= 0:
            return
        self._refill(now)
        is_first = self.learned == math.inf
        if limit != self.learned:
            self.learned = limit
            self._level = min(self._level, self.capacity)
            self._at = max(self._at, now)
        if remaining is None or remaining < 0:
            return
        low = remaining - (self.taken - taken_then)
        high = max(remaining, low + took_s * limit / 60.0)
        self._level = min(self._level, low if is_first else high)
        if self.window_s == _MINUTE_S and self.learned <= self.configured:
            self._level = max(self._level, min(low, self.capacity))

    def narrow(self, taken_then: float) -> bool:
        """The server refused although the minute had room: it looks at shorter windows. False at the shortest.

        Refusals of what had left before it was narrowed say nothing new.
        """
        if not self.is_known or taken_then <= self._narrowed_at:
            return self.is_known
        self._level = min(self._level, 0.0)
        self._narrowed_at = self.taken
        narrower = _NARROWER.get(self.window_s)
        self.window_s = narrower or self.window_s
        return narrower is not None

    def _refill(self, now: float) -> None:
        if now > self._at:
            if self._at > -math.inf and self.is_known:
                self._level = min(self.capacity, self._level + (now - self._at) * self.per_minute / 60.0)
            self._at = now
