"""The event loop that commands run on: uvloop where it exists."""

from __future__ import annotations

import asyncio

__all__ = ["runner"]


def runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:  # a system that uvloop does not exist for
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
