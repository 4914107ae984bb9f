"""What a person sees: the head, a live progress line, and the summary with the first outputs.

Progress goes to standard error, results to standard output, so that a pipe carries results only.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from throughster.redact import inert, one_line, printable
from throughster.reports.progress import Tally, duration, progress_line
from throughster.reports.rows import Picked, reason_of, row_table
from throughster.running.events import AttemptFailed, RowFinished, RunFinished, RunStarted, Stopping, TextArrived
from throughster.screen import line, shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import ConsoleOptions
    from rich.progress import Progress

    from throughster.running.events import Event, Summary
    from throughster.running.result import Result

__all__ = ["ConsoleReport", "make_console"]

_SHOWN_FAILURES = 5
_QUIET_LINE_S = 10.0
_LEAST_SHARE = 0.05
_HELD_BY = {
    "concurrency": "requests under way",
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "server": "the server",
}
_VERDICT_STYLE = {"pass": "green", "flaky": "yellow", "fail": "red", "error": "red"}
_BEGINS = re.compile(r"^(?:\x1b\[[0-9;]*m|[^\S\n])+(?P<first>[:#])(?=(?P=first))", re.MULTILINE)  # behind a style


class _Output(Console):
    """Everything that is printed is safe to print: what rich makes of it passes `screen.shown`, but its own codes.

    A text is one line; it is a `Table` that has several.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        lines = [_on_one_line(thing) for thing in objects]
        is_line = all(isinstance(thing, str | Text) for thing in lines)
        super().print(*lines, **{"soft_wrap": is_line, **options})

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text == shown(segment.text, ci=False):
                yield segment
            else:
                yield Segment(shown(segment.text, ci=False), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave to the caller what it means that nobody reads any more; rich would end the process with 1."""
        raise BrokenPipeError


class _Lines:
    """A stream in which no line begins a command of a CI system, wherever rich has broken it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_BEGINS.sub(lambda found: found[0] + "\u200b", inert(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _on_one_line(thing: Any) -> Any:
    if isinstance(thing, str):
        return line(thing) if "\n" in thing else thing
    if isinstance(thing, Text) and "\n" in thing.plain:
        return Text(line(thing.plain), style=thing.style)
    return thing


def make_console(color: str, *, err: bool = False, ci: bool = False) -> Console:
    """`color`: auto, always or never. `ci`: whether a CI system reads it."""
    stream = sys.stderr if err else sys.stdout
    lines: Any = _Lines(stream)
    return _Output(
        file=lines if ci else stream,
        force_terminal=True if color == "always" else None,
        no_color=color == "never",
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


class ConsoleReport:
    """Consumes events. `quiet` leaves only failures; `progress` draws the live line where a terminal can show it.

    `in_ci`: nothing that a model or the data says may look like a command in the log.
    """

    def __init__(
        self,
        *,
        color: str = "auto",
        quiet: bool = False,
        progress: bool = True,
        verbose: bool = False,
        in_ci: bool = False,
    ) -> None:
        self._in_ci = in_ci
        self._out = make_console(color, ci=in_ci)
        self._err = make_console(color, err=True, ci=in_ci)
        self._quiet = quiet
        self._verbose = verbose
        self._draws = progress and not quiet
        self._live = self._draws and self._err.is_terminal
        self._progress: Progress | None = None
        self._task: Any = None
        self._picked = Picked()
        self._tally = Tally()
        self._spoke_at = time.monotonic()
        self._streamed = False

    def __call__(self, event: Event) -> None:
        match event:
            case RowFinished(result):
                self._row(result)
            case AttemptFailed():
                self._attempt(event)
            case TextArrived(text):
                self._text(text)
            case RunStarted():
                self._start(event)
            case Stopping():
                self._above(Text(_stopping(event), style="bold yellow"))
            case RunFinished():
                self._finish(event)

    def _start(self, event: RunStarted) -> None:
        self._picked = Picked()
        self._tally = Tally(None if event.total is None else event.total - event.done)
        self._spoke_at = time.monotonic()
        if not self._quiet:
            rows = "rows" if event.total is None else _many(event.total, "row")
            done = f", {event.done:,} of them done already" if event.done else ""
            self._err.print(f"{event.name}: {rows} on {', '.join(event.labels)}{done}", style="bold")
            for note in event.notes:
                self._err.print(note, style="yellow")
        if self._live:
            self._progress = progress_line(self._err, self._tally)
            self._task = self._progress.add_task("", total=self._tally.total)
            self._progress.start()

    def _row(self, result: Result) -> None:
        self._tally.add(result)
        self._picked.add(result)
        if result.status != "ok" and self._verbose:
            self._above(Text(f"  row {result.row + 1} {result.label}: {reason_of(result)}", style="red"))
        if self._progress is not None:
            self._progress.advance(self._task)
        elif self._draws and time.monotonic() - self._spoke_at > _QUIET_LINE_S:
            self._spoke_at = time.monotonic()
            self._err.print(f"  {self._tally.done}  {self._tally.figures()}")

    def _attempt(self, event: AttemptFailed) -> None:
        if self._verbose:
            self._above(
                Text(f"  row {event.row + 1} {event.label}: send failed: {one_line(event.error, 300)}", style="yellow")
            )

    def _above(self, text: Text) -> None:
        (self._progress.console if self._progress is not None else self._err).print(text)

    def _text(self, text: str) -> None:
        if not self._quiet:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None
            self._streamed = True
            safe = printable(text)  # in pieces, so that no piece tells whether a line becomes a command
            self._out.file.write(safe.replace("\n", "\n\u200b") if self._in_ci else safe)
            self._out.file.flush()

    def _finish(self, event: RunFinished) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._streamed:
            self._out.print()
        if not self._quiet:
            if self._picked.count and not self._streamed:
                rows = self._picked.rows()
                self._out.print(row_table(rows, but=event.summary.stopped_by))
                more = event.summary.asked - len(rows)
                if more > 0:
                    self._out.print(
                        f"... and {more:,} more. All of them: throughster view {event.journal}", soft_wrap=True
                    )
            self._out.print(_summary_line(event.summary), style=_style(event.summary), soft_wrap=True)
            if held := _held_line(event.summary):
                self._out.print(held, soft_wrap=True)
        self._print_failures(event.summary)
        self._print_tests(event.summary)
        if not self._quiet:
            self._out.print(f"Results: {event.journal}", soft_wrap=True)

    def _print_tests(self, summary: Summary) -> None:
        """Every test that did not simply pass, and how many did."""
        if summary.verdicts is None:
            return
        for case in summary.verdicts:
            if case.verdict != "pass":
                style = _VERDICT_STYLE[case.verdict]
                place = f"{case.file}:{case.line}: " if case.line else ""
                told = f"{place}{case.verdict} {case.tally}: {case.id} on {case.label}"
                is_told = not case.reason or case.reason == summary.stopped_by
                reason = "" if is_told else f": {one_line(case.reason, 300)}"
                self._err.print(Text(f"  {told}{reason}", style=style), soft_wrap=True)
        for name, why in summary.left_out.items():
            self._err.print(Text(f"  skipped: {name}{f': {why}' if why else ''}", style="yellow"))
        if not self._quiet:
            counts: Counter[str] = Counter(case.verdict for case in summary.verdicts)
            parts = [f"{counts[verdict]:,} {verdict}" for verdict in _VERDICT_STYLE if counts[verdict]]
            if summary.left_out:
                parts.append(f"{len(summary.left_out):,} skipped")
            tests = f"{_many(len(summary.verdicts), 'test')}: {', '.join(parts)}"
            if summary.decided:
                asked, planned = (sum(getattr(c, name) for c in summary.verdicts) for name in ("asked", "repeat"))
                tests += f"; {asked:,} of {planned:,} planned repeats asked (early_stop)"
            if summary.grader is not None:
                bill = summary.grader
                cost = "" if bill.cost_usd is None else f", {bill.cost_usd:.4f} USD"
                tests += f"; judging took {_many(bill.calls, 'call')}, {bill.usage.total_tokens:,} tokens{cost}"
            style = "bold green" if counts["pass"] == len(summary.verdicts) else "bold"
            self._out.print(tests, style=style, soft_wrap=True)

    def _print_failures(self, summary: Summary) -> None:
        for told, reason in self._picked.most_common(_SHOWN_FAILURES, but=summary.stopped_by):
            text = f"  {_many(reason.count, 'row')}: {told}{reason.told}"
            self._err.print(Text(text, style="red"), soft_wrap=True)
        rest = len(self._picked.reasons) - _SHOWN_FAILURES
        if rest > 0:
            self._err.print(
                Text(f"  and {_many(rest, 'other reason')}; every row's own is in the results", style="red")
            )
        if summary.stopped_by:
            missing = 0 if summary.total is None else summary.total - summary.asked - summary.kept
            left = f" ({_many(missing, 'row')} not asked)" if missing > 0 else ""
            self._err.print(
                Text(f"Stopped early: {one_line(summary.stopped_by, 400)}{left}", style="bold red"), soft_wrap=True
            )
            if summary.wrong is None:
                self._err.print("To go on: the same command with --resume.", style="bold")


def _summary_line(summary: Summary) -> str:
    parts = [f"{summary.statuses['ok']:,} ok"]
    parts += [f"{count:,} {status}" for status, count in sorted(summary.statuses.items()) if status != "ok"]
    usage = summary.usage
    tokens = f"{usage.total_tokens:,} tokens ({usage.prompt_tokens:,} in, {usage.completion_tokens:,} out)"
    parts.append(tokens)
    if summary.cost_usd is not None:
        parts.append(f"{summary.cost_usd:.4f} USD")
    if summary.cached:
        parts.append(f"{summary.cached:,} from the cache")
    if summary.resent:
        parts.append(f"{summary.resent:,} sent again")
    rate = summary.asked / summary.elapsed_s if summary.elapsed_s else 0.0
    parts.append(f"{duration(summary.elapsed_s)}, {rate:,.1f} rows/s")
    return f"{_many(summary.asked, 'row')}: " + ", ".join(parts)


def _held_line(summary: Summary) -> str:
    """What rows had to wait for, as shares of the time; nothing for a run of less than a second."""
    if summary.elapsed_s < 1.0:
        return ""
    shares = [(min(1.0, held_s / summary.elapsed_s), name) for name, held_s in summary.held_s.items()]
    shown = [f"{_HELD_BY[name]} {share:.0%}" for share, name in sorted(shares, reverse=True) if share >= _LEAST_SHARE]
    return f"Held back by: {', '.join(shown)} of the time" if shown else ""


def _style(summary: Summary) -> str:
    return "bold green" if summary.asked and summary.asked == summary.statuses["ok"] else "bold"


def _stopping(event: Stopping) -> str:
    """What is waited for, said at once."""
    if event.under_way == 0:
        return "Stopping: nothing is under way."
    answers = "the answers under way" if event.under_way is None else _many(event.under_way, "answer")
    again = "; Ctrl-C again ends at once" if event.by_signal else ""
    return f"Stopping: waiting up to {event.grace_s:g} s for {answers}{again}."


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
