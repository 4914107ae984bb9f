"""Who listens to a run, by `--format`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from throughster.config import in_ci
from throughster.reports.console import ConsoleReport
from throughster.running.events import RowFinished, RunFinished
from throughster.running.result import to_line
from throughster.screen import annotate, echo_json

if TYPE_CHECKING:
    from throughster.running.events import Emit, Event, Summary

__all__ = ["listener"]


def listener(screen: str, *, color: str, quiet: bool, progress: bool, verbose: bool) -> Emit:
    """`text`: tables and a live line. `json`: a result a line, then the summary. `github`: text, and annotations."""
    if screen == "json":
        return _print_json
    console = ConsoleReport(
        color=color, quiet=quiet, progress=progress, verbose=verbose, in_ci=screen == "github" or in_ci()
    )
    if screen == "text":
        return console

    def both(event: Event) -> None:
        console(event)
        if isinstance(event, RunFinished):
            for case in event.summary.verdicts or ():
                if case.verdict in ("fail", "error"):
                    told = f"{case.verdict} on {case.label}: {case.tally} passed: {case.reason}"
                    annotate("error", told, file=case.file, row=case.line, title=case.id)
        elif isinstance(event, RowFinished) and event.result.status != "ok" and not event.result.checks:
            result = event.result
            why = result.error.message if result.error else result.status
            annotate("error", f"row {result.row + 1}: {result.status}: {why}", title=result.spec)

    return both


def _print_json(event: Event) -> None:
    if isinstance(event, RowFinished):
        echo_json(to_line(event.result))
    elif isinstance(event, RunFinished):
        echo_json({"summary": _summary(event.name, event.summary), "journal": event.journal})


def _summary(name: str, summary: Summary) -> dict[str, object]:
    return {
        "name": name,
        "rows": summary.asked,
        "total": summary.total,
        "statuses": dict(summary.statuses),
        "usage": summary.usage,
        "cost_usd": summary.cost_usd,
        "sends": summary.sends,
        "first_try": summary.first_try,
        "cached": summary.cached,
        "kept": summary.kept,
        "held_s": {name: round(seconds, 3) for name, seconds in summary.held_s.items()},
        "elapsed_s": round(summary.elapsed_s, 3),
        "tests": None if summary.verdicts is None else [asdict(case) for case in summary.verdicts],
        "grader": None if summary.grader is None else asdict(summary.grader),
        "stopped_by": summary.stopped_by or None,
    }
