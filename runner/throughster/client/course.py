"""The course of one question: its sends, what each needs before it goes, what each teaches, and the waits between."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from throughster.errors import AuthError, ProviderError
from throughster.exchanges import playing
from throughster.retry import next_delay_s, should_retry
from throughster.types import Attempt, RetryStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.client.sending import Sender
    from throughster.limits import Ticket, Watch
    from throughster.limits.budget import Amount
    from throughster.types import Quota, Response, Retry, Usage

__all__ = ["Course", "Kind"]

Kind: TypeAlias = Literal["transport", "validation"]


class Course:
    """Each send stands inside `async with course`, which keeps a ProviderError for `wait`.

    `size`: of the request in bytes; `most`: tokens of its answer, None where it does not limit them. `sends` gets every
    send appended. `may_resend` is cleared when something of the answer has reached somebody.
    """

    def __init__(
        self,
        sender: Sender,
        sends: list[Attempt],
        *,
        kind: Kind = "transport",
        retry: Retry | None = None,
        watch: Watch | None = None,
        size: int = 0,
        most: int | None = None,
    ) -> None:
        self.may_resend = True
        self.now = time.perf_counter  # uvloop's own clock has steps of a millisecond
        self._sender = sender
        self._sends = sends
        self._kind: Kind = kind
        self._retry = retry or sender.retry
        self._watch = watch
        self._patient = watch is None or watch.patient
        self._is_played = playing() is not None  # nothing is sent, nothing is learnt
        self._size = size
        self._most = most
        self._began_at = self._ended_at = self.now()
        self._waited_s = 0.0
        self._tries = 0
        self._failure: ProviderError | None = None
        self._ticket: Ticket
        self._reserved: Amount | None = None
        self._last: Attempt | None = None
        self._quota: Quota | None = None
        self._usage: Usage | None = None

    async def __aenter__(self) -> None:
        """Hold what one send needs: a share of the budget, and a place in the admission."""
        watch, before = self._watch, self._failure
        self._failure = self._last = self._quota = self._usage = None
        if self._is_played:
            self._tries += 1
            return
        if watch is not None and watch.budget is not None:
            self._reserved = await watch.budget.reserve(
                self._sender.admission.endpoint.estimator, self._size, self._most, self._sender.address.price
            )
        try:
            if before is None:
                self._ticket = await self._sender.admission.enter(self._size, self._most, patient=self._patient)
            else:
                await self._enter_again(before)
        except BaseException:
            self._settle(sent=False)
            raise
        self._tries += 1
        if watch is not None and (task := asyncio.current_task()) is not None:
            watch.sending.add(task)

    async def _enter_again(self, failure: ProviderError) -> None:
        """Within the deadline; what ends the wait is told as the failure that led to it."""
        try:
            async with asyncio.timeout(self._retry.deadline_s - (self.now() - self._began_at)):
                self._ticket = await self._sender.admission.enter(self._size, self._most, patient=self._patient)
        except TimeoutError:
            raise failure.with_attempts(self._sends) from None
        except ProviderError as error:
            failure.service_down = error.service_down
            raise failure.with_attempts(self._sends) from None
        self._waited_s = self.now() - self._ended_at

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._failure = error if isinstance(error, ProviderError) else None
        self._ended_at = self.now()
        is_stale = getattr(error, "stale_connection", False)
        if error is None and self._last is not None:
            self._sends.append(self._last)  # only now is it known that the reply could be read
        if self._is_played:
            return self._failure is not None
        self._sender.admission.leave(
            self._ticket,
            None if is_stale else self._failure,
            answered=error is None,
            quota=self._quota,
            usage=self._usage,
            retry=self._sender.retry,
        )
        self._settle(sent=True)
        if self._watch is not None and (task := asyncio.current_task()) is not None:
            self._watch.sending.discard(task)
        return self._failure is not None

    def _settle(self, *, sent: bool) -> None:
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            assert self._watch is not None
            assert self._watch.budget is not None
            usage = self._usage or getattr(self._failure, "usage", None)
            self._watch.budget.settle(reserved, usage, self._sender.address.price, sent=sent)

    def heard(self, headers: Mapping[str, str]) -> None:
        """A reply has begun; its headers may tell the limits."""
        self._quota = self._sender.provider.parse_quota(headers)

    def stats(self) -> RetryStats:
        """Every send so far, and the one that succeeded."""
        self._last = Attempt(len(self._sends) + 1, self._kind, 200, None, round(self._waited_s, 3))
        return RetryStats((*self._sends, self._last))

    def answered(self, response: Response) -> Response:
        """The whole answer is there."""
        self._usage = response.usage
        return response

    async def wait(self) -> None:
        """After a failed send: wait for the next, or raise the failure where there is none.

        While the place is out, its probes decide when to go on: this question waits in the queue, not by the clock.
        """
        failure = self._failure
        assert failure is not None
        self._sender.wire.hide_secrets(failure)
        attempt = Attempt(len(self._sends) + 1, self._kind, failure.http_status, str(failure), round(self._waited_s, 3))
        self._sends.append(attempt)
        if self._watch is not None and self._watch.on_attempt is not None:
            self._watch.on_attempt(attempt)
        self._kind = "transport"
        if self._tries < self._retry.max_attempts and self._goes_again(failure):
            return
        elapsed_s = self._ended_at - self._began_at
        delay_s = next_delay_s(self._retry, self._tries, failure, elapsed_s) if self.may_resend else None
        if delay_s is None:
            raise failure.with_attempts(self._sends)
        if not self._is_played:
            await asyncio.sleep(delay_s)

    def _goes_again(self, failure: ProviderError) -> bool:
        """Whether the next send needs no wait of its own."""
        if isinstance(failure, AuthError):
            return self._sender.wire.refreshes_token and self._tries == 1  # the token may have run out on its way
        if not self.may_resend:
            return False
        if getattr(failure, "stale_connection", False):
            return True  # the server had closed it before; a fresh one will do
        return self._sender.admission.endpoint.is_out and not self._is_played and should_retry(failure)
