"""Measuring: each case runs in a process of its own, several times in turn with the others; medians count."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLIENTS = {"bare": "bare aiohttp + orjson", "ours": "throughster", "openai": "openai SDK", "litellm": "litellm"}
PEERS = ("openai", "litellm")
PEER_ROUNDS = 3
"""They take ten to three hundred times as long; a tenth more or less of that tells nothing."""


def present() -> list[str]:
    """The clients that can be measured here, in the order of the tables."""
    return [name for name in CLIENTS if name not in PEERS or importlib.util.find_spec(name)]


def absent_note() -> str:
    """Which peers are not installed, as a line of its own; empty where all are."""
    names = [name for name in PEERS if name not in present()]
    return f"\n\nNot installed here, so not measured: {', '.join(names)}." if names else ""


def cpu_of(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak memory in MB of one command. `env`: added to the environment."""
    began = time.perf_counter()
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{' '.join(command)} failed: {errors.decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024


def drive(client: str, job: str, **options: Any) -> dict[str, float]:
    """What one client did at one job, in a process of its own; see `benchmarks.drive`."""
    command = [sys.executable, "-m", "benchmarks.drive", client, job, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{client} failed at {job}: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def in_turn(clients: list[str], rounds: int, job: str, **options: Any) -> dict[str, dict[str, float]]:
    """For each client the medians of what it found at the job, the clients taking turns; peers in three at most."""
    seen: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
    for n in range(rounds):
        for client in clients:
            if client not in PEERS or n < PEER_ROUNDS:
                seen[client].append(drive(client, job, **options))
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in seen.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
