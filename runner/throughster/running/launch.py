"""From plans to results on disk: the run folder, the journal, the engine, signals, and the reports at the end."""

from __future__ import annotations

import asyncio
import atexit
import datetime as dt
import resource
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import SettingsError
from throughster.exchanges import using
from throughster.limits import Budget
from throughster.running.cases import verdicts_of
from throughster.running.engine import Engine
from throughster.running.handle import RunHandle
from throughster.running.journal import Journal, JournalError
from throughster.running.lines import is_result
from throughster.running.own import check_folder, is_tracked
from throughster.running.replacing import replacing
from throughster.running.resume import newest_journal, read_done, tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.exchanges import Player, Recorder
    from throughster.running.events import Emit, Summary
    from throughster.running.outputs import Outputs
    from throughster.running.plan import Plan
    from throughster.running.processes import Crew, SharedRun
    from throughster.running.result import Result
    from throughster.running.resume import Done

__all__ = ["Caps", "execute"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Caps:
    """What the whole command may spend, over all its specs; None is no limit."""

    calls: int | None = None
    usd: float | None = None


async def execute(
    plans: Sequence[Plan],
    outputs: Outputs,
    emit: Emit,
    *,
    caps: Caps | None = None,
    tape: Recorder | Player | None = None,
    crew: Crew | None = None,
    handle_signals: bool = False,
    handle: RunHandle | None = None,
) -> list[Summary]:
    """Run the plans one after another, over the tape if there is one, with the crew of processes if there is one.

    A cancellation stops it as a signal does, but gives nothing time: nothing more is asked, what was done is written,
    reports too, and CancelledError goes on to the caller. Raises JournalError when results cannot be written.
    """
    with using(tape):
        run = _Run(plans, outputs, emit, caps or Caps(), crew, handle or RunHandle(), handle_signals=handle_signals)
        return await run.execute()


class _Run:
    """One command: its journals, its budget, its signals."""

    def __init__(
        self,
        plans: Sequence[Plan],
        outputs: Outputs,
        emit: Emit,
        caps: Caps,
        crew: Crew | None,
        handle: RunHandle,
        *,
        handle_signals: bool,
    ) -> None:
        self._crew = crew
        self._handle = handle
        self._plans = plans
        self._outputs = outputs
        self._emit = emit
        self._caps = caps
        self._handle_signals = handle_signals
        self._started_at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        self._last = Path()
        self._journals: dict[Path, None] = {}
        self._spent_calls = 0
        self._spent_usd = 0.0

    async def execute(self) -> list[Summary]:
        _raise_file_limit(self._plans)
        shared_done = self._done_in(self._outputs.journal) if self._outputs.journal is not None else None
        summaries: list[Summary] = []
        for plan in self._plans:
            summary = await self._run(plan, shared_done)
            summaries.append(summary)
            if summary.interrupted or summary.budget_spent or summary.wrong is not None:
                break
        if shared_done is not None and self._outputs.journal is not None:
            _count_once(summaries, self._outputs.journal)
        whole = self._whole() if any(path != self._last for path in self._outputs.files) else self._last
        for path in self._outputs.files:
            if path != self._last:
                _write(whole, path, self._outputs, self._plans)
        if any(summary.cancelled for summary in summaries):
            raise asyncio.CancelledError
        return summaries

    def _whole(self) -> Path:
        """The results of all specs, which without a journal of the command are in a run folder each.

        A file of several is kept until the process ends, since a report may be written from it later.
        """
        if len(self._journals) < 2:
            return self._last
        folder = Path(tempfile.mkdtemp(prefix="throughster-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        whole = folder / "results.jsonl"
        with whole.open("wb") as file:
            for journal in self._journals:
                with journal.open("rb") as one:
                    shutil.copyfileobj(one, file)
        return whole

    async def _run(self, plan: Plan, shared_done: Done | None) -> Summary:
        outputs, folder = self._outputs, None
        path, done = outputs.journal, shared_done
        if path is None:
            check_folder(outputs.folder / plan.name)
            path = newest_journal(outputs.folder / plan.name) if outputs.resume else None
            if path is not None and is_tracked(path):
                raise SettingsError(
                    f"{path} came with the project: git tracks it, so its answers are not believed. Begin a new run "
                    f"without --resume, or remove the file from git, or name it with -o if you trust it."
                )
            done = self._done_in(path) if path is not None else None
            folder = path.parent if path is not None else self._new_folder(plan)
            path = path or folder / "results.jsonl"
        elif plan.outputs:
            folder = self._new_folder(plan)
        exists = done is not None or (self._last == path and path.exists())
        self._last = path
        self._journals[path] = None
        journal = Journal(path, _nobody, resume=exists)
        budget = self._budget(plan)
        engine = (
            Engine(plan, journal, self._emit, done=done, budget=budget)
            if self._crew is None
            else self._crew.run(plan, journal, self._emit, done=done, budget=budget)
        )
        journal.announce = engine.announce
        try:
            with _signals(engine, active=self._handle_signals), self._handle.holding(engine):
                summary = await engine.run()
        finally:
            journal.close()
        self._spent_calls += summary.sends
        self._spent_usd += summary.cost_usd or 0.0
        if done is not None:
            counts = tidy(path)
            if done is not shared_done:
                summary.whole, summary.provider_down = counts
        if plan.cases is not None:
            summary.left_out = plan.cases.skipped
            summary.verdicts = verdicts_of(plan.cases, plan.labels, _lines(path, plan))
        if folder is not None:
            _write_named(plan, folder, path, outputs)
        summary.journal = str(path)
        engine.finish()
        return summary

    def _done_in(self, path: Path) -> Done | None:
        """What the journal holds already; None where there is none to go on with."""
        return read_done(path) if self._outputs.resume and path.exists() else None

    def _new_folder(self, plan: Plan) -> Path:
        check_folder(self._outputs.folder / plan.name)
        return _run_folder(self._outputs.folder / plan.name, self._started_at)

    def _budget(self, plan: Plan) -> Budget:
        """What is left for this plan of its own budget, and of the command's."""
        own, caps = plan.spec.budget, self._caps
        calls = _least(own.calls if own else None, None if caps.calls is None else caps.calls - self._spent_calls)
        usd = _least(own.usd if own else None, None if caps.usd is None else caps.usd - self._spent_usd)
        return Budget(None if calls is None else int(calls), own.tokens if own else None, usd)


def _lines(journal: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    """The results of one spec, as it is now."""
    with journal.open("rb") as file:
        for line in file:
            result = orjson.loads(line)
            if not is_result(result):
                raise SettingsError(f"{journal} holds a line that is no result. Name another file with -o.")
            if plan.holds(result):
                yield result


def _count_once(summaries: Sequence[Summary], journal: Path) -> None:
    """The rows of all specs are in one file: the last summary has what became of them all."""
    for summary in summaries:
        summary.whole, summary.provider_down = Counter(), 0
    summaries[-1].whole, summaries[-1].provider_down = tidy(journal)


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _nobody(_: Result) -> None:
    """Before an engine has the journal, nobody listens to it."""


_SPARE_FILES = 64


def _raise_file_limit(plans: Sequence[Plan]) -> None:
    """Every connection is an open file. Raises SettingsError where the system does not allow as many as needed."""
    needed = _SPARE_FILES + max(
        sum(target.limits.max_in_flight for target in plan.targets)
        if plan.total is None
        else min(plan.total, sum(target.limits.max_in_flight for target in plan.targets))
        for plan in plans
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SettingsError(
            f"{needed - _SPARE_FILES:,} requests under way need {needed:,} open files, and this system allows {hard:,} "
            f"(ulimit -Hn). Lower --concurrency to {max(1, hard - _SPARE_FILES):,}, or raise the limit."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _run_folder(parent: Path, started_at: str) -> Path:
    """A folder of its own for this run; runs that begin in the same second get a number."""
    for n in range(1, 1000):
        folder = parent / (started_at if n == 1 else f"{started_at}-{n}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            message = f"The run folder {folder} cannot be made: {error.strerror}. Name a file elsewhere with -o."
            raise SettingsError(message) from error
        return folder
    raise SettingsError(f"{parent / started_at} and 999 more like it exist already.")


def _write_named(plan: Plan, folder: Path, journal: Path, outputs: Outputs) -> None:
    """The spec's own `outputs:`, in the run folder."""
    for name in plan.outputs:
        if folder / name != journal:
            check_folder((folder / name).parent)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _write(journal, folder / name, outputs, [plan])


def _write(journal: Path, path: Path, outputs: Outputs, plans: Sequence[Plan]) -> None:
    if path.suffix.lower() == ".jsonl":
        with journal.open("rb") as source, replacing(path) as file:
            shutil.copyfileobj(source, file)
    elif outputs.write is not None:
        try:
            outputs.write(journal, path, plans)
        except OSError as error:
            raise JournalError(f"{path} cannot be written: {error.strerror or error}.") from error


class _signals:  # noqa: N801 - reads as the statement it is: with _signals(...)
    """While it is entered, the first signal interrupts the engine; a second one ends the process at once."""

    def __init__(self, engine: Engine | SharedRun, *, active: bool) -> None:
        self._engine = engine
        self._active = active

    def __enter__(self) -> None:
        for number in _SIGNALS if self._active else ():
            asyncio.get_running_loop().add_signal_handler(number, self._received, number)

    def _received(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        self._engine.interrupt(number)

    def __exit__(self, *_: object) -> None:
        for number in _SIGNALS if self._active else ():
            asyncio.get_running_loop().remove_signal_handler(number)
