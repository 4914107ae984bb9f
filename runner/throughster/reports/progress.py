"""How far a run is: the numbers, and the line that shows them on a terminal of any width."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

    from throughster.running.result import Result

__all__ = ["Tally", "duration", "progress_line"]

_WIDE = 100
_BARS = (10, 28)
_CLOCK = len("0:00:00")


class Tally:
    """What has been done so far of `total` rows; None where that is not known."""

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.counts: Counter[str] = Counter()
        self._tokens = 0
        self._retries = 0
        self._began_at = time.monotonic()

    def add(self, result: Result) -> None:
        self.counts[result.status] += 1
        self._retries += max(0, len(result.attempts) - 1)
        if result.usage is not None:
            self._tokens += result.usage.total_tokens

    @property
    def done(self) -> str:
        """As in `7/300`."""
        done = self.counts.total()
        return f"{done:,}" if self.total is None else f"{done:,}/{self.total:,}"

    def figures(self, width: int | None = None) -> str:
        """Rate, ok and failed, tokens, retries, time left; what matters least is left out where it is too much."""
        done = self.counts.total()
        elapsed_s = max(1e-9, time.monotonic() - self._began_at)
        failed = done - self.counts["ok"]
        left = self.total is not None and 0 < done < self.total
        parts = {  # in the order in which they are shown, with how much they matter
            f"{done / elapsed_s:,.1f} rows/s": 3,
            f"{self.counts['ok']:,} ok": 4,
            f"{failed:,} failed" if failed else "": 6,
            f"{self._tokens:,} tokens": 1,
            f"{self._retries:,} sent again" if self._retries else "": 2,
            f"{duration(elapsed_s * ((self.total or 0) - done) / done)} left" if left else "": 5,
        }
        shown = [part for part in parts if part]
        for part in sorted(shown, key=parts.__getitem__):
            if width is None or len(", ".join(shown)) <= width:
                break
            shown.remove(part)
        return ", ".join(shown)


class _Figures(ProgressColumn):
    def __init__(self, tally: Tally, console: Console, bar: int) -> None:
        super().__init__(Column(no_wrap=True))
        self._tally, self._console, self._bar = tally, console, bar

    def render(self, task: Task) -> Text:
        count = len(f"{task.total or '?'}")
        return Text(self._tally.figures(self._console.width - self._bar - 2 * count - 1 - _CLOCK - len("    ")))


def progress_line(console: Console, tally: Tally) -> Progress:
    """One line, however wide the terminal is from 50 columns on; it is gone at the end."""
    bar = _BARS[console.width >= _WIDE]
    return Progress(
        BarColumn(bar_width=bar),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        _Figures(tally, console, bar),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        refresh_per_second=5,
    )


def duration(seconds: float) -> str:
    """As in `4 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
