"""What the page says of one case: its prompt, and of each repeat the answer, the checks, the sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import RequestError
from throughster.redact import redact
from throughster.reports.folded import reason_of
from throughster.reports.page.shown import Text, excerpt, long_text, money, seconds
from throughster.running.rows import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO, Self

    from throughster.reports.page.index import Entry
    from throughster.running.plan import Plan

__all__ = ["Detail", "Details", "Repeat"]

MOST_REPEATS = 20
_BAD_FIRST = {"ok": 1}


@dataclass(frozen=True, slots=True)
class Repeat:
    """One answer. `line`: its result."""

    number: int
    line: dict[str, Any]
    answer: Text | None
    raw: Text | None
    calls: Sequence[tuple[str, Text]]
    reason: str
    latency: str
    first_token: str
    cost: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A case as it is shown. `brief`: the answer on one line; `why`: the reasons of the failing repeats, each once.

    `more_repeats`: how many are not on the page. `opened`: the repeat that is shown open.
    """

    entry: Entry
    name: str
    variables: Sequence[tuple[str, Text]]
    gist: str
    messages: Sequence[tuple[str, Text]]
    repeats: Sequence[Repeat]
    opened: int
    more_repeats: int
    why: Sequence[str]
    brief: str


class Details:
    """Reads the results of a case again. A context: the file stays open."""

    def __init__(self, journal: Path, plans: Sequence[Plan]) -> None:
        self._journal = journal
        self._plans = {plan.name: plan for plan in plans}
        self._secrets = tuple(
            at.key.get_secret_value()
            for plan in plans
            for target in plan.targets
            for at in target.addresses
            if at.key is not None
        )

    def __enter__(self) -> Self:
        self._file: IO[bytes] = self._journal.open("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def of(self, entry: Entry) -> Detail:
        """The repeats that did not pass come first among those that are shown."""
        places = sorted(entry.places, key=lambda place: _BAD_FIRST.get(place[1], 0))[:MOST_REPEATS]
        lines = [self._line(offset) for _, _, offset in places]
        bad = [reason for line in lines if (reason := reason_of(line))]
        repeats = sorted((_repeat(line) for line in lines), key=lambda repeat: repeat.number)
        values: dict[str, Any] = lines[0]["vars"]
        first = lines[0]
        return Detail(
            entry=entry,
            name=entry.key.id,
            variables=[(name, long_text(value)) for name, value in values.items()],
            gist=", ".join(f"{name}={excerpt(value, 60)}" for name, value in list(values.items())[:4]),
            messages=self._messages(entry, values),
            repeats=repeats,
            opened=places[0][0],
            more_repeats=entry.asked - len(repeats),
            why=[excerpt(reason, 400) for reason in dict.fromkeys(bad)][:5],
            brief=excerpt(_brief(first)),
        )

    def _line(self, offset: int) -> dict[str, Any]:
        self._file.seek(offset)
        line: dict[str, Any] = orjson.loads(self._file.readline())
        for name in ("checks", "attempts", "tool_calls"):
            line[name] = line.get(name) or ()
        return {"text": None, "output": None, "refusal": None, "error": None, "usage": None, "cached": False, **line}

    def _messages(self, entry: Entry, values: Mapping[str, Any]) -> list[tuple[str, Text]]:
        """What was asked, rendered again from the result's variables; nothing where that is not known."""
        plan = self._plans.get(entry.key.spec)
        if plan is None:
            return []
        try:
            asked = plan.messages(Row(entry.row, entry.key.id, dict(values), 0, entry.case))
        except RequestError:
            return []
        told = ((str(message["role"]), message.get("content")) for message in asked)
        return [(role, long_text(redact(content, self._secrets) if isinstance(content, str) else content))
                for role, content in told]  # fmt: skip


def _brief(line: dict[str, Any]) -> Any:
    calls = ", ".join(f"{call['name']}({excerpt(call['arguments'], 80)})" for call in line["tool_calls"])
    output = line["output"] if line["output"] not in (None, "") else line["text"] or calls
    if not isinstance(output, dict):
        return output
    return ", ".join(f"{name}: {value if isinstance(value, str) else excerpt(value)}" for name, value in output.items())


def _repeat(line: dict[str, Any]) -> Repeat:
    output, text = line["output"], line["text"]
    is_value = output is not None and not isinstance(output, str)
    shown = output if is_value else text if text not in (None, "") else output
    return Repeat(
        number=line["repeat"],
        line=line,
        answer=None if shown in (None, "") and not is_value else long_text(shown),
        raw=long_text(text) if is_value and text and not _is_same(output, text) else None,
        calls=[(str(call["name"]), long_text(call["arguments"])) for call in line["tool_calls"]],
        reason=reason_of(line),
        latency=seconds(line.get("latency_s")),
        first_token=seconds(line.get("first_token_s")),
        cost=money(line.get("cost_usd")),
    )


def _is_same(output: Any, text: str) -> bool:
    """Whether the text says nothing more than the value."""
    try:
        return bool(orjson.loads(text) == output)
    except orjson.JSONDecodeError:
        return False
