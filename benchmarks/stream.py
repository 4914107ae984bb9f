"""A streamed answer through the public API, text by text, against the limit and peers.

First as fast as it comes; then many at once at the pace of a model, from the emulator's model of one.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from pathlib import Path

from benchmarks.clients import STREAMED
from benchmarks.drive import ask
from benchmarks.measure import CLIENTS, PEER_ROUNDS, absent_note, in_turn, present, table
from benchmarks.server import PIECES, at, emulator, static_server

STREAMS, IN_FLIGHT, ROUNDS = 300, 32, 5
STEADY, PER_S, WORDS, STEADY_ROUNDS = 256, 50, 250, 3


def run() -> str:
    """The tables of this area, as Markdown."""
    return f"{_fast()}\n\n{_steady()}{absent_note()}"


def _fast() -> str:
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
        f"{STREAMS} streams of {PIECES} pieces in 40 KB, {IN_FLIGHT} in flight, {server}, uvloop, median of {ROUNDS} "
        f"({PEER_ROUNDS} of the SDKs)"
    )
    return f"{about}\n\n{table(head, rows)}"


def _steady() -> str:
    with tempfile.TemporaryDirectory() as name:
        answers = Path(name) / "answers.yaml"
        text = " ".join(f"{n:03}" for n in range(WORDS))
        answers.write_text(f'- {{contains: French, answer: "{text}"}}\n')
        with emulator("--dialect", "vllm", "--answers", answers) as base:
            pace = PER_S * _events_per_token(base)
        with emulator("--dialect", "vllm", "--answers", answers, "--tokens-per-second", PER_S) as base:
            options = {"base": base, "in_flight": STEADY, "per_s": pace, "adaptive": False}
            found = in_turn(present(), STEADY_ROUNDS, "steady", **options)
    limit = found["bare"]
    rows = [
        [
            CLIENTS[name],
            f"{f['core']:.2f}",
            f"{f['cpu_us']:.1f}",
            f"{f['cpu_us'] / limit['cpu_us']:.2f}",
            f"{f['pieces_per_s']:,.0f}",
            f"{f['late_ms_p50']:.1f}",
            f"{f['late_ms_p99']:.1f}",
        ]
        for name, f in found.items()
    ]
    head = ["client", "cores", "CPU us/chunk", "x bare", "chunks/s", "late ms p50", "p99"]
    about = (
        f"{STEADY} streams at once of {WORDS} tokens at {PER_S} tokens/s each, the emulator in another process, "
        f"uvloop, median of {STEADY_ROUNDS}; late: after the moment at which the chunk was due, the server's lateness "
        "included"
    )
    return f"{about}\n\n{table(head, rows)}"


def _events_per_token(base: str) -> float:
    """The emulator spreads an answer's tokens evenly over its events, some of which hold no text."""

    def fetch(body: dict[str, object]) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as reply:
            data: bytes = reply.read()
            return data

    tokens: int = json.loads(fetch(ask()))["usage"]["completion_tokens"]
    return fetch({**ask(), **STREAMED}).count(b"data: ") / tokens
