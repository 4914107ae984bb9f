"""Files that a conversion is going to write: specs in the format's order of keys, cases, copies of data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from throughster.convert.writing import write_yaml
from throughster.redact import redact, redact_values
from throughster.spec.model import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Draft", "file_name", "rows_draft", "spec_draft"]

_ORDER = (
    "version", "name", "description", "tags", "provider", "providers", "prompt", "inputs", "output", "tools",
    "tool_choice", "stream", "vars", "matrix", "data", "retry", "concurrency", "timeout", "budget", "cache", "tests",
    "default_test", "repeat", "pass_rate", "gate", "baseline", "grader", "outputs",
)  # fmt: skip
_MOST_IN_YAML = 20_000
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Draft:
    """A file to write: data as YAML or JSON Lines (by the name), or a text as it is.

    `head`: comment lines for its beginning; `needs`: variables, with their types, that a spec must be given to run.
    """

    name: str
    value: Any
    head: str = ""
    is_spec: bool = False
    needs: dict[str, str] = field(default_factory=dict)

    def text(self, secrets: Sequence[str] = ()) -> str:
        """What is written, without the secrets."""
        value = redact_values(self.value, secrets)
        if isinstance(value, str):
            return value
        if self.name.endswith(".jsonl"):
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value)
        return write_yaml(value, head=redact(self.head, secrets))


def spec_draft(name: str, data: dict[str, Any], head: str, needs: dict[str, str]) -> Draft:
    """A spec with its keys in order, without those that are empty."""
    assert set(data) <= set(Spec.model_fields), set(data) - set(Spec.model_fields)
    ordered = {key: data[key] for key in _ORDER if data.get(key) not in (None, {}, [], ())}
    return Draft(f"{name}.yaml", ordered, head, is_spec=True, needs=needs)


def rows_draft(name: str, rows: Sequence[dict[str, Any]], head: str) -> Draft:
    """A list in a file of its own: YAML, or JSON Lines where it is long."""
    is_short = _size(rows) <= _MOST_IN_YAML
    return Draft(f"{name}.{'yaml' if is_short else 'jsonl'}", list(rows), head)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return 1 + sum(map(_size, value))
    return 1 + (len(value) // 64 if isinstance(value, str) else 0)


def file_name(text: str, taken: Iterable[str] = (), fallback: str = "prompt") -> str:
    """A name for a file from any text, unlike those that are taken already."""
    words = re.findall(r"[^\W_]+", text.lower())
    stem = "-".join(words)[:_LONGEST_NAME].strip("-") or fallback
    used, number, name = set(taken), 1, stem
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    return name
