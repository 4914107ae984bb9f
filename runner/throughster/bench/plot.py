"""Throughput and latency over workers, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughster.bench.figures import Bench

__all__ = ["write_plot"]


def write_plot(benches: Sequence[Bench], path: Path) -> None:
    """Two panels, by the ending of `path` a PNG or an SVG; several benchmarks in one picture.

    Raises SettingsError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError(f"{path}: a plot needs matplotlib. Install it: pip install 'throughster[plot]'.") from None
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    rate, latency = figure.subplots(1, 2)
    for bench in benches:
        label = bench.target if len(benches) == 1 else f"{bench.target}, {bench.began_at}"
        workers = [step.workers for step in bench.steps]
        rate.plot(
            workers, [step.completion_tokens_per_s for step in bench.steps], marker="o", label=f"completion, {label}"
        )
        rate.plot(
            workers, [step.total_tokens_per_s for step in bench.steps], marker=".", ls="--", label=f"total, {label}"
        )
        (line,) = latency.plot(workers, [step.latency_s.p50 for step in bench.steps], marker="o", label=f"p50, {label}")
        for share, style in (("p95", "--"), ("p99", ":")):
            values = [getattr(step.latency_s, share) for step in bench.steps]
            latency.plot(workers, values, marker=".", ls=style, color=line.get_color(), label=f"{share}, {label}")
        if bench.streamed:
            latency.plot(
                workers, [step.first_token_s.p50 for step in bench.steps], marker="x", label=f"first token p50, {label}"
            )
    for panel, title, unit in ((rate, "Throughput", "tokens per second"), (latency, "Latency", "seconds")):
        panel.set(title=title, xlabel="workers", ylabel=unit, xscale="log")
        ticks = sorted({step.workers for bench in benches for step in bench.steps})
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_ylim(bottom=0)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    figure.suptitle(benches[0].name)
    figure.savefig(path, dpi=130)
