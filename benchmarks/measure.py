"""Measuring: each case runs in a process of its own, several times in turn with the others; medians count."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`name` as the table calls it; `code` is Python that sets `n`, the number of units it did."""

    name: str
    code: str


def cpu_of(command: list[str]) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak memory in MB of one command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{command[0]} failed: {errors.decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024


def in_turn(cases: list[Case], rounds: int) -> dict[str, dict[str, float]]:
    """For each case the medians of what its code prints as JSON, the cases taking turns."""
    seen: dict[str, list[dict[str, float]]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            done = subprocess.run([sys.executable, "-c", case.code], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{case.name} failed: {done.stderr[-2000:]}")
            seen[case.name].append(json.loads(done.stdout))
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in seen.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
