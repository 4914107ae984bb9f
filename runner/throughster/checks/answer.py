"""What is checked: an answer, and the part of it that a check looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from throughster.redact import one_line
from throughster.strictjson import JsonProblem, parse_json
from throughster.types import Message, ToolCall, Usage

__all__ = ["Answer", "Subject", "Unanswerable", "json_text", "shown"]

_WIDTH = 120


class Unanswerable(Exception):  # noqa: N818 - no error: a check that cannot be evaluated, and the text says why
    """Neither passed nor failed: whatever the check asks, this answer does not say. It counts as failed."""


@dataclass(frozen=True)
class Answer:
    """An answer to a case. `output`: its parsed JSON where `has_output`. `messages`: what was asked. Times in seconds.

    None stands for what is not known: no usage told, no price, no stream.
    """

    text: str
    output: Any = None
    has_output: bool = False
    vars: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    first_token_s: float | None = None

    @property
    def json(self) -> Any:
        """The output, or the value of a text that is strict JSON. Raises Unanswerable."""
        value, problem = self._read
        if problem:
            raise Unanswerable(f"the answer is no JSON: {problem}: {shown(self.text)}")
        return value

    @cached_property
    def _read(self) -> tuple[Any, str]:
        if self.has_output:
            return self.output, ""
        try:
            return parse_json(self.text.strip()), ""
        except JsonProblem as problem:
            return None, str(problem)


class Subject(NamedTuple):
    """What a check looks at: the part at its `path`; without one the output where the answer has one, else the text.

    `text`: how it reads. `is_json`: whether `value` comes out of parsed JSON.
    """

    value: Any
    text: str
    is_json: bool


def json_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def shown(value: Any, width: int = _WIDTH) -> str:
    """A value as JSON for a reason: on one line, bounded, text in quotes."""
    if isinstance(value, str):
        return f'"{one_line(value[: 4 * width], width)}"'
    return one_line(json_text(value), width)
