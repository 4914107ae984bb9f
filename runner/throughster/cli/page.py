"""HTML reports of a run: they say how it ended, so they wait for the gate, the baseline and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.reports.files import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.cli.decide import Decision
    from throughster.running.events import Summary
    from throughster.running.plan import Plan

__all__ = ["Pages"]


class Pages:
    """Writes the other reports at once, and these when all is known."""

    def __init__(self, *, plain_csv: bool = False) -> None:
        self._plain_csv = plain_csv
        self._waiting: list[tuple[Path, Path, tuple[Plan, ...]]] = []

    def write(self, journal: Path, path: Path, plans: Sequence[Plan]) -> None:
        if path.suffix.lower() == ".html":
            self._waiting.append((journal, path, tuple(plans)))
        else:
            write_report(journal, path, plans, plain_csv=self._plain_csv)

    def finish(
        self,
        plans: Sequence[Plan],
        summaries: Sequence[Summary],
        decisions: Mapping[str, Decision],
        code: int,
    ) -> None:
        """`decisions`: by the file of a plan."""
        if not self._waiting:
            return
        from throughster.reports.html import write_page  # with the page's template
        from throughster.reports.page.ending import Ending, Judged

        of_file = {plan.file: summary for plan, summary in zip(plans, summaries, strict=False)}
        for journal, path, mine in self._waiting:
            judged = tuple(
                Judged(found.name, found.gate, found.comparison, found.baseline)
                for plan in mine
                if (found := decisions.get(plan.file)) is not None
            )
            ended = tuple(of_file[plan.file] for plan in mine if plan.file in of_file)
            write_page(journal, path, mine, Ending(code, ended, judged))
