"""The engine: rows in, results out, a bounded number under way, nothing lost.

For each target (a provider entry of the spec) a fixed number of workers takes rows from one lazy iterator, so that
memory does not grow with the rows. What one row does never touches another.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from throughster.errors import (
    AnswerError,
    AuthError,
    BadRequestError,
    ContentFilterError,
    NotFoundError,
    ProviderError,
    QuotaError,
    RefusalError,
    SpecError,
    ThroughsterError,
    TruncatedError,
)
from throughster.running.events import AttemptFailed, RowFinished, RunFinished, RunStarted, Summary, TextArrived
from throughster.running.result import Failure, Result, calls_of
from throughster.types import TextDelta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.client import Question
    from throughster.running.events import Emit, Event
    from throughster.running.journal import Journal
    from throughster.running.plan import Plan, Target
    from throughster.running.result import Status
    from throughster.running.rows import Row
    from throughster.types import Attempt, Delta, Message, Response

__all__ = ["GRACE_S", "Engine"]

GRACE_S = 4.0
"""What calls under way get when the run is interrupted."""

_FATAL = (AuthError, QuotaError, NotFoundError)
"""Errors that every row would meet: scheduling stops at the first."""


class Engine:
    """Runs one plan. `interrupt` may be called from a signal handler of the same loop."""

    def __init__(self, plan: Plan, journal: Journal, emit: Emit) -> None:
        self._plan = plan
        self._journal = journal
        self._listener: Emit | None = emit
        self._summary = Summary(total=plan.total)
        self._stopping = False
        self._closed: set[str] = set()  # labels of targets that no row can be asked of
        self._workers: list[asyncio.Task[None]] = []

    async def run(self) -> Summary:
        """Raises JournalError when results cannot be written; everything else ends in results and the summary."""
        plan, began_at = self._plan, time.monotonic()
        self._emit(RunStarted(plan.name, plan.file, plan.labels, plan.total, str(self._journal.path), plan.notes))
        self._journal.on_failure = self._cancel_workers
        try:
            await asyncio.gather(*(self._lane(target) for target in plan.targets))
        finally:
            self._journal.flush()
            self._summary.elapsed_s = time.monotonic() - began_at
        if self._journal.failure is not None:
            raise self._journal.failure
        self._emit(RunFinished(plan.name, self._summary, str(self._journal.path)))
        return self._summary

    def _emit(self, event: Event) -> None:
        """Tell the listener; one that cannot hear any more (a closed pipe, a full disk) must not cost a result."""
        if self._listener is not None:
            try:
                self._listener(event)
            except OSError:
                self._listener = None

    def announce(self, result: Result) -> None:
        """The journal calls this when a result is on disk."""
        self._summary.add(result)
        self._emit(RowFinished(result))

    def interrupt(self, signal_number: int) -> None:
        """Take no more rows; give what is under way GRACE_S, then cancel it."""
        if self._summary.signal is None:
            self._summary.signal = signal_number
            self._stop("interrupted")
            asyncio.get_running_loop().call_later(GRACE_S, self._cancel_workers)

    def _stop(self, why: str) -> None:
        self._stopping = True
        self._summary.stopped_by = self._summary.stopped_by or why

    def _close(self, target: Target, why: str) -> None:
        self._closed.add(target.label)
        self._summary.stopped_by = self._summary.stopped_by or why

    def _cancel_workers(self) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.cancel()

    async def _lane(self, target: Target) -> None:
        async with target.client() as client:
            question = await client.question(
                target.fields,
                schema=self._plan.schema,
                strategy=self._plan.strategy,
                max_attempts=self._plan.max_attempts,
                stream=self._plan.stream,
                tools=self._plan.tools,
                tool_choice=self._plan.tool_choice,
            )
            items = self._items()
            count = target.limits.max_in_flight
            if self._plan.total is not None:
                count = min(count, max(1, self._plan.total))
            workers = [asyncio.create_task(self._work(target, question, items)) for _ in range(count)]
            self._workers += workers
            await asyncio.gather(*workers)

    def _items(self) -> Iterator[tuple[Row, int]]:
        for row in self._plan.rows:
            for repeat in range(self._plan.repeat):
                yield row, repeat

    async def _work(self, target: Target, question: Question, items: Iterator[tuple[Row, int]]) -> None:
        while not self._stopping and target.label not in self._closed:
            try:
                row, repeat = next(items)
            except StopIteration:
                return
            except SpecError as error:  # a bad row in a part of the data that was too large to be read beforehand
                self._summary.bad_data = error
                self._stop(str(error))
                return
            try:
                result = await self._ask(target, question, row, repeat)
            except asyncio.CancelledError:
                reason = Failure("Interrupted", "The run was interrupted before the answer was there.")
                result = self._result(target, row, repeat, "skipped", error=reason)
            self._journal.write(result)

    async def _ask(self, target: Target, question: Question, row: Row, repeat: int) -> Result:
        try:
            messages: list[Message] = self._plan.prompt.render(row.vars)
            response = await question.ask(
                messages,
                on_delta=self._show if self._plan.live else None,
                on_attempt=lambda attempt: self._attempt_failed(target, row, attempt),
            )
        except ThroughsterError as error:
            return self._failed(target, row, repeat, error)
        except Exception as error:  # noqa: BLE001 - a bug met by one row must not lose the others; it ends in exit 5
            self._summary.bugs += 1
            reason = Failure("Bug", f"A bug in Throughster: {type(error).__name__}: {error}")
            return self._result(target, row, repeat, "error", error=reason)
        return self._answered(target, row, repeat, response, _status(response))

    def _attempt_failed(self, target: Target, row: Row, attempt: Attempt) -> None:
        self._emit(AttemptFailed(target.label, row.index, attempt.error or ""))

    def _show(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            self._emit(TextArrived(delta.text))

    def _failed(self, target: Target, row: Row, repeat: int, error: ThroughsterError) -> Result:
        attempts = getattr(error, "attempts", ())
        if isinstance(error, ContentFilterError):
            status: Status = "filtered"
        elif isinstance(error, TruncatedError):
            status = "truncated"
        elif isinstance(error, RefusalError):
            status = "refused"
        elif isinstance(error, AnswerError):
            status = "invalid"
        else:
            status = "error"
            if isinstance(error, ProviderError) and not isinstance(error, BadRequestError):
                self._summary.provider_down += 1
            if isinstance(error, _FATAL):
                self._close(target, str(error))
        reason = Failure(
            type(error).__name__, str(error), getattr(error, "http_status", None), getattr(error, "request_id", None)
        )
        response: Response | None = getattr(error, "response", None)
        if response is None:
            text = getattr(error, "partial", None) or None
            return self._result(
                target,
                row,
                repeat,
                status,
                text=text,
                attempts=attempts,
                usage=getattr(error, "usage", None),
                error=reason,
            )
        return self._answered(target, row, repeat, response, status, attempts=attempts, error=reason, output=None)

    def _answered(
        self, target: Target, row: Row, repeat: int, response: Response, status: Status, **given: Any
    ) -> Result:
        is_value = self._plan.schema is not None and not response.tool_calls
        fields = {
            "output": response.validated_schema if is_value else response.content,
            "text": response.content,
            "tool_calls": calls_of(response.tool_calls),
            "finish_reason": response.finish_reason,
            "refusal": response.refusal,
            "usage": response.usage,
            "cost_usd": target.cost_usd(response.usage),
            "latency_s": round(response.latency_s, 6),
            "first_token_s": None if response.first_token_s is None else round(response.first_token_s, 6),
            "attempts": response.retry_stats.attempts,
            "cached": response.cached,
            "deployment": response.deployment,
        }
        return self._result(target, row, repeat, status, **{**fields, **given})

    def _result(self, target: Target, row: Row, repeat: int, status: Status, **given: Any) -> Result:
        return Result(
            id=row.id,
            spec=self._plan.name,
            label=target.label,
            provider=target.provider,
            model=target.model,
            deployment=given.pop("deployment", None) or target.deployment,
            row=row.index,
            repeat=repeat,
            vars=row.vars,
            status=status,
            **given,
        )


def _status(response: Response) -> Status:
    if response.finish_reason == "content_filter":
        return "filtered"
    if response.refusal:
        return "refused"
    if response.finish_reason in ("length", "model_length"):
        return "truncated"
    return "ok"
