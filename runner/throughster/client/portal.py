"""One event loop in a background thread, for the sync twins.

Made when it is first needed and again after a fork. It works from any thread, with or without a running loop there,
so in notebooks too; a client's connections live on it across calls.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from throughster.transport import close_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from throughster.client.stream import Stream

__all__ = ["run_in_portal", "stream_in_portal"]

_T = TypeVar("_T")


class _Portal:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = _new_loop()
        self.thread = threading.Thread(target=self._run, name="throughster", daemon=True)
        self.thread.start()
        atexit.register(self.end)

    def _run(self) -> None:
        """Go on when something that was called asks to exit: that ends its caller's call, not everyone's loop."""
        while True:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                continue
            return

    def end(self) -> None:
        """At the end of the process: close what clients left open, so that nothing complains of it."""
        if self.pid == os.getpid() and self.loop.is_running():
            with suppress(Exception):  # the process ends, come what may
                asyncio.run_coroutine_threadsafe(close_sessions(), self.loop).result(timeout=2)


_lock = threading.Lock()
_portal: _Portal | None = None


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # a system that uvloop does not exist for
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _after_fork() -> None:
    """The child has neither the thread nor, maybe, the lock's owner."""
    global _lock, _portal  # noqa: PLW0603
    _lock = threading.Lock()
    _portal = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _get() -> _Portal:
    global _portal  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _portal is None or _portal.pid != os.getpid():
            _portal = _Portal()
        return _portal


def run_in_portal(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The coroutine's result. Raises RuntimeError on the portal's own thread, where it would wait for ever."""
    portal = _get()
    if threading.current_thread() is portal.thread:
        coroutine.close()
        raise RuntimeError("A sync_* method was called from async code that a sync_* method runs; await the async one.")
    future = asyncio.run_coroutine_threadsafe(coroutine, portal.loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def stream_in_portal(stream: Callable[[], Stream]) -> Iterator[str]:
    """The texts of a stream. Leaving the loop early ends the stream."""

    async def begin() -> Stream:
        return stream()

    begun = run_in_portal(begin())
    texts = aiter(begun)

    async def following() -> str | None:
        return await anext(texts, None)

    try:
        while (text := run_in_portal(following())) is not None:
            yield text
    finally:
        run_in_portal(begun.aclose())
