"""A picture of the tables: CPU of a call, and pieces per second of streams, for each client."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

PICTURE = Path(__file__).parent / "clients.svg"
PANELS = (("call", "CPU us/call", "CPU per call, microseconds"), ("stream", "chunks/s", "streamed chunks per second"))
OURS, OTHERS = "#1f77b4", "#b0b7bf"


def column(section: str, name: str) -> dict[str, float]:
    """The figures by client, of the first table of a section."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    head = rows[0]
    found: dict[str, float] = {}
    for row in rows[2:]:
        if len(row) != len(head) or row[0] in found:
            break  # the next table
        found[row[0]] = float(row[head.index(name)].replace(",", ""))
    return found


def draw(sections: dict[str, str]) -> bool:
    """Write the picture; whether it could be: without matplotlib, or one of the areas, there is none."""
    if importlib.util.find_spec("matplotlib") is None or not all(area in sections for area, _, _ in PANELS):
        return False
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "throughster"  # the same figures give the same file
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, (area, name, title) in zip(figure.subplots(1, 2), PANELS, strict=True):
        figures = column(sections[area], name)
        clients = list(reversed(figures))
        colors = [OURS if client == "throughster" else OTHERS for client in clients]
        bars = axes.barh(clients, [figures[client] for client in clients], color=colors)
        axes.bar_label(bars, [f"{figures[client]:,.0f}" for client in clients], padding=3, fontsize=8)
        axes.set_xscale("log")
        axes.set_xlim(10 ** math.floor(math.log10(min(figures.values()))), max(figures.values()) * 4)
        axes.set_title(f"{title} (log scale)", fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, metadata={"Date": None})
    return True
