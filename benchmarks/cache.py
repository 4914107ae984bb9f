"""A run whose every answer is in the local cache: no request is sent."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import cpu_of, table
from benchmarks.million import write_rows
from benchmarks.runner import SPEC
from benchmarks.server import static_server

ROWS, ROUNDS = 10_000, 5


def run() -> str:
    """The table of this area, as Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, ROWS)
        with static_server() as (server, base):
            (folder / "spec.yaml").write_text(SPEC.format(base=base) + "cache: on\n")
            first = _run(folder, "first", cached=False)
        # the server is gone: whatever is answered now comes from the cache
        again = [_run(folder, f"again{n}", cached=True) for n in range(ROUNDS)]
    rows = [
        [label, f"{wall_s:.2f}", f"{cpu_s:.2f}", f"{cpu_s / ROWS * 1e6:.0f}", f"{mb:.0f}"]
        for label, (cpu_s, wall_s, mb) in (
            ("asked, and kept in the cache", first),
            ("from the cache", tuple(statistics.median(values) for values in zip(*again, strict=True))),
        )
    ]
    about = f"{ROWS:,} rows, render, call or cache, schema check, result on disk; {server}, median of {ROUNDS}"
    return f"{about}\n\n{table(['run', 'wall s', 'CPU s in all', 'CPU us/row', 'MB'], rows)}"


def _run(folder: Path, name: str, *, cached: bool) -> tuple[float, float, float]:
    out = folder / f"{name}.jsonl"
    program = [sys.executable, "-m", "throughster", "run", str(folder / "spec.yaml"), "-q", "-o", str(out)]
    seen = cpu_of(program, env={"XDG_CACHE_HOME": str(folder / "cache")})
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(lines) == ROWS
    assert all(line["status"] == "ok" and line["cached"] == cached for line in lines)
    return seen
