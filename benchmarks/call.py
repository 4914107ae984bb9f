"""One call through the public API, with retry, limits and recording armed, against the limit and peers."""

from __future__ import annotations

from benchmarks.measure import CLIENTS, PEER_ROUNDS, absent_note, in_turn, present, table
from benchmarks.server import static_server

CALLS, IN_FLIGHT, ROUNDS = 5000, 64, 5


def run() -> str:
    """The table of this area, as Markdown."""
    with static_server() as (server, base):
        found = in_turn(present(), ROUNDS, "call", base=base, count=CALLS, in_flight=IN_FLIGHT)
    limit = found["bare"]
    rows = [
        [
            CLIENTS[name],
            f"{f['cpu_us']:.0f}",
            f"{f['cpu_us'] / limit['cpu_us']:.2f}",
            f"{f['per_s']:,.0f}",
            f"{f['per_s'] / limit['per_s']:.0%}",
            f"{f['mb']:.0f}",
        ]
        for name, f in found.items()
    ]
    head = ["client", "CPU us/call", "x bare", "calls/s", "of bare", "MB"]
    about = f"{CALLS:,} calls, {IN_FLIGHT} in flight, {server}, uvloop, median of {ROUNDS} ({PEER_ROUNDS} of the SDKs)"
    return f"{about}\n\n{table(head, rows)}{absent_note()}"
