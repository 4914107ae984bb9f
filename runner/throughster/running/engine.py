"""The engine: rows in, results out, a bounded number under way, nothing lost.

For each target (a provider entry of the spec) a fixed number of workers takes rows from one lazy iterator, so that
memory does not grow with the rows. What one row does never touches another.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from throughster.errors import BudgetError, CassetteError, SpecError, ThroughsterError
from throughster.exchanges import CASE, TAPE, Case
from throughster.limits import Watch
from throughster.running.cases import Repeats
from throughster.running.events import (
    AttemptFailed,
    RowFinished,
    RunFinished,
    RunStarted,
    Stopping,
    Summary,
    TextArrived,
)
from throughster.running.examine import EXAMINED, Rivals, answer_of, compare, examine
from throughster.running.grader import open_grader
from throughster.running.outcome import Outcomes, is_everybodys, is_providers, status_of
from throughster.running.result import Failure
from throughster.running.resume import lane_of
from throughster.types import TextDelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from throughster.client import Calls, Question
    from throughster.exchanges import Player, Recorder
    from throughster.limits import Budget
    from throughster.running.events import Emit, Event
    from throughster.running.grader import Grader
    from throughster.running.journal import Sink
    from throughster.running.plan import Plan
    from throughster.running.result import Result, Status
    from throughster.running.resume import Done
    from throughster.running.rows import Row
    from throughster.running.targets import Target
    from throughster.types import Attempt, Delta, Message

__all__ = ["GRACE_S", "Engine"]

GRACE_S = 4.0
"""What calls under way get when the run is interrupted."""

_ROWS_A_TURN = 500
"""Rows that are passed over as done, before anything else gets its turn."""


@dataclass
class _Lane:
    """One target at work. `key`: of it in `Done`; `closed`: why no more rows are asked of it.

    `questions`: one; where the spec has a seed, one for each repeat.
    """

    target: Target
    client: Calls
    questions: dict[int, Question]
    outcomes: Outcomes
    items: Iterator[tuple[Row, int]]
    key: int
    closed: str = ""
    cases: dict[str, Repeats] = field(default_factory=dict)
    workers: list[asyncio.Task[None]] = field(default_factory=list)


class Engine:
    """Runs one plan. `interrupt` may be called from a signal handler of the same loop; so does a cancelled task.

    `done`: rows of an earlier run that need no second asking. `budget`: what the run may spend.
    """

    def __init__(
        self, plan: Plan, journal: Sink, emit: Emit, *, done: Done | None = None, budget: Budget | None = None
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._listener: Emit | None = emit
        self._done = done
        self._budget = budget if budget is not None and budget.is_bounded else None
        self._summary = Summary(total=plan.total)
        self._stopping = False
        self._lanes: list[_Lane] = []
        self._sending: set[asyncio.Task[object]] = set()
        self._tape, self._stops_early = TAPE.get(), plan.stops_early
        self._judge: Grader | None = None
        self._rivals = Rivals(len(plan.targets))

    async def run(self) -> Summary:
        """Raises JournalError when results cannot be written; everything else ends in results and the summary.

        So does a cancellation: nothing more is asked, and the caller, who sees it in the summary, must raise it again.
        """
        plan, began_at = self._plan, time.monotonic()
        done = self._done.counts[plan.name] if self._done is not None else 0
        self._emit(RunStarted(plan.name, plan.file, plan.labels, plan.total, str(self._journal.path), plan.notes, done))
        self._journal.on_failure = self._cancel_all
        try:
            if plan.grader is not None:
                self._judge = open_grader(plan.grader, self._budget)
                self._summary.grader = self._judge.bill
            await self._run_lanes([asyncio.create_task(self._run_lane(target)) for target in plan.targets])
        except asyncio.CancelledError:
            self._summary.cancelled = self._summary.interrupted = True
            self._stop("cancelled")
        finally:
            for result in self._rivals.lonely():
                self._journal.write(result)
            if self._judge is not None:
                await self._judge.close()
            self._journal.flush()
            self._summary.elapsed_s = time.monotonic() - began_at
        if self._journal.failure is not None:
            raise self._journal.failure
        return self._summary

    async def _run_lanes(self, lanes: list[asyncio.Task[None]]) -> None:
        """Until all of them have ended, however one does: what they have under way is written."""
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    def finish(self) -> None:
        """Tell the end of the run: after its files are as they will stay."""
        self._emit(RunFinished(self._plan.name, self._summary, str(self._journal.path)))

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

    def interrupt(self, signal_number: int | None) -> None:
        """Take no more rows, send nothing more; give what is under way GRACE_S, then cancel it. None: by a handle."""
        if not self._summary.interrupted:
            self._summary.interrupted, self._summary.signal = True, signal_number
            self._stop("interrupted")
            self._emit(Stopping(len(self._sending), GRACE_S, by_signal=signal_number is not None))
            for lane in self._lanes:
                self._cancel_idle(lane)
            asyncio.get_running_loop().call_later(GRACE_S, self._cancel_all)

    def _stop(self, why: str) -> None:
        self._stopping = True
        self._summary.stopped_by = self._summary.stopped_by or why

    def _close(self, lane: _Lane, why: str) -> None:
        """No row can be asked of this target: those that wait for their turn are not asked either."""
        if not lane.closed:
            lane.closed = why
            self._summary.stopped_by = self._summary.stopped_by or why
            self._cancel_idle(lane)

    def _cancel_idle(self, lane: _Lane) -> None:
        current = asyncio.current_task()
        for worker in lane.workers:
            if worker not in self._sending and worker is not current:
                worker.cancel()

    def _cancel_others(self) -> None:
        """End at once what the other workers do."""
        current = asyncio.current_task()
        for lane in self._lanes:
            for worker in lane.workers:
                if worker is not current:
                    worker.cancel()

    def _cancel_all(self) -> None:
        self._stopping = True
        for lane in self._lanes:
            for worker in lane.workers:
                worker.cancel()

    async def _run_lane(self, target: Target) -> None:
        async with target.client() as client:
            questions = {0: await self._make_question(client, target.fields)}  # a wrong request is told before sending
            key = lane_of(self._plan.name, target.label)
            lane = _Lane(target, client, questions, Outcomes(self._plan, target), self._items(), key)
            self._lanes.append(lane)
            count = target.limits.max_in_flight
            if self._plan.rows_per_target is not None:
                count = min(count, max(1, self._plan.rows_per_target))
            lane.workers += [asyncio.create_task(self._work(lane)) for _ in range(count)]
            try:
                ends = await asyncio.gather(*lane.workers, return_exceptions=True)
            finally:
                self._summary.held_s.update(client.held_s())
            for end in ends:
                cut_short = isinstance(end, asyncio.CancelledError) and (self._stopping or lane.closed)
                if end is not None and not cut_short:  # workers that were stopped before they began count for nothing
                    raise end

    async def _make_question(self, client: Calls, fields: Mapping[str, Any]) -> Question:
        plan = self._plan
        return await client.question(
            fields,
            schema=plan.schema,
            strategy=plan.strategy,
            max_attempts=plan.max_attempts,
            stream=plan.stream,
            tools=plan.tools,
            tool_choice=plan.tool_choice,
        )

    async def _question(self, lane: _Lane, repeat: int) -> Question:
        """The question of the rows of a repeat, which differs from others in its seed."""
        fields = lane.target.fields_of(repeat)
        seed = 0 if fields is lane.target.fields else repeat
        if seed not in lane.questions:
            lane.questions[seed] = await self._make_question(lane.client, fields)
        return lane.questions[seed]

    def _items(self) -> Iterator[tuple[Row, int]]:
        """Row by row; tests repeat by repeat, so that with `early_stop` few are asked to the end."""
        cases = self._plan.cases
        if cases is None:
            for row in self._plan.rows:
                for repeat in range(self._plan.repeat):
                    yield row, repeat
            return
        for repeat in range(max((row.case.repeat for row in cases if row.case is not None), default=0)):
            for row in cases:
                if row.case is not None and repeat < row.case.repeat:
                    yield row, repeat

    async def _next(self, lane: _Lane) -> tuple[Row, int] | None:
        """The next row that is not done, or None where there is none."""
        if self._journal.is_behind:
            await self._journal.catch_up()
        passed = 0
        while not self._stopping and not lane.closed:
            try:
                row, repeat = next(lane.items)
            except StopIteration:
                return None
            except SpecError as error:  # a bad row in a part of the data that was too large to be read beforehand
                self._summary.wrong = error
                self._stop(str(error))
                return None
            if self._stops_early and row.case and row.id in lane.cases and lane.cases[row.id].is_decided(row.case):
                self._summary.decided += 1
                continue
            digest = lane.target.digest_of(row) ^ row.checks
            if self._done is None or not self._done.has(row.id, lane.key, repeat, digest):
                return row, repeat
            self._summary.kept += 1
            passed += 1
            if passed % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
        return None

    async def _work(self, lane: _Lane) -> None:
        try:
            while (item := await self._next(lane)) is not None:
                row, repeat = item
                CASE.set(case := Case(self._plan.name, row.id, lane.target.label, repeat))
                result = await self._ask(lane, row, repeat)
                if self._tape is not None and result.status != "skipped" and self._summary.wrong is None:
                    self._finish_tape(self._tape, case)
                await self._write(lane, row, result)
        except asyncio.CancelledError:
            if not self._stopping and not lane.closed:
                raise

    async def _write(self, lane: _Lane, row: Row, result: Result) -> None:
        """To the journal; answers to a test that compares them when the last of them is there."""
        if row.case is None:
            self._journal.write(result)
            return
        lane.cases.setdefault(row.id, Repeats()).add(result.status)
        if not any(check.is_comparative for check in row.case.checks):
            self._journal.write(result)
            return
        answer = answer_of(result, self._plan.messages(row), has_output=self._plan.schema is not None)
        if pairs := self._rivals.add(result, answer):
            assert self._judge is not None
            judging = compare(pairs, row.case, self._judge)
            for compared in await self._judged([result for result, _ in pairs], judging, lane):
                self._journal.write(compared)

    def _finish_tape(self, tape: Recorder | Player, case: Case) -> None:
        try:
            tape.finish(case)
        except CassetteError as error:
            self._is_wrong(error)

    def _is_wrong(self, error: CassetteError) -> None:
        """No row can be asked as it was wanted: end at once."""
        self._summary.wrong = self._summary.wrong or error
        self._stop(str(error))
        self._cancel_others()

    async def _ask(self, lane: _Lane, row: Row, repeat: int) -> Result:
        attempts: list[Attempt] = []

        def attempt_failed(attempt: Attempt) -> None:
            attempts.append(attempt)
            self._emit(AttemptFailed(lane.target.label, row.index, attempt.error or ""))

        try:
            messages: list[Message] = self._plan.messages(row)
            question = lane.questions[0] if repeat == 0 else await self._question(lane, repeat)
            response = await question.ask(
                messages,
                on_delta=self._show if self._plan.live else None,
                watch=Watch(self._budget, attempt_failed, self._sending),
            )
        except CassetteError as error:
            self._is_wrong(error)
            why = Failure("CassetteError", str(error))
            return lane.outcomes.result(row, repeat, "error", error=why, attempts=tuple(attempts))
        except BudgetError as error:
            self._summary.budget_spent = str(error)
            self._stop(str(error))
            why = Failure("BudgetError", str(error))
            return self._skipped(lane, row, repeat, why, error.attempts or tuple(attempts), error)
        except ThroughsterError as error:
            self._summary.provider_down += is_providers(error)
            if is_everybodys(error):
                self._close(lane, str(error))
            return await self._examined(lane, row, lane.outcomes.failed(row, repeat, error))
        except asyncio.CancelledError:
            return self._skipped(lane, row, repeat, self._cut_short(lane), tuple(attempts))
        except Exception as error:  # noqa: BLE001 - a bug met by one row must not lose the others; it ends in exit 5
            self._summary.bugs += 1
            reason = Failure("Bug", f"A bug in Throughster: {type(error).__name__}: {error}")
            return lane.outcomes.result(row, repeat, "error", error=reason)
        return await self._examined(lane, row, lane.outcomes.answered(row, repeat, response, status_of(response)))

    def _cut_short(self, lane: _Lane) -> Failure:
        """Why this worker was cancelled. If nobody of ours did it, the whole run is: nothing more is asked."""
        if not self._summary.interrupted and lane.closed:
            return Failure("NotAsked", f"No more rows were asked: {lane.closed}")
        self._stop("interrupted")
        return Failure("Interrupted", "The run was interrupted before the answer was there.")

    async def _examined(self, lane: _Lane, row: Row, result: Result) -> Result:
        """With what the checks of a test say."""
        if row.case is None:
            return result
        answer = answer_of(result, self._plan.messages(row), has_output=self._plan.schema is not None)
        (found,) = await self._judged([result], examine(result, answer, row.case, self._judge), lane)
        return found

    async def _judged(self, results: Sequence[Result], judging: Awaitable[list[Result]], lane: _Lane) -> list[Result]:
        """What checks, and the judge, make of these results. Whatever becomes of that, the answers are kept."""
        status: Status = "judge_error"
        try:
            return await judging
        except BudgetError as error:
            self._summary.budget_spent = str(error)
            self._stop(str(error))
            status, why = "skipped", Failure("BudgetError", str(error))
        except CassetteError as error:
            self._is_wrong(error)
            why = Failure("CassetteError", str(error))
        except asyncio.CancelledError:
            status, why = "skipped", self._cut_short(lane)
        except Exception as error:  # noqa: BLE001 - as in `_ask`
            self._summary.bugs += 1
            why = Failure("Bug", f"A bug in Throughster: {type(error).__name__}: {error}")
        return [replace(one, status=status, error=why) if one.status in EXAMINED else one for one in results]

    def _skipped(
        self,
        lane: _Lane,
        row: Row,
        repeat: int,
        why: Failure,
        attempts: tuple[Attempt, ...],
        error: BudgetError | None = None,
    ) -> Result:
        usage = error.usage if error is not None else None
        return lane.outcomes.result(
            row, repeat, "skipped", error=why, attempts=attempts, usage=usage, cost_usd=lane.target.cost_usd(usage)
        )

    def _show(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            self._emit(TextArrived(delta.text))
