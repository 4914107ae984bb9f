"""The figures as Markdown, for a file or a pull request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.bench.figures import Bench, Percentiles, Step

__all__ = ["COLUMNS", "cells", "comparison_markdown", "markdown"]

COLUMNS = (
    "workers", "requests/s", "prompt tok/s", "completion tok/s", "total tok/s", "latency p50 / p95 / p99 s",
    "first token p50 / p95 / p99 s", "between tokens p50 / p95 / p99 ms", "requests", "errors",
)  # fmt: skip


def cells(step: Step) -> list[str]:
    """A row of the table."""
    return [
        f"{step.workers}",
        f"{step.requests_per_s:,.2f}",
        f"{step.prompt_tokens_per_s:,.1f}",
        f"{step.completion_tokens_per_s:,.1f}",
        f"{step.total_tokens_per_s:,.1f}",
        _three(step.latency_s, 1.0, 3),
        _three(step.first_token_s, 1.0, 3),
        _three(step.inter_token_s, 1000.0, 1),
        f"{step.requests:,}",
        ", ".join(f"{count:,} {kind}" for kind, count in step.errors.items()) or "0",
    ]


def markdown(bench: Bench) -> str:
    """The whole result."""
    how = "streamed" if bench.streamed else "not streamed"
    lines = [
        f"# {bench.name}",
        "",
        f"{bench.target}, {how}, {bench.began_at}",
        "",
        *_table(COLUMNS, map(cells, bench.steps)),
    ]
    if not all(step.counted for step in bench.steps):
        lines += ["", "The server did not tell the tokens of every answer: pieces of the stream were counted instead."]
    return "\n".join(lines) + "\n"


def comparison_markdown(before: Bench, after: Bench) -> str:
    """What changed at the numbers of workers that both have, in percent of the earlier figure."""
    earlier = {step.workers: step for step in before.steps}
    rows = []
    for step in after.steps:
        old = earlier.get(step.workers)
        if old is not None:
            rows.append([
                f"{step.workers}",
                _change(old.requests_per_s, step.requests_per_s),
                _change(old.completion_tokens_per_s, step.completion_tokens_per_s),
                _change(old.latency_s.p50, step.latency_s.p50),
                _change(old.latency_s.p95, step.latency_s.p95),
                _change(old.first_token_s.p50, step.first_token_s.p50),
                _change(old.inter_token_s.p50, step.inter_token_s.p50),
            ])  # fmt: skip
    head = (
        "workers", "requests/s", "completion tok/s", "latency p50", "latency p95", "first token p50",
        "between tokens p50",
    )  # fmt: skip
    title = f"Compared with {before.target}, {before.began_at}:"
    return "\n".join([title, "", *_table(head, rows)]) + "\n" if rows else f"{title} no number of workers is in both.\n"


def _three(values: Percentiles, factor: float, digits: int) -> str:
    if math.isnan(values.p50):
        return "-"
    return " / ".join(f"{value * factor:,.{digits}f}" for value in (values.p50, values.p95, values.p99))


def _change(old: float, new: float) -> str:
    if math.isnan(old) or math.isnan(new) or old == 0:
        return "-"
    return f"{(new / old - 1) * 100:+.1f} %"


def _table(head: Sequence[str], rows: object) -> list[str]:
    assert hasattr(rows, "__iter__")
    body = ["| " + " | ".join(row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]
