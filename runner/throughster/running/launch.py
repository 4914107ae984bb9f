"""From plans to results on disk: the run folder, the journal, the engine, signals, and the reports at the end."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import SettingsError
from throughster.running.engine import Engine
from throughster.running.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.running.events import Emit, Summary
    from throughster.running.plan import Plan
    from throughster.running.result import Result

__all__ = ["Outputs", "check_outputs", "execute"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Outputs:
    """Where results go. `files`: what `-o` named. `write`: writes a report of a kind from a journal.

    `folder`: where run folders are made, `runs` in the working directory.
    """

    files: tuple[Path, ...] = ()
    write: Callable[[Path, Path], None] | None = None
    folder: Path = field(default_factory=lambda: Path("runs"))

    @property
    def journal(self) -> Path | None:
        return next((path for path in self.files if path.suffix.lower() == ".jsonl"), None)


def check_outputs(files: Sequence[Path], kinds: Sequence[str]) -> None:
    """Raises SettingsError for a kind of file that cannot be written, or a file that exists already."""
    known = (".jsonl", *kinds)
    for path in files:
        if path.suffix.lower() not in known:
            raise SettingsError(
                f"`{path}`: results can be written as {', '.join(known)}, not as `{path.suffix or path}`."
            )
        if path.exists() or path.is_symlink():
            raise SettingsError(
                f"{path} exists already. Name another file, or move it away; results are never overwritten."
            )
        if not path.parent.is_dir():
            raise SettingsError(f"{path}: there is no folder {path.parent}.")
    if len(set(files)) != len(files):
        raise SettingsError("The same output file is named twice.")


async def execute(
    plans: Sequence[Plan], outputs: Outputs, emit: Emit, *, handle_signals: bool = False
) -> list[Summary]:
    """Run the plans one after another. Raises JournalError when results cannot be written."""
    summaries: list[Summary] = []
    started_at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    shared = Journal(outputs.journal, _nobody) if outputs.journal else None
    try:
        for plan in plans:
            folder = _run_folder(outputs.folder / plan.name, started_at) if _needs_folder(plan, outputs) else None
            journal = shared or Journal(_under(folder, "results.jsonl"), _nobody)
            engine = Engine(plan, journal, emit)
            journal.announce = engine.announce
            try:
                with _signals(engine, active=handle_signals):
                    summary = await engine.run()
            finally:
                journal.flush()
                if shared is None:
                    journal.close()
            summaries.append(summary)
            if folder is not None:
                _write_named(plan, folder, journal.path, outputs)
            if summary.signal is not None:
                break
    finally:
        if shared is not None:
            shared.close()
    _write_files(outputs, shared.path if shared else journal.path)
    return summaries


def _nobody(_: Result) -> None:
    """Before an engine has the journal, nobody listens to it."""


def _needs_folder(plan: Plan, outputs: Outputs) -> bool:
    return outputs.journal is None or bool(plan.outputs)


def _under(folder: Path | None, name: str) -> Path:
    assert folder is not None
    return folder / name


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
        path = folder / name
        if path == journal:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(journal, path, outputs)


def _write_files(outputs: Outputs, journal: Path) -> None:
    for path in outputs.files:
        if path != journal:
            _write(journal, path, outputs)


def _write(journal: Path, path: Path, outputs: Outputs) -> None:
    if path.suffix.lower() == ".jsonl":
        shutil.copyfile(journal, path)
    elif outputs.write is not None:
        outputs.write(journal, path)


class _signals:  # noqa: N801 - reads as the statement it is: with _signals(...)
    """While it is entered, the first signal interrupts the engine; a second one ends the process at once."""

    def __init__(self, engine: Engine, *, active: bool) -> None:
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
