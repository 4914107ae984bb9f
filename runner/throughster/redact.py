"""What makes foreign text safe to show and to store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["inert", "one_line", "printable", "redact"]

MASK = "***"

# C0 without TAB and LF, DEL, C1, and the characters that reorder text (Unicode TR 36, section 2.3)
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


_COMMAND = re.compile(r"::|##(?=\[|vso\[)")


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced. A secret of fewer than four characters hides nothing and is left."""
    for secret in secrets:
        if len(secret) >= 4 and secret in text:
            text = text.replace(secret, MASK)
    return text


def printable(text: str) -> str:
    """`text` without what could steer a terminal or reorder what a reader sees."""
    return _UNSAFE.sub("", text)


def inert(text: str) -> str:
    """`text` in which no line is a command to a CI system that reads the log (GitHub `::`, Azure `##[`, `##vso[`)."""
    return _COMMAND.sub(lambda found: found[0][0] + "\u200b" + found[0][1:], text)


def one_line(text: str, width: int = 100) -> str:
    """`text` on one line of at most `width` characters, safe to print."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
