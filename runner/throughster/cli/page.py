"""Reports that say how a run ended, so that they wait for the gate, the baseline and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.reports.files import Decided, write_report
from throughster.running.journal import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.cli.decide import Decision
    from throughster.running.events import Summary
    from throughster.running.plan import Plan

__all__ = ["Pages"]

_LAST = (".html", ".md", ".xml")


class Pages:
    """Writes tables at once, and what says how the run ended when all is known."""

    def __init__(self, *, plain_csv: bool = False) -> None:
        self._plain_csv = plain_csv
        self._waiting: list[tuple[Path, Path, tuple[Plan, ...]]] = []

    def write(self, journal: Path, path: Path, plans: Sequence[Plan]) -> None:
        if path.suffix.lower() in _LAST:
            path.parent.mkdir(parents=True, exist_ok=True)
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
        """`decisions`: by the file of a plan. Raises JournalError where a report cannot be written."""
        of_file = {plan.file: summary for plan, summary in zip(plans, summaries, strict=False)}
        decided = {file: Decided(one.is_met, one.as_text(), one.as_markdown()) for file, one in decisions.items()}
        for journal, path, mine in self._waiting:
            try:
                if path.suffix.lower() == ".html":
                    _write_page(journal, path, mine, of_file, decisions, code)
                else:
                    write_report(journal, path, mine, decided=decided)
            except OSError as error:
                raise JournalError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_page(
    journal: Path,
    path: Path,
    plans: Sequence[Plan],
    of_file: Mapping[str, Summary],
    decisions: Mapping[str, Decision],
    code: int,
) -> None:
    from throughster.reports.html import write_page  # with the page's template
    from throughster.reports.page.ending import Ending, Judged

    judged = tuple(
        Judged(found.name, found.gate, found.comparison, found.baseline)
        for plan in plans
        if (found := decisions.get(plan.file)) is not None
    )
    ended = tuple(of_file[plan.file] for plan in plans if plan.file in of_file)
    write_page(journal, path, plans, Ending(code, ended, judged))
