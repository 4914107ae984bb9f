"""A streamed answer through the public API, text by text, against the limit and peers."""

from __future__ import annotations

from benchmarks.measure import CLIENTS, absent_note, in_turn, present, table
from benchmarks.server import PIECES, at, static_server

STREAMS, IN_FLIGHT, ROUNDS = 300, 32, 5


def run() -> str:
    """The table of this area, as Markdown."""
    with static_server() as (server, base):
        found = in_turn(present(), ROUNDS, "stream", base=at(base, "stream"), count=STREAMS, in_flight=IN_FLIGHT)
    limit = found["bare"]["cpu_us"]
    rows = [
        [
            CLIENTS[name],
            f"{f['cpu_us']:,.0f}",
            f"{f['cpu_us'] / limit:.2f}",
            f"{PIECES / f['cpu_us'] * 1e6:,.0f}",
            f"{f['pieces_per_s']:,.0f}",
            f"{f['mb']:.0f}",
        ]
        for name, f in found.items()
    ]
    assert all(f["pieces"] == PIECES for f in found.values()), found
    head = ["client", "CPU us/stream", "x bare", "chunks per CPU s", "chunks/s", "MB"]
    about = (
        f"{STREAMS} streams of {PIECES} pieces in 40 KB, {IN_FLIGHT} in flight, {server}, uvloop, median of {ROUNDS}"
    )
    return f"{about}\n\n{table(head, rows)}{absent_note()}"
