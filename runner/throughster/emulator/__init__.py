"""A real HTTP server that speaks the providers' dialects: for the `offline` provider, tests and benchmarks.

Written from the providers' documented wire formats alone; it shares no code with the client, so that the two cannot
share a misreading.
"""

from throughster.emulator.answers import Answers, Entry, load_answers, parse_answers
from throughster.emulator.exchange import DialectName, Options, RecordedRequest, Reply, Route
from throughster.emulator.server import Emulator, serve

__all__ = [
    "Answers",
    "DialectName",
    "Emulator",
    "Entry",
    "Options",
    "RecordedRequest",
    "Reply",
    "Route",
    "load_answers",
    "parse_answers",
    "serve",
]
