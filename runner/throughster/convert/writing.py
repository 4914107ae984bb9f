"""Plain data as YAML that a person will go on with: blocks, short lists on one line, long texts as they are.

What it writes reads back as the same data.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from throughster.yamltree import WrittenFloat, WrittenInt, resolve_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Notes", "write_yaml"]

Notes: TypeAlias = "Mapping[tuple[str | int, ...], list[str]]"
"""Path in the data -> comments for the lines above what stands there."""

_WIDTH = 110
_PLAIN = re.compile(r"[^\W\d_][\w ./()'+=;$~^*-]*", re.UNICODE)
_PLAIN_IN_BLOCK = re.compile(r"[^\W\d_](?:[\w ./()'+=;!?$~^*,{}\[\]%<>&|@\"-]|:(?=[^\s]))*", re.UNICODE)
_ALWAYS_BLOCKS = frozenset({("prompt",), ("inputs",), ("default_test",)})
_CONTROL = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def write_yaml(value: Any, notes: Notes | None = None, head: str = "") -> str:
    """The text of a document. `head`: comment lines for its beginning."""
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += _block(value, 0, (), notes or {}) if isinstance(value, dict | list) and value else [_inline(value)]
    return "\n".join(lines) + "\n"


def _block(value: Any, indent: int, path: tuple[str | int, ...], notes: Notes) -> Iterator[str]:
    pad = "  " * indent
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for step, child in pairs:
        below = (*path, step)
        for note in notes.get(below, ()):
            yield from (f"{pad}# {line}" for line in note.splitlines())
        lead = f"{pad}{_key(step)}:" if isinstance(step, str) else f"{pad}-"
        yield from _entry(lead, child, indent, below, notes)


def _entry(lead: str, child: Any, indent: int, path: tuple[str | int, ...], notes: Notes) -> Iterator[str]:
    has_notes = any(known[: len(path)] == path and known != path for known in notes)
    if isinstance(child, str) and _is_long_text(child):
        yield from _literal(lead, child, indent)
        return
    line = None if has_notes or path in _ALWAYS_BLOCKS else _flow(child)
    if isinstance(child, str) and _is_plain(child, in_block=True):
        yield f"{lead} {child}"
    elif line is not None and len(lead) + len(line) < _WIDTH:
        yield f"{lead} {line}"
    elif isinstance(child, dict | list) and child:
        rest = _block(child, indent + 1, path, notes)
        if lead.endswith("-"):  # the first line of an entry stands behind its dash
            first = next(rest)
            if first.lstrip().startswith("#"):
                yield lead
                yield first
            else:
                yield f"{lead} {first.lstrip()}"
        else:
            yield lead
        yield from rest
    else:
        yield f"{lead} {_inline(child)}"


def _flow(value: Any) -> str | None:
    """The value on one line; None where it should not be."""
    if isinstance(value, dict | list):
        if _depth(value) > 3 or any(isinstance(text, str) and _is_long_text(text) for text in _leaves(value)):
            return None
        return _inline(value)
    return None if isinstance(value, str) and _is_long_text(value) else _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_inline(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return _scalar(value)


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, children), default=0) if isinstance(value, dict | list) else 0


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _leaves(child)
    else:
        yield value


def _key(name: str) -> str:
    return name if name != "<<" and _is_plain(name) and len(name) < 100 else _quoted(name)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.source
    if isinstance(value, int | float):
        text = repr(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value)
        return text if not isinstance(resolve_scalar(text), str) else _quoted(text)
    return value if _is_plain(value) else _quoted(str(value))


def _is_plain(text: str, *, in_block: bool = False) -> bool:
    """Whether it needs no quotes. `in_block`: on a line of its own, where commas and brackets mean nothing."""
    if not (_PLAIN_IN_BLOCK if in_block else _PLAIN).fullmatch(text) or text.endswith(" ") or _CONTROL.search(text):
        return False
    return isinstance(resolve_scalar(text), str) and text.lower() not in _WORDS


_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})
"""Text by our rules, and something else by those of other readers."""


def _quoted(text: str) -> str:
    if ('"' in text or "\\" in text) and "\n" not in text and "\t" not in text and not _CONTROL.search(text):
        return "'" + text.replace("'", "''") + "'"
    shown = json.dumps(text, ensure_ascii=False)
    return _CONTROL.sub(_escape, shown)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_long_text(text: str) -> bool:
    """Whether it is written as a block of its own."""
    if "\n" not in text or _CONTROL.search(text) or "\t" in text:
        return False
    lines = text.split("\n")
    if not lines[0] or lines[0][0] == " ":
        return False
    return not any(line and not line.strip() for line in lines)


def _literal(lead: str, text: str, indent: int) -> Iterator[str]:
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    yield f"{lead} |{'-' if ends == 0 else '' if ends == 1 else '+'}"
    pad = "  " * (indent + 1)
    for line in [*body.split("\n"), *[""] * max(0, ends - 1)]:
        yield f"{pad}{line}" if line else ""
