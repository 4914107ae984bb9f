"""Faults that an emulator makes on purpose: their grammar, and which request gets which.

FAULT   = KIND [":" SHARE] ["@" WHEN] { "," NAME "=" VALUE }
KIND    = a status from 400 to 599, or a name of `KINDS`
SHARE   = the part of the requests that it hits, more than 0 and at most 1
WHEN    = N | N-M | N+            the Nth request for an answer, the Nth to the Mth, all from the Nth
| every=N                 every Nth
| t=A-B | t=A+            from A to B seconds after the start, or from A on
NAME    = retry-after (seconds or "none"; statuses only) | interval (seconds; drip and comments only)
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from throughster.emulator.dice import Dice
from throughster.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["EARLY_KINDS", "KINDS", "STREAM_KINDS", "Fault", "FaultPlan", "check_shares", "parse_fault"]

EARLY_KINDS: Final = ("reset", "disconnect", "stall", "garbage")
"""Before the first byte of a reply, as statuses are."""
STREAM_KINDS: Final = ("stream-error", "comments")
"""In streams only; a whole answer passes."""
KINDS: Final = (*EARLY_KINDS, "cut", "drip", "truncated-json", "wrong-length", "gzip-bomb", *STREAM_KINDS)
_INTERVALS: Final = {"drip": 0.1, "comments": 0.5}
_STATUSES: Final = range(400, 600)
_SETTINGS: Final = ("retry-after", "interval")
_SCHEDULES: Final = ("every", "t")
_NUMBER: Final = r"\d+(?:\.\d+)?"
_TIMES: Final = re.compile(rf"({_NUMBER})(?:-({_NUMBER})|\+)")
_REQUESTS: Final = re.compile(r"(\d+)(?:(-)(\d+)|(\+))?")
_EXAMPLES: Final = "`503@1-20`, `503@10+`, `503@every=3` or `503@t=5-10`"
_PRECISION: Final = 1 << 53


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
        _check_kind(self.kind)
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"the share {self.share:g} is not more than 0 and at most 1")
        if self.first < 1 or self.every < 1:
            raise ValueError(f"requests are counted from 1; {min(self.first, self.every)} is none")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"the last request, {self.last}, is before the first, {self.first}")
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError(f"the end, {self.until_s:g} s, is not after the beginning, {self.from_s:g} s")
        if self.retry_after != "usual" and not self.status:
            raise ValueError(f"`retry-after` is for statuses; `{self.kind}` has no headers to send it in")
        if self.interval_s is not None and self.kind not in _INTERVALS:
            raise ValueError(f"`interval` is for {' and '.join(f'`{kind}`' for kind in _INTERVALS)}, not `{self.kind}`")

    @property
    def status(self) -> int | None:
        return self.kind if isinstance(self.kind, int) else None

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


def _check_kind(kind: int | str) -> None:
    if isinstance(kind, int):
        if kind not in _STATUSES:
            raise ValueError(f"{kind} is no status of a failure; these go from 400 to 599")
    elif kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"There are statuses such as 503, and {', '.join(KINDS)}."
        raise ValueError(f"`{kind}` is no kind of fault. {hint}")


def check_shares(faults: Iterable[Fault]) -> None:
    """Raise ValueError where more than all requests would have to fail."""
    shares = [fault.share for fault in faults if fault.share is not None and fault.is_always_due]
    if sum(shares) > 1 + 1e-9:
        raise ValueError(f"the shares of the faults add up to {sum(shares):g}; they are parts of 1")


def parse_fault(text: str) -> Fault:
    """Return the fault that a text such as `429:0.05,retry-after=2` or `reset@1-20` describes. Raises ValueError."""
    head, *settings = text.split(",")
    what, has_when, when = head.partition("@")
    name, has_share, share = what.partition(":")
    kind: int | str = int(name) if re.fullmatch(r"\d{1,9}", name) else name
    fields: dict[str, Any] = {}
    try:
        _check_kind(kind)
        if has_share:
            fields["share"] = _number(share, "the share")
        if has_when:
            fields |= _schedule(when)
        for setting in settings:
            fields |= _setting(setting)
        return Fault(kind, **fields)
    except ValueError as error:
        raise ValueError(f"in the fault `{text}`: {error}") from None


def _number(text: str, what: str) -> float:
    if not re.fullmatch(_NUMBER, text):
        raise ValueError(f"{what} `{text}` is no number")
    return float(text)


def _schedule(when: str) -> dict[str, Any]:
    name, is_named, value = when.partition("=")
    if is_named and name not in _SCHEDULES:
        hint = did_you_mean(name, _SCHEDULES) or f"Write {_EXAMPLES}."
        raise ValueError(f"`{name}` is no kind of schedule. {hint}")
    if name == "every":
        if not value.isdecimal():
            raise ValueError(f"`every={value}` has no whole number")
        return {"first": 1, "every": int(value)}
    if name == "t":
        found = _TIMES.fullmatch(value)
        if found is None:
            raise ValueError(f"`t={value}` is no time. Write `t=5-10` or `t=5+`, in seconds")
        return {"from_s": float(found[1]), "until_s": None if found[2] is None else float(found[2])}
    requests = _REQUESTS.fullmatch(when)
    if requests is None:
        raise ValueError(f"`@{when}` is no schedule. Write {_EXAMPLES}")
    first = int(requests[1])
    last = first if requests[2] is None else int(requests[3])
    return {"first": first, "last": None if requests[4] else last}


def _setting(setting: str) -> dict[str, Any]:
    name, is_named, value = setting.partition("=")
    if name not in _SETTINGS or not is_named:
        hint = did_you_mean(name, _SETTINGS) or "There are `retry-after=SECONDS` and `interval=SECONDS`."
        raise ValueError(f"`{setting}` is no setting. {hint}")
    if name == "retry-after":
        return {"retry_after": "none" if value == "none" else _number(value, "`retry-after`")}
    return {"interval_s": _number(value, "`interval`")}


class FaultPlan:
    """Deals out faults to requests for an answer in the order in which they come; a seed decides where a share does.

    Of several faults that are due the first strikes; shares add up, so that each has its own part of the requests.
    `struck`: how often each kind has.
    """

    def __init__(self, faults: tuple[Fault, ...], seed: int, clock: Callable[[], float]) -> None:
        self.struck: Counter[int | str] = Counter()
        self._faults = faults
        self._seed = seed
        self._clock = clock
        self._start = clock()
        self._number = 0

    def restart(self) -> None:
        """Begin to count, requests and seconds."""
        self._start = self._clock()
        self._number = 0

    def next_fault(self, body: Any) -> Fault | None:
        """Return what strikes the next request. `body`: its JSON."""
        if not self._faults:
            return None
        streamed = isinstance(body, dict) and body.get("stream") is True
        self._number += 1
        elapsed_s = self._clock() - self._start
        # One throw for each request, whatever strikes the others.
        throw = Dice((self._seed << 32) + self._number).below(_PRECISION) / _PRECISION
        used = 0.0
        for fault in self._faults:
            if not fault.is_due(self._number, elapsed_s) or (fault.kind in STREAM_KINDS and not streamed):
                continue
            used += 1.0 if fault.share is None else fault.share
            if throw < used:
                self.struck[fault.kind] += 1
                return fault
        return None
