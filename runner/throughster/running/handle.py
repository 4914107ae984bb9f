"""A handle to stop a run by, from another task, another thread, or the program around it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RunHandle"]


class _Stoppable(Protocol):
    def interrupt(self, signal_number: int | None) -> None: ...


class RunHandle:
    """Give it to `throughster.run(..., handle=handle)` or `arun`, and call `handle.stop()` from anywhere.

    The run stops as at a signal: no more rows are asked, calls under way get up to 4 seconds, what was done is returned
    and kept, and `resume=True` goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._under_way: list[tuple[asyncio.AbstractEventLoop, _Stoppable]] = []

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """Returns at once. May be called more than once, and before the run begins: then nothing is asked."""
        with self._lock:
            self._stopped = True
            for loop, run in self._under_way:
                loop.call_soon_threadsafe(run.interrupt, None)

    @contextmanager
    def holding(self, run: _Stoppable) -> Iterator[None]:
        """While it is entered, `stop` stops this run, which belongs to the running event loop."""
        entry = (asyncio.get_running_loop(), run)
        with self._lock:
            self._under_way.append(entry)
            if self._stopped:
                run.interrupt(None)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(entry)
