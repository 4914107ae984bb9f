"""What is known of one place that requests go to: its rates, and whether it answers at all.

Shared by every client of the process that has the same address, model and key, whatever its event loop or thread.

**Retry budget.** A failure that may pass costs 1, an answer gives 2 back, at most 20. While half of the sends fail the
budget fills as fast as it empties; when all of them fail it is gone after 20. Then nothing is sent but one probe at a
time, with growing waits between them; an answered probe opens the door again. After `retry.max_attempts` failed probes
in a row the place counts as down: whoever waits is told so, and for a while whoever comes.

**Throttling.** A server that says when to come back is left alone until then, and is then tried with one send first.
"""

from __future__ import annotations

import math
import random
import threading
from dataclasses import astuple
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet, WeakValueDictionary

from throughster.limits.estimate import Estimator
from throughster.limits.rate import Rate
from throughster.types import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.errors import ProviderError
    from throughster.types import Limits, Retry, Usage

__all__ = ["Endpoint", "Taken", "shared_endpoint", "take_share"]

_BUDGET = 20.0
_REGAIN = 2.0
_DOWN_S = 30.0
_LEAST_DOWN_S = 1.0
_LONGEST_PAUSE_S = 120.0


class Taken(NamedTuple):
    """What one send took: `tokens` as estimated; what had been taken in all when it left. `at`: when it did."""

    tokens: int
    requests_then: float
    tokens_then: float
    is_probe: bool
    at: float = math.inf


