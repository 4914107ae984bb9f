"""Faults that an emulator makes on purpose: their kinds, and when each strikes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from throughster.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "Fault", "check_faults", "check_kind"]

_EARLY_KINDS: Final = ("reset", "disconnect", "stall", "garbage")
_STREAM_KINDS: Final = ("stream-error", "comments")
KINDS: Final = (*_EARLY_KINDS, "cut", "drip", "truncated-json", "wrong-length", "gzip-bomb", *_STREAM_KINDS)
"""All but the statuses. The first four, as statuses do, strike before a reply begins; the last two in streams only."""
_STATUSES: Final = range(400, 600)
_INTERVALS: Final = {"drip": 0.1, "comments": 0.5}


@dataclass(frozen=True)
class Fault:
    """One kind of failure, and when it strikes.

    `kind`: a status from 400 to 599, or a name of `KINDS`. `share`: of the requests to which the rest applies; None for
    all of them. `first` to `last`: numbers of requests for an answer, from 1 on, None without an end; of these every
    `every`th. `from_s` to `until_s`: seconds since the server's start. `retry_after`: seconds, for statuses; "usual" is
    what the provider sends, "none" sends none. `interval_s`: between bytes (drip) or comments. Raises ValueError.
    """

    kind: int | str
    share: float | None = None
    first: int = 1
    last: int | None = None
    every: int = 1
    from_s: float = 0.0
    until_s: float | None = None
    retry_after: float | Literal["usual", "none"] = "usual"
    interval_s: float | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"the share {self.share:g} is not more than 0 and at most 1")
        self._check_schedule()
        if self.retry_after != "usual" and self.status is None:
            raise ValueError(f"`retry-after` is for statuses; `{self.kind}` has no headers to send it in")
        if not isinstance(self.retry_after, str) and not 0 <= self.retry_after < math.inf:
            raise ValueError(f"`retry-after` is {self.retry_after:g}; it is a number of seconds, or `none`")
        if self.interval_s is None:
            return
        if self.kind not in _INTERVALS:
            raise ValueError(f"`interval` is for {' and '.join(f'`{kind}`' for kind in _INTERVALS)}, not `{self.kind}`")
        if not 0 < self.interval_s < math.inf:
            raise ValueError(f"`interval` is {self.interval_s:g}; it is a number of seconds above 0")

    def _check_schedule(self) -> None:
        if self.first < 1:
            raise ValueError(f"requests are counted from 1; {self.first} is none")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"the last request, {self.last}, is before the first, {self.first}")
        if self.every < 1:
            raise ValueError(f"`every={self.every}` is never; it is a whole number from 1 on")
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError(f"the end, {self.until_s:g} s, is not after the beginning, {self.from_s:g} s")

    @property
    def status(self) -> int | None:
        return self.kind if isinstance(self.kind, int) else None

    @property
    def is_early(self) -> bool:
        """Whether it strikes before a reply begins."""
        return self.status is not None or self.kind in _EARLY_KINDS

    @property
    def is_for_streams(self) -> bool:
        """Whether it strikes in streams only; a whole answer passes."""
        return self.kind in _STREAM_KINDS

    @property
    def pause_s(self) -> float:
        """Seconds between two bytes, or two comments."""
        return _INTERVALS.get(str(self.kind), 0.0) if self.interval_s is None else self.interval_s

    @property
    def is_always_due(self) -> bool:
        return (self.first, self.last, self.every, self.from_s, self.until_s) == (1, None, 1, 0.0, None)

    def is_due(self, number: int, elapsed_s: float) -> bool:
        """Whether the schedule holds for the request with this number, so many seconds after the start."""
        if number < self.first or (self.last is not None and number > self.last):
            return False
        if elapsed_s < self.from_s or (self.until_s is not None and elapsed_s >= self.until_s):
            return False
        return (number - self.first + 1) % self.every == 0


def check_kind(kind: int | str) -> None:
    """Raise ValueError where nothing fails in this way."""
    if isinstance(kind, int):
        if kind not in _STATUSES:
            raise ValueError(f"{kind} is no status of a failure; these go from 400 to 599")
    elif kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"There are statuses such as 503, and {', '.join(KINDS)}."
        raise ValueError(f"`{kind}` is no kind of fault. {hint}")


def check_faults(faults: Sequence[Fault]) -> None:
    """Raise ValueError where more than all requests would have to fail, or a fault would never strike."""
    shares = sum(fault.share for fault in faults if fault.share is not None and fault.is_always_due)
    if shares > 1 + 1e-9:
        raise ValueError(f"the shares of the faults add up to {shares:g}; they are parts of 1")
    whole: Fault | None = None
    for fault in faults:
        if whole is not None and (fault.is_for_streams or not whole.is_for_streams):
            raise ValueError(
                f"`{whole.kind}` strikes every request, so that `{fault.kind}` after it never does; "
                f"give `{whole.kind}` a share, or put it last"
            )
        if fault.share is None and fault.is_always_due:
            whole = fault
