"""The rows that the screen shows: which of many, as a table, and why some failed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table
from rich.text import Text

from throughster.redact import one_line
from throughster.screen import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.running.result import Result

__all__ = ["MOST_ROWS", "Picked", "Reason", "reason_of", "row_table"]

MOST_ROWS = 20
_MOST_NAMES = 5
_HASH = re.compile(r"[0-9a-f]{16}(-\d+)?")
_STYLE = {"ok": "green", "failed": "red", "invalid": "red", "error": "red", "skipped": "yellow"}


@dataclass
class Reason:
    """Why rows have no good answer. `message`: of their error, as it is; `names`: of the first of these rows."""

    message: str
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The names, in brackets."""
        more = ", ..." if self.count > len(self.names) == _MOST_NAMES else ""
        return f" ({', '.join(self.names)}{more})" if self.names else ""


class Picked:
    """Of any number of results the few that are shown, and the reasons of those that failed."""

    def __init__(self) -> None:
        self.count = 0
        self.reasons: dict[str, Reason] = {}
        self._first: list[Result] = []
        self._failed: list[Result] = []

    def add(self, result: Result) -> None:
        self.count += 1
        if len(self._first) < MOST_ROWS:
            self._first.append(result)
        if result.status == "ok":
            return
        if len(self._failed) < MOST_ROWS:
            self._failed.append(result)
        told = reason_of(result)
        reason = self.reasons.setdefault(told, Reason(result.error.message if result.error is not None else ""))
        reason.count += 1
        if len(reason.names) < _MOST_NAMES:
            reason.names.setdefault(one_line(_name(result), 60))

    def rows(self) -> list[Result]:
        """All of them in the order of the data; of more than can be shown those that failed first."""
        if self.count <= MOST_ROWS:
            return sorted(self._first, key=_place)
        good = [result for result in self._first if result.status == "ok"]
        return [*sorted(self._failed, key=_place), *sorted(good, key=_place)][:MOST_ROWS]

    def most_common(self, count: int, *, but: str) -> Iterator[tuple[str, Reason]]:
        """The reasons of the most rows; without the one that is told otherwise."""
        found = ((told, reason) for told, reason in self.reasons.items() if not but or reason.message != but)
        yield from sorted(found, key=lambda item: -item[1].count)[:count]


def _place(result: Result) -> tuple[int, str, int]:
    return result.row, result.label, result.repeat


def _name(result: Result) -> str:
    """Its id where somebody gave it one; else the row, counted from 1."""
    return f"row {result.row + 1}" if _HASH.fullmatch(result.id) else result.id


def row_table(results: Sequence[Result], *, but: str = "") -> Table:
    """A row for each result: the variables that differ, then the answer. `but`: an error that is told otherwise."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    names = list(dict.fromkeys(name for result in results for name in result.vars))
    varying = [n for n in names if len({_cell(r.vars.get(n)) for r in results}) > 1] if len(results) > 1 else names
    varying = varying[:4]
    labels = len({result.label for result in results}) > 1
    fields = _fields(results)
    for name in varying:
        table.add_column(one_line(name, 20), max_width=36, overflow="fold", style="dim" if fields else None)
    if labels:
        table.add_column("provider", max_width=30, style="dim")
    for name in fields or ["answer"]:
        table.add_column(one_line(name, 20), max_width=60, overflow="fold")
    failed = any(result.status != "ok" for result in results)
    if failed:
        table.add_column("status")
    for result in results:
        row = [Text(one_line(_cell(result.vars.get(name)), 80)) for name in varying]
        if labels:
            row.append(Text(line(result.label)))
        row += [Text(one_line(_cell(value), 160)) for value in _answer(result, fields, but)]
        if failed:
            row.append(Text(result.status, style=_STYLE.get(result.status, "yellow")))
        table.add_row(*row)
    return table


def _fields(results: Sequence[Result]) -> list[str]:
    """The keys of the answers, when each is a small flat object and a column apiece reads better than JSON."""
    outputs = [result.output for result in results if result.status == "ok" and not result.tool_calls]
    if not outputs or not all(isinstance(output, dict) for output in outputs):
        return []
    names = list(dict.fromkeys(name for output in outputs for name in output))
    flat = all(not isinstance(value, dict) for output in outputs for value in output.values())
    return names if flat and len(names) <= 4 else []


def _answer(result: Result, fields: list[str], but: str) -> list[Any]:
    if fields:
        output = result.output if isinstance(result.output, dict) else {}
        return [output.get(name, "") for name in fields]
    if result.tool_calls:
        return [", ".join(f"{call.name}({_cell(call.arguments)})" for call in result.tool_calls)]
    if result.output is not None:
        return [result.output]
    return [result.text or (result.error.message if result.error and result.error.message != but else "")]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    try:
        return "" if value is None else orjson.dumps(value).decode()
    except TypeError:
        return str(value)


def reason_of(result: Result) -> str:
    if result.error is not None:
        return f"{result.status}: {one_line(result.error.message, 300)}"
    failed = next((check.reason for check in result.checks if not check.passed), "")
    words = {
        "failed": one_line(failed, 300),
        "truncated": "the answer was cut at the token limit (finish_reason `length`); raise max_tokens",
        "refused": f"the model refused: {one_line(result.refusal or '', 200)}",
        "filtered": "the provider's content filter stopped the answer",
    }
    return f"{result.status}: {words.get(result.status, 'see the results')}"
