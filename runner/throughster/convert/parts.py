"""Values of a source file that know where they stand, whatever kind of file it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from throughster.convert.losses import Place
from throughster.yamltree import Mapping, Scalar, Sequence, WrittenFloat, WrittenInt

if TYPE_CHECKING:
    from throughster.yamltree import Document, Node

__all__ = ["Part", "Plain", "part_of", "part_of_plain"]

Plain: TypeAlias = Any
"""dicts, lists and scalars; numbers may be `Written...`."""

_WORDS = {
    **dict.fromkeys(("True", "TRUE"), True),
    **dict.fromkeys(("False", "FALSE"), False),
    **dict.fromkeys(("Null", "NULL"), None),
}
_OTHER_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,14}|0o[0-7]{1,18}")


@dataclass(frozen=True, slots=True)
class Part:
    """`value`: dict of parts, list of parts, or a scalar. `key`: where its key stands, in a mapping."""

    value: Any
    place: Place
    key: Place | None = None

    @property
    def at(self) -> Place:
        """Where a message about it belongs: at its key, where it has one."""
        return self.key or self.place

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    def plain(self) -> Plain:
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value

    def text(self) -> str:
        """A scalar as text, as it would print in a template of the source."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, WrittenInt | WrittenFloat):
            return self.value.source
        if isinstance(self.value, dict | list):
            return json.dumps(self.plain(), ensure_ascii=False)
        return "" if self.value is None else str(self.value)

    def get(self, *path: str | int) -> Part | None:
        """The part below, or None where there is none."""
        part: Part | None = self
        for step in path:
            value = part.value if part is not None else None
            if isinstance(value, dict):
                part = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                part = value[step]
            else:
                part = None
        return part


def part_of(document: Document) -> Part:
    """The whole document, with its merge keys carried out."""
    return _part(document, document.root, None)


def _place(document: Document, index: int) -> Place:
    mark = document.mark(index)
    return Place(document.file, mark.line, mark.column)


def _part(document: Document, node: Node, key: Place | None) -> Part:
    place = _place(document, node.start)
    if isinstance(node, Scalar):
        return Part(_scalar(node), place, key)
    if isinstance(node, Sequence):
        return Part([_part(document, item, None) for item in node.items], place, key)
    entries = {
        name: _part(document, child, _place(document, key_node.start))
        for name, (key_node, child) in node.entries.items()
    }
    merged = entries.pop("<<", None) if _is_merge(node) else None
    if merged is not None:
        for source in merged.value if isinstance(merged.value, list) else [merged]:
            if isinstance(source.value, dict):
                for name, part in source.value.items():
                    entries.setdefault(name, part)
    return Part(entries, place, key)


def _is_merge(node: Mapping) -> bool:
    return "<<" in node.entries and node.entries["<<"][0].plain


def _scalar(node: Scalar) -> Any:
    """By the rules of js-yaml where they are wider than those of specs: `True`, `NULL`, `0x1F`."""
    if not node.plain or not isinstance(node.value, str):
        return node.value
    if node.text in _WORDS:
        return _WORDS[node.text]
    return int(node.text, 0) if _OTHER_NUMBER.fullmatch(node.text) else node.value


def part_of_plain(value: Plain, place: Place) -> Part:
    """Plain data as parts that all stand at one place."""
    if isinstance(value, dict):
        return Part({str(key): replace(part_of_plain(child, place), key=place) for key, child in value.items()}, place)
    if isinstance(value, list):
        return Part([part_of_plain(child, place) for child in value], place)
    return Part(value, place)
