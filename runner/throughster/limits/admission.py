"""The queue before the network: who may send now, first come, first served.

A send needs a place of the client's gate and the consent of the endpoint (its rates, its health). Nothing polls: the
queue is looked at when a reply comes back, when the endpoint has news, and at the time that its arithmetic names.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughster.errors import ProviderError, RateLimitError, RequestTimeoutError, ServerError, TransportError
from throughster.limits.endpoint import Taken
from throughster.limits.gate import Gate

if TYPE_CHECKING:
    from throughster.limits.endpoint import Endpoint
    from throughster.types import Limits, Quota, Retry, Usage

__all__ = ["Admission", "Ticket", "failure_kind"]

_OVERLOAD = (503, 529)
_LEAST_IN_OVERLOAD = 4
"""Failures of a broken server are no message about how much is too much; concurrency stops falling here."""


@dataclass(slots=True)
class Ticket:
    """A place.

    `epoch`, `used`: of the gate when it was taken. `size`: of the request in bytes; `most`: tokens of its answer.
    """

    epoch: int
    used: int
    size: int
    most: int | None
    taken: Taken


def failure_kind(error: ProviderError) -> str:
    """`throttled`, `overloaded`, `failed` (it may pass), or `answered` (the service works and says no)."""
    if isinstance(error, RateLimitError):
        return "throttled"
    if error.http_status in _OVERLOAD:
        return "overloaded"
    if isinstance(error, TransportError | RequestTimeoutError) and error.retryable:
        return "failed"
    if isinstance(error, ServerError) and ((error.http_status or 0) >= 500 or error.http_status == 408):
        return "failed" if error.retryable else "answered"
    return "answered"


class Admission:
    """For one client on one event loop. `held_s`: seconds in which somebody waited, by what for.

    `learns`: hold back as replies teach to; a benchmark of the server itself does not.
    """

    def __init__(self, limits: Limits, endpoint: Endpoint) -> None:
        self.gate = Gate(limits)
        self.endpoint = endpoint
        self.learns = True
        self.held_s = {"concurrency": 0.0, "requests": 0.0, "tokens": 0.0, "server": 0.0}
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[asyncio.Future[Ticket], int, int | None, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held_by = ""
        self._held_since = 0.0
        self._full_since = 0.0
        self._episodes = 0  # reductions of the gate in a row without a good reply to a send made after them
        self._on_news = self._told  # kept: the endpoint's set holds its listeners weakly
        endpoint.listeners.add(self._on_news)

    def tokens(self, size: int, most: int | None) -> int:
        """The tokens that a request will be charged; 0 while nobody limits them."""
        endpoint = self.endpoint
        if not endpoint.tokens.is_known:
            return 0
        return endpoint.estimator.prompt_tokens(size) + endpoint.estimator.completion_tokens(most)

    async def enter(self, size: int = 0, most: int | None = None, *, patient: bool = True) -> Ticket:
        """Wait for a place for a request of `size` bytes whose answer has `most` tokens at most; it goes to `leave`.

        Raises the endpoint's last error, marked `service_down`, while the place counts as down; without `patient` also,
        unmarked, while it is closed.
        """
        if not self._queue and self.endpoint.is_quiet and not self.gate.is_full:
            requests = self.endpoint.requests
            requests.taken += 1.0
            return self._ticket(size, most, Taken(0, requests.taken, self.endpoint.tokens.taken, is_probe=False))
        self._raise_when_down(patient=patient)
        tokens = self.tokens(size, most)
        if not self._queue and (ticket := self._try(size, most, tokens)) is not None:
            return ticket
        place: asyncio.Future[Ticket] = self._loop.create_future()
        self._queue.append((place, size, most, tokens))
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave(place.result())  # the place was given in the moment of the cancellation
            elif self._queue and self._queue[0][0] is place:
                self._look()
            raise

    def leave(
        self,
        ticket: Ticket,
        error: ProviderError | None = None,
        *,
        answered: bool = False,
        quota: Quota | None = None,
        usage: Usage | None = None,
        retry: Retry | None = None,
    ) -> None:
        """Give the place back, with what the send taught: its error, or `answered`; neither when it was given up."""
        if not self.learns:
            self.endpoint.unknown(ticket.taken)
        elif error is None and answered and self.endpoint.is_quiet and quota is None and not ticket.taken.is_probe:
            if usage is not None:
                self.endpoint.estimator.learn(ticket.size, usage)
            self.endpoint.answered(ticket.taken)
            self._good(ticket)
        else:
            self._learn(ticket, error, answered=answered, quota=quota, usage=usage, retry=retry)
        if self.gate.in_flight == self.gate.most and not self._held_by:
            self.held_s["concurrency"] += time.monotonic() - self._full_since
        self.gate.give_back()
        if self._queue:
            self._look()

    def _learn(
        self,
        ticket: Ticket,
        error: ProviderError | None,
        *,
        answered: bool,
        quota: Quota | None,
        usage: Usage | None,
        retry: Retry | None,
    ) -> None:
        now, endpoint, news = time.monotonic(), self.endpoint, ticket.taken.is_probe
        kind = failure_kind(error) if error is not None else "answered" if answered else "unknown"
        with endpoint.lock:
            if quota is not None:
                endpoint.observe(ticket.taken, quota, now)
            if kind != "unknown":
                endpoint.settle(ticket.taken, ticket.size, usage)
            if kind == "answered":
                if endpoint.answered(ticket.taken):
                    self.gate.restart()
                self._good(ticket)
            elif error is None:
                endpoint.unknown(ticket.taken)
            elif kind == "throttled":
                self._throttled(ticket, error, quota, now)
            else:
                assert retry is not None
                if kind == "overloaded" and ticket.epoch == self.gate.epoch:
                    self.gate.shrink(_LEAST_IN_OVERLOAD)
                endpoint.failed(ticket.taken, error, retry, now)
                news = news or endpoint.is_out
        if news:
            endpoint.notify()

    def _good(self, ticket: Ticket) -> None:
        if ticket.epoch == self.gate.epoch:
            self._episodes = 0
            self.gate.grow(ticket.used)

    def _throttled(self, ticket: Ticket, error: ProviderError, quota: Quota | None, now: float) -> None:
        """A 429: find out which limit it is about. A limit per minute closes the door; too many at once shrinks it."""
        endpoint = self.endpoint
        endpoint.throttled += 1
        endpoint.last_error = error
        endpoint.unknown(ticket.taken)
        if ticket.taken.is_probe or endpoint.explains(self._charge(ticket), quota):
            if error.retry_after_s is not None or ticket.taken.is_probe:
                endpoint.close(0.5, error.retry_after_s, now)
            return
        if quota is not None and quota.limit_requests and endpoint.narrow(ticket.taken):
            if error.retry_after_s is not None:
                endpoint.close(0.0, error.retry_after_s, now)
            return
        if ticket.epoch != self.gate.epoch:
            return
        self.gate.shrink()
        self._episodes += 1
        if self._episodes > 1:
            endpoint.close(min(30.0, 0.25 * 2.0 ** min(self._episodes, 20)), error.retry_after_s, now)

    def _charge(self, ticket: Ticket) -> int:
        """What the server may have counted for it, also when nobody knew of a limit as it left."""
        estimator = self.endpoint.estimator
        return max(ticket.taken.tokens, estimator.prompt_tokens(ticket.size) + estimator.completion_tokens(ticket.most))

    def _ticket(self, size: int, most: int | None, taken: Taken) -> Ticket:
        gate = self.gate
        gate.take()
        if gate.in_flight == gate.most:
            self._full_since = time.monotonic()
        return Ticket(gate.epoch, gate.in_flight, size, most, taken)

    def _try(self, size: int, most: int | None, tokens: int) -> Ticket | None:
        """A ticket, or None; then what it waits for is noted, and when to look again."""
        if self.gate.is_full:
            self._hold("concurrency", None)
            return None
        endpoint, now = self.endpoint, time.monotonic()
        with endpoint.lock:
            wait_s, reason = endpoint.wait_s(tokens, now)
            if wait_s == 0.0:
                taken = endpoint.take(tokens, now)
        if wait_s != 0.0:
            self._hold(reason, wait_s)
            return None
        return self._ticket(size, most, taken)

    def _look(self) -> None:
        """Let in whoever may come in, from the front of the queue."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            place, size, most, tokens = self._queue[0]
            if not place.done():
                if (error := self._down_error()) is not None:
                    place.set_exception(error)
                elif (ticket := self._try(size, most, tokens)) is not None:
                    place.set_result(ticket)
                else:
                    return
            self._queue.popleft()
        self._hold("", None)

    def _hold(self, reason: str, wait_s: float | None) -> None:
        if reason != self._held_by:
            now = time.monotonic()
            if self._held_by:
                self.held_s[self._held_by] += now - self._held_since
            self._held_by, self._held_since = reason, now
        if wait_s is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(wait_s, self._look)

    def _told(self) -> None:
        """The endpoint has news; called from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._look)

    def _down_error(self) -> ProviderError | None:
        error = self.endpoint.down(time.monotonic())
        if error is None:
            return None
        error = copy.copy(error)
        error.service_down = True
        return error

    def _raise_when_down(self, *, patient: bool) -> None:
        if (error := self._down_error()) is not None:
            raise error
        last = self.endpoint.last_error
        if not patient and last is not None and self.endpoint.is_closed(time.monotonic()):
            raise copy.copy(last)