class Endpoint:
    """Methods are called with `lock` held, from any thread; `now` is time.monotonic()."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = Rate()
        self.tokens = Rate()
        self.estimator = Estimator()
        self.listeners: WeakSet[Callable[[], None]] = WeakSet()
        self.last_error: ProviderError | None = None
        self.throttled = 0
        self.is_quiet = True  # no limit is known and nothing is closed: nobody needs to ask
        self._closed_until: float | None = None
        self._is_outage = False
        self._probing = False
        self._budget = _BUDGET
        self._failed_probes = 0
        self._down_until = 0.0

    @property
    def is_out(self) -> bool:
        """Whether the retry budget is spent and only probes go out."""
        return self._is_outage

    def is_closed(self, now: float) -> bool:
        """Whether nobody may send now: a pause that was asked for, or an outage whose next probe is not due."""
        return self._closed_until is not None and (self._probing or now < self._closed_until)

    def configure(self, limits: Limits) -> None:
        """A client's own limits per minute hold for the place."""
        if limits.requests_per_minute is not None:
            self.requests.configure(limits.requests_per_minute)
        if limits.tokens_per_minute is not None:
            self.tokens.configure(limits.tokens_per_minute)
        self._tidy()

    def down(self, now: float) -> ProviderError | None:
        """The error of the last probe, while the place counts as down."""
        return self.last_error if now < self._down_until else None

    def wait_s(self, tokens: int, now: float) -> tuple[float | None, str]:
        """Seconds until a send may go, and what it waits for. None: until a probe that is under way comes back."""
        if self._closed_until is not None:
            if self._probing:
                return None, "server"
            if now < self._closed_until:
                return self._closed_until - now, "server"
        requests_s = self.requests.wait_s(1, now)
        tokens_s = self.tokens.wait_s(tokens, now)
        return (requests_s, "requests") if requests_s >= tokens_s else (tokens_s, "tokens")

    def take(self, tokens: int, now: float) -> Taken:
        is_probe = self._closed_until is not None
        self._probing = self._probing or is_probe
        return Taken(tokens, self.requests.take(1, now), self.tokens.take(tokens, now), is_probe, now)

    def answered(self, taken: Taken) -> bool:
        """The place answered, whatever it said. True: it was out, and is back."""
        self._budget = min(_BUDGET, self._budget + _REGAIN)
        self._down_until = 0.0
        if not taken.is_probe and not self._is_outage:
            return False
        was_outage = self._is_outage
        self._open(_BUDGET / 2)
        return was_outage

    def failed(self, taken: Taken, error: ProviderError, retry: Retry, now: float) -> None:
        """A failure that may pass; it says nothing about limits."""
        self.last_error = error
        if not self._is_outage:
            if taken.is_probe:
                self._open(self._budget)
            self._budget -= 1.0
            if self._budget > 0.0:
                return
            self._is_outage = True
        elif taken.is_probe:
            self._probing = False
            self._failed_probes += 1
            if self._failed_probes >= retry.max_attempts:
                self._down_until = now + max(_LEAST_DOWN_S, min(_DOWN_S, retry.max_delay_s))
                self._failed_probes = 0
        else:
            return  # it was under way when the budget ran out
        bound = min(retry.max_delay_s, retry.initial_delay_s * 2.0 ** min(self._failed_probes, 60))
        self.close(bound * random.uniform(0.5, 1.0), error.retry_after_s, now)  # noqa: S311 - spreads load

    def _open(self, budget: float) -> None:
        self._probing, self._closed_until, self._is_outage, self._failed_probes = False, None, False, 0
        self._budget = max(self._budget, budget)
        self._tidy()

    def close(self, pause_s: float, hint_s: float | None, now: float) -> None:
        """Let nobody in for as long as the server said, or else `pause_s`, and then one."""
        until = now + min(_LONGEST_PAUSE_S, pause_s if hint_s is None else hint_s)
        self._closed_until = until if self._closed_until is None else max(self._closed_until, until)
        self.is_quiet = False

    def unknown(self, taken: Taken) -> None:
        """The send was given up before anything came back."""
        if taken.is_probe:
            self._probing = False

    def observe(self, taken: Taken, quota: Quota, now: float) -> None:
        """What a reply's headers said of the limits."""
        told = quota if _share == 1.0 else Quota(*(None if n is None else n * _share for n in astuple(quota)))
        took_s = max(0.0, now - taken.at)
        self.requests.observe(told.limit_requests, told.remaining_requests, taken.requests_then, now, took_s)
        self.tokens.observe(told.limit_tokens, told.remaining_tokens, taken.tokens_then, now, took_s)
        self._tidy()

    def settle(self, taken: Taken, size: int, usage: Usage | None) -> None:
        """The answer's tokens were counted; `size`: of the request, in bytes."""
        if usage is not None:
            self.estimator.learn(size, usage)
            self.tokens.settle(taken.tokens, usage.prompt_tokens + usage.completion_tokens)
        else:
            self.tokens.settle(taken.tokens, 0)

    def narrow(self, taken: Taken) -> bool:
        """Whether a refusal of this send, although the minute had room, means that shorter windows are looked at."""
        by_requests = self.requests.narrow(taken.requests_then)
        return self.tokens.narrow(taken.tokens_then) or by_requests

    def explains(self, tokens: int, quota: Quota | None) -> bool:
        """Whether a limit per minute is what the server refused a send of `tokens` for."""
        if quota is None:
            return False
        if quota.limit_requests and quota.limit_requests > 0 and quota.remaining_requests == 0:
            return True
        left = quota.remaining_tokens
        return bool(quota.limit_tokens and quota.limit_tokens > 0 and left is not None and left <= tokens)

    def notify(self) -> None:
        """Tell every queue that waits here to look again. Called without the lock."""
        for listener in list(self.listeners):
            listener()

    def _tidy(self) -> None:
        self.is_quiet = self._closed_until is None and not self.requests.is_known and not self.tokens.is_known


_share = 1.0


def take_share(count: int) -> None:
    """This process is one of so many that use the same limits: of what replies tell of them, its part is its own."""
    global _share  # noqa: PLW0603 - a fact about the process
    _share = 1.0 / count


_endpoints: WeakValueDictionary[tuple[str, ...], Endpoint] = WeakValueDictionary()
_endpoints_lock = threading.Lock()


def shared_endpoint(key: tuple[str, ...], limits: Limits) -> Endpoint:
    """The process has one endpoint for each `key` (address, model, fingerprint of the key), while somebody uses it."""
    with _endpoints_lock:
        endpoint = _endpoints.get(key)
        if endpoint is None:
            endpoint = _endpoints[key] = Endpoint()
    with endpoint.lock:
        endpoint.configure(limits)
    return endpoint
