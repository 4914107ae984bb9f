"""Where the lines of a results file begin, found from its end; no line is looked for without a bound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from throughster.errors import SettingsError

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

__all__ = ["LONGEST_LINE", "line_number", "line_start"]

LONGEST_LINE = 512_000_000
_NEAR = 16_000_000
_CHUNK = 1 << 20


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
