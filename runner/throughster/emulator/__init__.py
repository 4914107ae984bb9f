"""A real HTTP server that speaks the providers' dialects: for the `offline` provider, tests and benchmarks.

Written from the providers' documented wire formats alone; it shares no code with the client, so that the two cannot
share a misreading. The server is imported when it is first used: reading an answers file needs none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from throughster.emulator.answers import Answers, Entry, load_answers, parse_answers
from throughster.emulator.exchange import RecordedRequest, Reply, Route
from throughster.emulator.fault_grammar import parse_fault
from throughster.emulator.faults import Fault
from throughster.emulator.latency import LognormalLatency, UniformLatency, parse_latency
from throughster.emulator.options import DialectName, Options

if TYPE_CHECKING:
    from throughster.emulator.server import Emulator
    from throughster.emulator.serving import serve

__all__ = [
    "Answers",
    "DialectName",
    "Emulator",
    "Entry",
    "Fault",
    "LognormalLatency",
    "Options",
    "RecordedRequest",
    "Reply",
    "Route",
    "UniformLatency",
    "load_answers",
    "parse_answers",
    "parse_fault",
    "parse_latency",
    "serve",
]


_LAZY = {"Emulator": "throughster.emulator.server", "serve": "throughster.emulator.serving"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
