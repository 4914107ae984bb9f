"""A million rows through the whole runner: whether its memory stays where it is."""

from __future__ import annotations

import statistics

from benchmarks.measure import table
from benchmarks.million import ROWS, check_whole, million

SETTLED = 50_000
"""Rows after which the slope is taken: before, buffers and code fill up."""


def run() -> str:
    """The table of this area, as Markdown."""
    found = million()
    check_whole(found.folder, ROWS)
    settled = [(rows, mb) for rows, mb in found.samples if rows >= SETTLED]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope * 100_000
    row = [f"{ROWS:,}", f"{found.first_s:.2f}", f"{found.wall_s:.0f}", f"{ROWS / found.wall_s:,.0f}"]
    head = [
        "rows",
        "first result after s",
        "wall s",
        "rows/s",
        "MB after 50,000",
        "MB at the end",
        "MB per 100,000 rows",
    ]
    memory = [f"{settled[0][1]:.0f}", f"{settled[-1][1]:.0f}", f"{slope:+.2f}"]
    about = f"render, call, schema check, result on disk; one run, memory looked at {len(found.samples)} times"
    return f"{about}\n\n{table([*head, 'MB at most'], [[*row, *memory, f'{found.peak_mb:.0f}']])}"
