"""The event loop that commands run on: uvloop where it exists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["loop_factory", "runner"]


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loops; None for the standard library's."""
    try:
        import uvloop
    except ImportError:  # a system that uvloop does not exist for
        return None
    return uvloop.new_event_loop


def runner() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=loop_factory())
