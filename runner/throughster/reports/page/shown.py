"""Values as a reader sees them: numbers with units, and foreign text that cannot mislead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Text", "as_json", "excerpt", "long_text", "money", "percent", "seconds", "visible"]

LONGEST = 20_000
"""Characters of one text on the page."""

# controls but TAB and LF; and what turns the direction of the text around it, which would make it read as it is not
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Text:
    """A foreign text. `left_out`: how many characters of it are not on the page."""

    text: str
    left_out: int = 0
    is_json: bool = False


def visible(text: str) -> str:
    """`text` with every character that cannot be seen, or turns text around, written out."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def long_text(value: Any) -> Text:
    """A text as it is, any other value as JSON; the beginning of a very long one."""
    is_text = isinstance(value, str)
    text = value if is_text else as_json(value)
    return Text(visible(text[:LONGEST]), max(0, len(text) - LONGEST), not is_text)


def as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def excerpt(value: Any, width: int = 200) -> str:
    """The beginning of a value, on one line."""
    text = value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    flat = visible(" ".join(text[: 4 * width].split()))
    return flat if len(flat) <= width and len(text) <= 4 * width else flat[: width - 1] + "…"


def percent(share: float) -> str:
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text}\u00a0%"


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{1000 * value:,.0f} ms" if value < 0.9995 else f"{value:,.2f} s" if value < 100 else f"{value:,.0f} s"


def money(value: float | None) -> str:
    """US dollars, with as many places as it takes to see something."""
    if value is None:
        return ""
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 10 else f"${value:.4f}" if value >= 0.01 else f"${value:.6f}"
