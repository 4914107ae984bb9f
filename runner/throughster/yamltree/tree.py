"""The tree of a YAML document, and where each part of it stands in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from throughster.errors import Problem

__all__ = ["CONTROL", "Document", "Mapping", "Mark", "Node", "Path", "Scalar", "Sequence", "Span"]

Path: TypeAlias = tuple[str | int, ...]

CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not allow in a text, written in quotes or not."""
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LONGEST_LINE_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text. `line` and `column` count from 1, `index` counts characters from 0."""

    line: int
    column: int
    index: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line: where it starts (both from 1) and how many characters it has (at least 1)."""

    line: int
    column: int
    width: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null. `text`: without quotes, escapes read. `start`, `end`: character indexes."""

    value: Any
    text: str
    start: int
    end: int
    plain: bool = True
    height: int = 1

    @property
    def weight(self) -> int:
        return 1 + len(self.text) // 64


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. `weight`: nodes below and including this one, aliases expanded; `height`: levels."""

    items: tuple[Node, ...]
    start: int
    end: int
    weight: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping: key text -> (the key's node, the value's node), in the order of the file."""

    entries: dict[str, tuple[Scalar, Node]]
    start: int
    end: int
    weight: int = 1
    height: int = 1


Node: TypeAlias = Scalar | Sequence | Mapping


def _plain(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key: _plain(child) for key, (_, child) in node.entries.items()}
    if isinstance(node, Sequence):
        return [_plain(child) for child in node.items]
    return node.value


@dataclass(frozen=True)
class Document:
    """One YAML document: the file's name as the user gave it, its text without a byte order mark, and its tree."""

    file: str
    text: str
    root: Node

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(m.end() for m in _LINE_BREAK.finditer(self.text))]

    def value(self) -> Any:
        """Return the document as dicts, lists and scalars; aliases are copies. Numbers may be `Written...`."""
        return _plain(self.root)

    def node(self, path: Path) -> Node | None:
        """Return the node at `path`, or None where there is none."""
        steps = self._walk(path)
        return steps[-1][1] if len(steps) == len(path) + 1 else None

    def locate(self, path: Path, *, key: bool = False) -> Span:
        """Return where the value at the deepest existing prefix of `path` stands; with `key`, where its key stands."""
        index, width = self._extent(path, key=key)
        mark = self.mark(index)
        return Span(mark.line, mark.column, width)

    def source_of(self, path: Path) -> tuple[str, Mark]:
        """Return the raw text, quotes and all, of the value at the deepest existing prefix of `path`, and its place."""
        node = self._walk(path)[-1][1]
        return self.text[node.start : node.end], self.mark(node.start)

    def problem(
        self,
        path: Path,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """Return a problem at the value (with `key`: the key) of the deepest existing prefix of `path`."""
        index, width = self._extent(path, key=key)
        return self.problem_at(index, width, message, hint, severity)

    def problem_at(
        self, index: int, width: int, message: str, hint: str = "", severity: Literal["error", "warning"] = "error"
    ) -> Problem:
        """Return a problem at the character `index`, with its source line unless the place is far off in a long one."""
        mark = self.mark(index)
        line = CONTROL.sub("\ufffd", self.text[mark.index - mark.column + 1 : self._line_end(mark)])
        if len(line) > _LONGEST_LINE_SHOWN:
            line = line[:_LONGEST_LINE_SHOWN] + "…" if mark.column <= _LONGEST_LINE_SHOWN else ""
        return Problem(self.file, mark.line, mark.column, message, hint, line, width, severity)

    def mark(self, index: int) -> Mark:
        """Return the line and column of a character index; past the end means at the end."""
        index = max(0, min(index, len(self.text)))
        line = bisect_right(self._line_starts, index)
        return Mark(line, index - self._line_starts[line - 1] + 1, index)

    def _line_end(self, mark: Mark) -> int:
        found = _LINE_BREAK.search(self.text, mark.index)
        return found.start() if found else len(self.text)

    def _walk(self, path: Path) -> list[tuple[Scalar | None, Node]]:
        """Return (key node, value node) for the root and each step of `path` that exists."""
        steps: list[tuple[Scalar | None, Node]] = [(None, self.root)]
        for step in path:
            node = steps[-1][1]
            if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
                steps.append(node.entries[step])
            elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
                steps.append((None, node.items[step]))
            else:
                break
        return steps

    def _extent(self, path: Path, *, key: bool) -> tuple[int, int]:
        key_node, node = self._walk(path)[-1]
        target: Node = key_node if key and key_node is not None else node
        block = self.text[target.start : target.start + 1] not in {"[", "{"}
        if isinstance(target, Sequence) and block:
            return target.start, 1
        if isinstance(target, Mapping) and block and target.entries:
            target = next(iter(target.entries.values()))[0]
        end = min(target.end, self._line_end(self.mark(target.start)))
        return target.start, max(1, len(self.text[target.start : end].rstrip()))
