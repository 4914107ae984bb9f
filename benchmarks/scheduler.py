"""Work that is never left waiting: calls of very different lengths, and a thousand at once.

Places that are never left empty end by (sum of latencies / places + the longest), whatever the order of the calls:
`x bound` is the time over that.
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import CLIENTS, absent_note, cpu_of, in_turn, present, table
from benchmarks.server import at, small_server

CALLS, PLACES, MEDIAN_S, SIGMA, ROUNDS = 2000, 256, 0.5, 1.0, 1
MANY, AT_ONCE = 10_000, 1000
SPEC = """\
version: 1
name: bench
provider: {{name: vllm, model: m, api_base: "{base}"}}
prompt: '{{{{ wait_s }}}}'
data: rows.csv
concurrency: {{max_in_flight: {places}, adaptive: false}}
"""


def run() -> str:
    """The tables of this area, as Markdown."""
    draw = random.Random(1)
    drawn = [round(MEDIAN_S * math.exp(draw.gauss(0, SIGMA)), 6) for _ in range(CALLS)]
    bound = sum(drawn) / PLACES + max(drawn)
    mixed = _measure(drawn, PLACES)
    rows = [[name, f"{wall_s:.2f}", f"{wall_s / bound:.3f}"] for name, (wall_s, _) in mixed.items()]
    about = (
        f"{CALLS:,} calls whose latency is log-normal (median {MEDIAN_S} s, sigma {SIGMA:g}, longest "
        f"{max(drawn):.1f} s), {PLACES} in flight, one run; the bound is {bound:.2f} s"
    )
    first = f"{about}\n\n{table(['client', 'wall s', 'x bound'], rows)}"
    even = _measure([1.0] * MANY, AT_ONCE)
    rows = [[name, f"{MANY / wall_s:,.0f}", f"{cpu_us:.0f}"] for name, (wall_s, cpu_us) in even.items()]
    second = table(["client", "calls/s", "CPU us/call"], rows)
    return f"{first}\n\n{MANY:,} calls of 1 s each, {AT_ONCE:,} in flight\n\n{second}{absent_note()}"


def _measure(latencies: list[float], places: int) -> dict[str, tuple[float, float]]:
    """For each client, and the whole runner, start-up left in: wall seconds in all, CPU microseconds per call."""
    with small_server() as base:
        slow = at(base, "slow")
        found = in_turn(present(), ROUNDS, "waits", base=slow, latencies=latencies, in_flight=places, adaptive=False)
        whole = sorted(_runner(slow, latencies, places) for _ in range(ROUNDS))[ROUNDS // 2]
    seen = {CLIENTS[name]: (f["wall_s"], f["cpu_us"]) for name, f in found.items()}
    return {**seen, "throughster-run, start-up included": whole}


def _runner(base: str, latencies: list[float], places: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(SPEC.format(base=base, places=places))
        (folder / "rows.csv").write_text("wait_s\n" + "".join(f"{latency_s:.6f}\n" for latency_s in latencies))
        out = folder / "out.jsonl"
        command = [sys.executable, "-m", "throughster", "run", str(folder / "spec.yaml"), "-q", "-o", str(out)]
        cpu_s, wall_s, _ = cpu_of(command)
        lines = [json.loads(line) for line in out.read_bytes().splitlines()]
        assert len(lines) == len(latencies)
        assert all(line["status"] == "ok" for line in lines)
        return wall_s, cpu_s / len(latencies) * 1e6
