"""Where the lines of a results file begin, found from its end; no line is looked for without a bound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from throughster.errors import SettingsError

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

__all__ = ["LONGEST_LINE", "is_result", "line_number", "line_start"]

LONGEST_LINE = 512_000_000
_NEAR = 16_000_000
_CHUNK = 1 << 20


def is_result(line: Any) -> bool:
    """Whether a line has the shape of a result in all that is looked at: somebody else may have written it."""
    if not isinstance(line, dict):
        return False
    numbers = (line.get(name) for name in ("latency_s", "first_token_s", "cost_usd"))
    usage, error = line.get("usage") or {}, line.get("error") or {}
    checks, attempts = line.get("checks") or [], line.get("attempts") or []
    return (
        all(isinstance(line.get(name), str) for name in ("spec", "id", "label", "status"))
        and all(isinstance(line.get(name), int) for name in ("row", "repeat"))
        and isinstance(line.get("vars"), dict)
        and all(number is None or isinstance(number, int | float) for number in numbers)
        and isinstance(usage, dict)
        and all(count is None or isinstance(count, int) for count in usage.values())
        and isinstance(error, dict)
        and isinstance(attempts, list)
        and all(isinstance(attempt, dict) for attempt in attempts)
        and isinstance(checks, list)
        and all(_is_check(check) for check in checks)
    )


def _is_check(check: Any) -> bool:
    return (
        isinstance(check, dict)
        and all(isinstance(check.get(name), str) for name in ("type", "reason"))
        and "passed" in check
    )


def line_start(data: mmap.mmap, end: int, file: int, path: Path) -> int:
    """Where the line begins that ends (with its newline) before `end`. Raises SettingsError for one without an end.

    `file`: the descriptor of what is mapped; far away is read through it, since mapped pages count as memory in use.
    """
    found = data.rfind(b"\n", max(0, end - 1 - _NEAR), end - 1)
    if found >= 0 or end - 1 <= _NEAR:
        return found + 1
    at = end - 1 - _NEAR
    while at > 0:
        if end - at > LONGEST_LINE:
            raise SettingsError(f"{path}: this file is no results file: a line of it has over {LONGEST_LINE:,} bytes.")
        first = max(0, at - _CHUNK)
        found = os.pread(file, at - first, first).rfind(b"\n")
        if found >= 0:
            return first + found + 1
        at = first
    return 0


def line_number(file: int, start: int) -> int:
    """The number, from 1, of the line that begins at `start`."""
    starts = range(0, start, _CHUNK)
    return 1 + sum(os.pread(file, min(_CHUNK, start - at), at).count(b"\n") for at in starts)
