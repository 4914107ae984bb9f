"""Going on with a run of which a million rows are done: how soon it sends, and in how much memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.measure import table
from benchmarks.million import NEW_ROWS, ROWS, cpu_s_of, memory_of, million, run_command, write_rows
from benchmarks.runner import SPEC
from benchmarks.server import static_server

ROUNDS = 3


def run() -> str:
    """The table of this area, as Markdown."""
    folder = million().folder
    write_rows(folder, ROWS + NEW_ROWS)
    seen = [_resumed(folder) for _ in range(ROUNDS)]
    first_s, cpu_s, mb = (statistics.median(values) for values in zip(*seen, strict=True))
    head = ["rows done", "first new result after s", "CPU s until then", "MB, the mapped journal left out"]
    about = f"`--resume` with {NEW_ROWS:,} new rows at the end of the data, median of {ROUNDS}"
    return f"{about}\n\n{table(head, [[f'{ROWS:,}', f'{first_s:.2f}', f'{cpu_s:.2f}', f'{mb:.0f}']])}"


def _resumed(folder: Path) -> tuple[float, float, float]:
    """Until the first new line, then it is stopped and the journal set back."""
    out = folder / "out.jsonl"
    done_bytes = out.stat().st_size
    with static_server() as (_, base):
        (folder / "spec.yaml").write_text(SPEC.format(base=base))
        began = time.perf_counter()
        process = subprocess.Popen(run_command(folder, "--resume"))
        try:
            while out.stat().st_size <= done_bytes:
                time.sleep(0.005)
                assert process.poll() is None, "It ended before it sent anything."
            first_s = time.perf_counter() - began
            return first_s, cpu_s_of(process.pid), memory_of(process.pid)["RssAnon"]
        finally:
            process.kill()
            process.wait()
            os.truncate(out, done_bytes)
