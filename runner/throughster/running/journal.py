"""The journal: every result on disk, a whole line of strict JSON each, before anything is told about it.

Lines of one turn of the event loop are written together. That survives the end of this process in any form. About once
a second, or every hundred results, a thread makes the operating system put them on the disk itself (fdatasync), which
survives the end of the machine; while the disk lags behind that, no new rows are begun.

One run writes a journal at a time: the file is locked while it is open, and the kernel gives the lock free when the
process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from throughster.errors import SettingsError, ThroughsterError
from throughster.running.result import to_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from throughster.running.result import Result

__all__ = ["Journal", "JournalError", "Sink", "fsync_folder", "lock_file", "write_all"]

_LOCK_S = 1.0
_SYNC_ROWS = 100
_SYNC_S = 1.0
_BEHIND_ROWS = 1000
_BEHIND_PENDING = 64
_BEHIND_BYTES = 64_000_000


class JournalError(ThroughsterError):
    """Results could not be written; the run ends, and what was written stands."""


class Sink(Protocol):
    """Where an engine's results go."""

    path: Path
    failure: JournalError | None
    on_failure: Callable[[], None] | None

    @property
    def is_behind(self) -> bool: ...

    async def catch_up(self) -> None: ...

    def write(self, result: Result) -> None: ...

    def flush(self) -> None: ...


class Journal:
    """`path` must not exist yet, unless `resume`: then lines are added to it.

    Raises JournalError when it cannot be made or opened, SettingsError when another run is writing it.
    """

    def __init__(self, path: Path, announce: Callable[[Result], None], *, resume: bool = False) -> None:
        self.path = path
        self.announce = announce
        self.failure: JournalError | None = None
        self.on_failure: Callable[[], None] | None = None
        self._pending: list[Result] = []
        self._unsynced_rows = self._unsynced_bytes = 0
        self._sync: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, flags if resume else flags | os.O_CREAT | os.O_EXCL, 0o644)
            self._lock()
            fsync_folder(path.parent)
        except OSError as error:
            raise JournalError(f"{path} cannot be {'opened' if resume else 'made'}: {_reason(error)}.") from error

    def _lock(self) -> None:
        try:
            lock_file(self._file, self.path)
        except SettingsError:
            os.close(self._file)
            raise

    @property
    def is_behind(self) -> bool:
        """Whether so much is not yet written, or not yet on the disk itself, that new rows should wait.

        Rows that wait for nobody, such as those of a cache, would else all be run before the first is written.
        """
        return (
            len(self._pending) >= _BEHIND_PENDING
            or self._unsynced_rows >= _BEHIND_ROWS
            or self._unsynced_bytes >= _BEHIND_BYTES
        )

    async def catch_up(self) -> None:
        """Wait until the disk is no longer behind."""
        while self.is_behind and self.failure is None:
            if self._pending or (self._sync is not None and self._sync.done()):
                await asyncio.sleep(0)  # it is written, or the sync counted: waiting for what is done gives no turn
                continue
            if self._sync is None:
                self._start_sync()
            assert self._sync is not None
            await asyncio.shield(self._sync)

    def write(self, result: Result) -> None:
        """Take a result. It is written, and announced, before the event loop does anything else."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.append(result)

    def flush(self) -> None:
        """Write what was taken."""
        results, self._pending = self._pending, []
        if not results or self.failure is not None:
            return
        data = b"".join([to_line(result) for result in results])
        try:
            whole = os.lseek(self._file, 0, os.SEEK_END)
            write_all(self._file, data)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, whole)  # half a line is no result
            self._fail(error)
            return
        self._unsynced_rows += len(results)
        self._unsynced_bytes += len(data)
        self._plan_sync()
        for result in results:
            self.announce(result)

    def close(self) -> None:
        """Write and sync what is left."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        try:
            os.fsync(self._file)
        except OSError as error:
            self._fail(error)
        finally:
            with suppress(OSError):
                os.close(self._file)

    def _plan_sync(self) -> None:
        if self._sync is not None:
            return  # what is written meanwhile is looked at when it is done
        if self._unsynced_rows >= _SYNC_ROWS:
            self._start_sync()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SYNC_S, self._start_sync)

    def _start_sync(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sync is None:
            rows, size = self._unsynced_rows, self._unsynced_bytes
            self._sync = asyncio.get_running_loop().run_in_executor(None, os.fdatasync, self._file)
            self._sync.add_done_callback(lambda done: self._synced(done, rows, size))

    def _synced(self, done: asyncio.Future[None], rows: int, size: int) -> None:
        self._sync = None
        error = None if done.cancelled() else done.exception()
        if isinstance(error, OSError):
            self._fail(error)
        elif error is None:
            self._unsynced_rows -= rows
            self._unsynced_bytes -= size
            if self._unsynced_rows:
                self._plan_sync()

    def _fail(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = JournalError(
                f"{self.path} cannot be written: {_reason(error)}. What stands there is kept; make room, and go on "
                f"with --resume."
            )
            if self.on_failure is not None:
                self.on_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_all(file: int, data: bytes) -> None:
    """A short write is no error to the operating system; it is to a journal."""
    view = memoryview(data)
    while view:
        written = os.write(file, view)
        if written == 0:
            raise OSError(errno.EIO, "nothing could be written")
        view = view[written:]


def lock_file(file: int, path: Path) -> None:
    """Raises SettingsError where another process holds it. Where the file system has no locks, nothing is held.

    Linux may close a killed process's files a moment after its parent was told of its end, so a lock is waited for.
    """
    end = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                message = f"Another run is writing {path}. Wait for it to end, or name another file with -o."
                raise SettingsError(message) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
                raise
            return
        else:
            return


def fsync_folder(folder: Path) -> None:
    """Put the folder's entries on disk: a new file is no use when its name is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
