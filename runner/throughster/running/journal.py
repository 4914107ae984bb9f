"""The journal: every result on disk, a whole line of strict JSON each, before anything is told about it."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from throughster.errors import ThroughsterError
from throughster.running.result import to_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from throughster.running.result import Result

__all__ = ["Journal", "JournalError"]


class JournalError(ThroughsterError):
    """Results could not be written; the run ends, and what was written stands."""


class Journal:
    """Lines of one turn of the event loop are written together, in one go, then their results are announced.

    `path` must not exist yet. Raises JournalError when it does, or cannot be made.
    """

    def __init__(self, path: Path, announce: Callable[[Result], None]) -> None:
        self.path = path
        self.announce = announce
        self._pending: list[Result] = []
        self.failure: JournalError | None = None
        self.on_failure: Callable[[], None] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"{path} cannot be made: {_reason(error)}.") from error

    def write(self, result: Result) -> None:
        """Take a result. It is on disk, and announced, before the event loop does anything else."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.append(result)

    def flush(self) -> None:
        results, self._pending = self._pending, []
        if not results:
            return
        try:
            whole = os.lseek(self._file, 0, os.SEEK_END)
            _write_all(self._file, b"".join([to_line(result) for result in results]))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, whole)  # half a line is no result
            if self.failure is None:
                self.failure = JournalError(
                    f"{self.path} cannot be written: {_reason(error)}. What stands there is kept."
                )
                if self.on_failure is not None:
                    self.on_failure()
            return
        for result in results:
            self.announce(result)

    def close(self) -> None:
        self.flush()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_all(file: int, data: bytes) -> None:
    """A short write is no error to the operating system; it is to a journal."""
    view = memoryview(data)
    while view:
        written = os.write(file, view)
        if written == 0:
            raise OSError(errno.EIO, "nothing could be written")
        view = view[written:]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
