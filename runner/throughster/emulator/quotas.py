"""Limits per minute, kept as the providers keep them: a bucket of one minute's worth that refills all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from throughster.emulator.options import Options

__all__ = ["Account", "Bucket", "Meter", "Overrun", "Standing"]

_ROUNDING = 1e-6  # of a unit: what floating point may lose on the way


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit as headers tell of it. `limit`: per minute. `remaining`: of it, now. `reset_s`: until all of it is."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands with a model. None: there is no such limit, or nothing is said about it."""

    requests: Meter | None = None
    tokens: Meter | None = None


@dataclass(frozen=True, slots=True)
class Overrun:
    """A limit that has no room. `used` and `asked`: in units of the limit. `wait_s`: until it has; None for never."""

    limit: Literal["requests", "tokens"]
    per_minute: int
    used: int
    asked: int
    wait_s: float | None


class Bucket:
    """Holds one minute's worth, of which one window's worth may go at once.

    Both refill evenly, at `per_minute`. What is more than a window's worth may go when the window is whole; the debt is
    paid by waiting.
    """

    __slots__ = ("_at", "_minute", "_per_s", "_window", "_window_size", "per_minute")

    def __init__(self, per_minute: int, window_s: float, now: float) -> None:
        self.per_minute = per_minute
        self._per_s = per_minute / 60
        self._window_size = self._per_s * window_s
        self._minute = float(per_minute)
        self._window = self._window_size
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` may go; 0 where it may now."""
        self._take(0, now)
        lacking = min(amount, self._window_size) - self._window
        return lacking / self._per_s if lacking > _ROUNDING else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, or, where it is negative, put it back."""
        self._take(amount, now)

    def meter(self, now: float) -> Meter:
        """Say how much of the minute is left, whatever the window."""
        self._take(0, now)
        remaining = max(0, int(self._minute + _ROUNDING))
        return Meter(self.per_minute, remaining, max(0.0, (self.per_minute - self._minute) / self._per_s))

    def _take(self, amount: float, now: float) -> None:
        change = max(0.0, now - self._at) * self._per_s - amount
        self._minute = min(self.per_minute, self._minute + change)
        self._window = min(self._window_size, self._window + change)
        self._at = max(self._at, now)


class Account:
    """What one key has used of one model."""

    def __init__(self, options: Options, now: float) -> None:
        window_s = options.rate_window_s
        self._requests, self._tokens = (
            None if per_minute is None else Bucket(per_minute, window_s, now)
            for per_minute in (options.requests_per_minute, options.tokens_per_minute)
        )

    def overrun(self, tokens: int, now: float) -> Overrun | None:
        """Return the limit in the way of one more request that costs `tokens`, the longest wait first; None if none."""
        found = [
            _overrun("requests", self._requests, 1, now),
            _overrun("tokens", self._tokens, tokens, now),
        ]
        waiting = [one for one in found if one is not None]
        return max(waiting, key=lambda one: float("inf") if one.wait_s is None else one.wait_s, default=None)

    def charge(self, requests: int, tokens: float, now: float) -> None:
        """Take from both limits; negative tokens are given back."""
        if self._requests is not None:
            self._requests.take(requests, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)

    def standing(self, now: float) -> Standing:
        requests, tokens = (None if bucket is None else bucket.meter(now) for bucket in (self._requests, self._tokens))
        return Standing(requests, tokens)


def _overrun(limit: Literal["requests", "tokens"], bucket: Bucket | None, asked: int, now: float) -> Overrun | None:
    if bucket is None:
        return None
    wait_s = None if asked > bucket.per_minute else bucket.wait_s(asked, now)
    if wait_s == 0:
        return None
    return Overrun(limit, bucket.per_minute, bucket.per_minute - bucket.meter(now).remaining, asked, wait_s)
