"""Several processes at one run: each has its share of the rows and of the limits, and one writes the journal.

The processes are forked before any event loop or thread begins, so that what was checked and compiled need not be made
again. A worker asks every n-th row and sends its results to the first process, which writes them as if they were its
own: there is one journal, one screen, and one place where a signal arrives. A worker whose pipe ends is ended too.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import sys
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from throughster.limits import Budget, take_share
from throughster.running.engine import GRACE_S, Engine
from throughster.running.events import AttemptFailed, RowFinished, RunFinished, RunStarted, Stopping, Summary
from throughster.screen import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from throughster.running.events import Emit, Event
    from throughster.running.journal import Journal, JournalError
    from throughster.running.plan import Plan
    from throughster.running.result import Result
    from throughster.running.resume import Done

__all__ = ["Crew", "SharedRun"]

_LENGTH = struct.Struct(">I")
_BEHIND_BYTES = 4_000_000
_BEHIND_PENDING = 64
_STOP = b"stop"


class Crew:
    """`count` worker processes, for a `with` block that begins before the event loop does.

    `new_loop`: makes the workers' event loops.
    """

    def __init__(
        self, count: int, plans: Sequence[Plan], new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        self.count = count
        self._plans = list(plans)
        self._new_loop = new_loop
        self._workers: list[tuple[int, socket.socket]] = []

    def __enter__(self) -> Self:
        sys.stdout.flush()
        sys.stderr.flush()
        for n in range(self.count):
            ours, theirs = socket.socketpair()
            process = os.fork()
            if process == 0:
                ours.close()
                for _, other in self._workers:
                    other.close()
                _live(self._plans, n, self.count, theirs, self._new_loop)
            theirs.close()
            self._workers.append((process, ours))
        return self

    def __exit__(self, *exception: object) -> None:
        for _, pipe in self._workers:
            pipe.close()
        end = time.monotonic() + GRACE_S
        for pid, _ in self._workers:
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    break
                time.sleep(0.005)

    def run(self, plan: Plan, journal: Journal, emit: Emit, *, done: Done | None, budget: Budget) -> SharedRun:
        """One plan at work in all of them."""
        return SharedRun(plan, self._plans.index(plan), self._workers, journal, emit, done, budget)


class SharedRun:
    """Has the face of an Engine: `run`, `interrupt`, `announce`, `finish`."""

    def __init__(
        self,
        plan: Plan,
        number: int,
        workers: Sequence[tuple[int, socket.socket]],
        journal: Journal,
        emit: Emit,
        done: Done | None,
        budget: Budget,
    ) -> None:
        self._plan = plan
        self._number = number
        self._workers = workers
        self._journal = journal
        self._listener: Emit | None = emit
        self._done = done
        self._budget = budget
        self._summary = Summary(total=plan.total)
        self._writers: list[asyncio.StreamWriter] = []

    async def run(self) -> Summary:
        """Raises JournalError when results cannot be written."""
        plan, began_at = self._plan, time.monotonic()
        done = self._done.counts[plan.name] if self._done is not None else 0
        self._emit(RunStarted(plan.name, plan.file, plan.labels, plan.total, str(self._journal.path), plan.notes, done))
        self._journal.on_failure = self._stop_all
        shares = self._budget.shares(len(self._workers))
        try:
            await asyncio.gather(
                *(self._follow(pipe, share) for (_, pipe), share in zip(self._workers, shares, strict=True))
            )
        finally:
            self._journal.flush()
            self._summary.elapsed_s = time.monotonic() - began_at
        if self._journal.failure is not None:
            raise self._journal.failure
        return self._summary

    async def _follow(self, pipe: socket.socket, share: Budget) -> None:
        """Give one worker its orders, and take what it sends until it is done."""
        reader, writer = await asyncio.open_connection(sock=pipe.dup())
        self._writers.append(writer)
        try:
            _send(writer, (self._number, self._journal.path, self._done, share))
            while True:
                kind, value = await _receive(reader)
                if kind == "rows":
                    for result in value:
                        self._journal.write(result)
                    if self._journal.is_behind:
                        await self._journal.catch_up()
                elif kind == "event":
                    self._emit(value)
                else:
                    self._merge(value)
                    return
        except asyncio.CancelledError:
            _send(writer, _STOP)
            raise
        except (EOFError, ConnectionError):
            self._summary.lost = "A worker process ended before its rows were asked."
            self._summary.stopped_by = self._summary.stopped_by or self._summary.lost
        finally:
            self._writers.remove(writer)
            writer.close()

    def _merge(self, part: Summary) -> None:
        whole = self._summary
        whole.provider_down += part.provider_down
        whole.bugs += part.bugs
        whole.decided += part.decided
        if part.grader is not None:
            whole.grader = part.grader if whole.grader is None else whole.grader + part.grader
        whole.kept += part.kept
        whole.held_s.update({name: seconds / len(self._workers) for name, seconds in part.held_s.items()})
        whole.budget_spent = whole.budget_spent or part.budget_spent
        whole.wrong = whole.wrong or part.wrong
        whole.stopped_by = whole.stopped_by or part.stopped_by

    def announce(self, result: Result) -> None:
        """The journal calls this when a result is on disk."""
        self._summary.add(result)
        self._emit(RowFinished(result))

    def interrupt(self, signal_number: int | None) -> None:
        """Every worker takes no more rows, and has GRACE_S for what is under way."""
        if not self._summary.interrupted:
            self._summary.interrupted, self._summary.signal = True, signal_number
            self._summary.stopped_by = self._summary.stopped_by or "interrupted"
            self._emit(Stopping(None, GRACE_S, by_signal=signal_number is not None))
            self._stop_all()

    def finish(self) -> None:
        """Tell the end of the run: after its files are as they will stay."""
        self._emit(RunFinished(self._plan.name, self._summary, str(self._journal.path)))

    def _stop_all(self) -> None:
        for writer in self._writers:
            _send(writer, _STOP)

    def _emit(self, event: Event) -> None:
        if self._listener is not None:
            try:
                self._listener(event)
            except OSError:
                self._listener = None


class _PipeJournal:
    """A worker's journal: what is written goes to the first process."""

    def __init__(self, path: Path, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.failure: JournalError | None = None
        self.on_failure: Callable[[], None] | None = None
        self._writer = writer
        self._pending: list[Result] = []

    @property
    def is_behind(self) -> bool:
        return len(self._pending) >= _BEHIND_PENDING or self._writer.transport.get_write_buffer_size() > _BEHIND_BYTES

    async def catch_up(self) -> None:
        await asyncio.sleep(0)  # what is pending is sent
        await self._writer.drain()

    def write(self, result: Result) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.append(result)

    def flush(self) -> None:
        if self._pending:
            _send(self._writer, ("rows", self._pending))
            self._pending = []


def _live(
    plans: Sequence[Plan],
    n: int,
    count: int,
    pipe: socket.socket,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    """The whole life of a worker process."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the first process has them too, and says when to stop
        take_share(count)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_work(plans, n, count, pipe))
        code = 0
    except (EOFError, ConnectionError):
        code = 0  # nobody is there any more
    except BaseException:  # noqa: BLE001 - a forked process must never return into what its parent was doing
        echo(traceback.format_exc(), err=True)
    finally:
        os._exit(code)


async def _work(plans: Sequence[Plan], n: int, count: int, pipe: socket.socket) -> None:
    """Do what the pipe says until it ends: run a plan, or stop running it. Raises EOFError at its end."""
    reader, writer = await asyncio.open_connection(sock=pipe)
    engine: Engine | None = None
    run: asyncio.Task[None] | None = None

    def emit(event: Event) -> None:
        if isinstance(event, AttemptFailed):
            _send(writer, ("event", event))

    try:
        while True:
            order = await _receive(reader)
            if order == _STOP:
                if engine is not None:
                    engine.interrupt(signal.SIGTERM)
            else:
                number, path, done, budget = order
                journal = _PipeJournal(path, writer)
                engine = Engine(plans[number].part(n, count), journal, emit, done=done, budget=budget)
                run = asyncio.create_task(_run(engine, writer))
    finally:
        if run is not None and not run.done():
            os._exit(1)  # nobody is left to tell


async def _run(engine: Engine, writer: asyncio.StreamWriter) -> None:
    try:
        summary = await engine.run()
    except BaseException:  # noqa: BLE001 - the first process is told by the end of the pipe
        echo(traceback.format_exc(), err=True)
        os._exit(1)
    _send(writer, ("done", replace(summary, statuses=type(summary.statuses)())))


def _send(writer: asyncio.StreamWriter, value: Any) -> None:
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    writer.write(_LENGTH.pack(len(data)) + data)


async def _receive(reader: asyncio.StreamReader) -> Any:
    """Raises EOFError at the end of the pipe."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from a process of our own
    except asyncio.IncompleteReadError as error:
        raise EOFError from error
