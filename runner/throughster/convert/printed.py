"""Values as Nunjucks prints them, which is as JavaScript makes texts of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.yamltree import WrittenFloat, WrittenInt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["is_only_printed", "is_printed", "javascript_number", "printed"]

_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_LARGEST_EXACT = 2**53


def javascript_number(value: Any) -> Any:
    """A number as JavaScript writes it: `1.50` is 1.5, and `2.0` is 2. Anything else as it is."""
    if isinstance(value, WrittenInt) and abs(int(value)) <= _LARGEST_EXACT:
        return int(value)
    if isinstance(value, WrittenFloat):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= _LARGEST_EXACT else number
    return value


def _text(value: Any) -> str | None:
    """The text that a list prints: its entries between commas. None where there is a mapping in it."""
    if isinstance(value, dict):
        return None
    if isinstance(value, list):
        parts = [_text(one) for one in value]
        return None if None in parts else ",".join(part or "" for part in parts)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(javascript_number(value))


def is_only_printed(name: str, templates: Iterable[str]) -> bool:
    """Whether the templates do nothing with a variable but print it."""
    blocks = [block for text in templates for block in _BLOCK.findall(text)]
    uses = sum(len(re.findall(rf"(?<![\w.]){re.escape(name)}\b", block)) for block in blocks)
    return uses == sum(bool(re.fullmatch(rf"\{{\{{-?\s*{re.escape(name)}\s*-?\}}\}}", block)) for block in blocks)


def is_printed(name: str, templates: Iterable[str]) -> bool:
    """Whether one of the templates prints it as it is."""
    pattern = rf"\{{\{{-?\s*{re.escape(name)}\s*-?\}}\}}"
    return any(re.search(pattern, text) for text in templates)


def printed(values: Mapping[str, Any], templates: tuple[str, ...]) -> dict[str, Any]:
    """The variables of a test, with the text in place of each list that the templates do nothing with but print."""
    found = dict(values)
    for name, value in values.items():
        if isinstance(value, list) and is_only_printed(name, templates) and is_printed(name, templates):
            text = _text(value)
            found[name] = value if text is None else text
    return found
