"""Values as Nunjucks prints them, which is as JavaScript makes texts of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.yamltree import WrittenFloat, WrittenInt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["is_flat", "is_printed", "javascript_number", "printed", "with_joined"]

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


def _is_only_printed(name: str, templates: Iterable[str]) -> bool:
    """Whether the templates do nothing with a variable but print it."""
    blocks = [block for text in templates for block in _BLOCK.findall(text)]
    uses = sum(len(re.findall(rf"(?<![\w.]){re.escape(name)}\b", block)) for block in blocks)
    return uses == sum(bool(re.fullmatch(_print_of(name), block)) for block in blocks)


def is_printed(name: str, templates: Iterable[str]) -> bool:
    """Whether one of the templates prints it as it is."""
    return any(re.search(_print_of(name), text) for text in templates)


def is_flat(value: Any) -> bool:
    """Whether it is a list of scalars, which a template can join."""
    return isinstance(value, list) and all(isinstance(one, str | int | float) for one in value)


def printed(values: Mapping[str, Any], templates: tuple[str, ...]) -> dict[str, Any]:
    """The variables of a test, with the text in place of each list of lists that the templates only print."""
    found = dict(values)
    for name, value in values.items():
        is_nested = isinstance(value, list) and not is_flat(value)
        if is_nested and _is_only_printed(name, templates) and is_printed(name, templates):
            text = _text(value)
            found[name] = value if text is None else text
    return found


def with_joined(body: Any, rows: Iterable[Mapping[str, Any]]) -> Any:
    """A prompt that prints the lists among its variables as promptfoo does: the entries with commas between them."""
    kinds: dict[str, set[bool]] = {}
    for row in rows:
        for name, value in row.items():
            kinds.setdefault(name, set()).add(is_flat(value))
    for name, flat in kinds.items():
        if True in flat:
            join = f'{name} | join(",")'
            body = _replaced(
                body,
                name,
                join if flat == {True} else f"{join} if {name} is sequence and {name} is not string else {name}",
            )
    return body


def _replaced(body: Any, name: str, code: str) -> Any:
    if isinstance(body, dict):
        return {key: _replaced(child, name, code) for key, child in body.items()}
    if isinstance(body, list):
        return [_replaced(child, name, code) for child in body]
    return re.sub(_print_of(name), lambda _: f"{{{{ {code} }}}}", body)


def _print_of(name: str) -> str:
    return rf"\{{\{{-?\s*{re.escape(name)}\s*-?\}}\}}"
