"""Limits per minute and limits of concurrency: how much of what a server permits is used, and how often it refuses."""

from __future__ import annotations

import signal
import subprocess
import time

from tests.soak.figures import at_least, at_most
from tests.soak.programs import emulating, outcome_of, read_lines, start, write_rows, write_spec

__all__ = ["capacity", "configured", "learned"]

_REQUESTS, _TOKENS = 600, 60_000
_TEXT = "word " * 50  # about a hundred tokens a row, with its answer: both limits are near


def learned(folder, seconds=180):
    """Nothing is configured: the limits are learnt from the replies' headers."""
    yield from _limited(folder, seconds, "", "learnt from headers")


def configured(folder, seconds=180):
    """The spec says the limits."""
    more = f"concurrency: {{requests_per_minute: {_REQUESTS}, tokens_per_minute: {_TOKENS}}}\n"
    yield from _limited(folder, seconds, more, "configured")


def _limited(folder, seconds, more, how):
    write_rows(folder, (_TEXT for _ in range(30 * seconds)))
    limits = ("--requests-per-minute", _REQUESTS, "--tokens-per-minute", _TOKENS, "--latency", "0.2")
    with emulating(*limits) as base:
        write_spec(folder, base, more=f"retry: {{max_attempts: 20}}\n{more}")
        _run_for(folder, seconds)
    _, sends, replies = outcome_of(folder)
    tokens = sum(line["usage"]["total_tokens"] for line in read_lines(folder) if line["usage"])
    minutes = seconds / 60 + 1  # a full bucket of a minute at the start, and what flows in
    used = max(replies[200] / (_REQUESTS * minutes), tokens / (_TOKENS * minutes))
    yield at_least(f"limits per minute, {how}: share of the permitted rate that is used", used, 0.97)
    yield at_most(f"limits per minute, {how}: share of the replies that are 429", replies[429] / sends, 0.01)


def capacity(folder, seconds=60):
    """A server that takes forty at once and says so to nobody."""
    latency_s, places = 0.2, 40
    best = places / latency_s
    write_rows(folder, ("x" for _ in range(int(1.2 * best * seconds))))
    with emulating("--max-concurrent", places, "--latency", latency_s) as base:
        write_spec(folder, base, more="concurrency: {max_in_flight: 256}\nretry: {max_attempts: 50}\n")
        took_s = _run_for(folder, seconds)
    _, sends, replies = outcome_of(folder)
    yield at_least("a hidden limit of 40 at once: share of the best rate", replies[200] / took_s / best, 0.85)
    yield at_most("a hidden limit of 40 at once: share of the replies that are 429", replies[429] / sends, 0.03)


def _run_for(folder, seconds):
    """Run from the first result on for so many seconds; gives them."""
    process = start(folder)
    while not (folder / "out.jsonl").exists():
        time.sleep(0.005)
        assert process.poll() is None, process.communicate()
    began_at = time.monotonic()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    return time.monotonic() - began_at
