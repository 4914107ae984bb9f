"""From the parser's events to the tree, one by one and without recursion, with the limits checked on the way.

Problems that leave the tree whole (a duplicate key, a tag, a merge key) are collected and the reading goes on; of two
equal keys the first one counts. What breaks the tree (a syntax error, a limit) ends the reading.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import yaml

from throughster.errors import Problem
from throughster.yamltree.scalars import resolve_scalar
from throughster.yamltree.syntax import explain_syntax
from throughster.yamltree.tree import CONTROL, Document, Mapping, Node, Scalar, Sequence

__all__ = ["MAX_ALIASES", "MAX_DEPTH", "parse_yaml"]

MAX_DEPTH = 50
MAX_ALIASES = 100
_MAX_PROBLEMS = 100
_OLD_SEPARATORS = "\x85\u2028\u2029"  # common in pasted text; line breaks to PyYAML, not to YAML 1.2 or an editor
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # its parser only; nothing is ever constructed
_TAG = re.compile(r"!\S{0,40}")
_TOO_MUCH = "Put the data into a CSV or JSONL file."
_QUOTE_TEMPLATE = 'Write quotes around the whole value, as in "{{ name }}".'


def parse_yaml(
    data: bytes | str,
    file: str,
    *,
    max_bytes: int = 1_000_000,
    max_nodes: int = 100_000,
    max_aliases: int = MAX_ALIASES,
    merge_keys: bool = False,
) -> tuple[Document | None, list[Problem]]:
    """Return the one document in `data` and every problem in it; None where no whole tree could be read.

    `file`: the name that stands in the problems. `max_nodes`: bound on values, counted with aliases written out; a
    long text counts as one more per 64 characters. `merge_keys`: `<<` is a key like any other, for the files of other
    programs. Never raises for anything in `data`.
    """
    text, problem = _decode(data, file, max_bytes)
    if problem is not None:
        return None, [problem]
    builder = _TreeBuilder(Document(file, text, Scalar(None, "", 0, 0)), max_nodes, max_aliases, merge_keys)
    root = builder.read()
    problems = builder.problems
    if builder.unshown:
        problems.append(Problem(file, 0, 0, f"{builder.unshown} more problems are not shown."))
    return (None if root is None else replace(builder.draft, root=root)), problems


def _decode(data: bytes | str, file: str, max_bytes: int) -> tuple[str, Problem | None]:
    size = len(data) if isinstance(data, bytes) or len(data) > max_bytes else len(data.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        return "", Problem(
            file, 0, 0, f"The file is larger than {max_bytes:,} bytes.", "Put the data into a CSV or JSONL file."
        )
    if isinstance(data, bytes):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            draft = Document(file, data.decode("utf-8", "replace"), Scalar(None, "", 0, 0))
            index = len(data[: error.start].decode("utf-8", "replace"))
            return "", draft.problem_at(index, 1, "The file is not UTF-8 text.", "Save it with the encoding UTF-8.")
    else:
        text = data
    text = text.removeprefix("\ufeff")
    if found := CONTROL.search(text):
        draft = Document(file, text, Scalar(None, "", 0, 0))
        return "", draft.problem_at(
            found.start(), 1, f"The character U+{ord(found[0]):04X} is not allowed.", "Remove it."
        )
    return text, None


def _shield_separators(text: str) -> tuple[str, dict[int, str]]:
    """Return the text with what ended lines in YAML 1.1 only replaced, one for one, and the table that undoes it."""
    free = (chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text)
    table = {ord(separator): next(free, separator) for separator in _OLD_SEPARATORS if separator in text}
    return text.translate(table) if table else text, {ord(stand_in): chr(code) for code, stand_in in table.items()}


class _Stop(Exception):  # noqa: N818  # no error by itself: the problem is noted already
    """The rest of the text cannot be read, or is not worth reading."""


class _Frame:
    """A list or mapping whose end has not come yet. `weight`, `height`: as of the node that it becomes."""

    def __init__(self, event: Any) -> None:
        self.items: list[Node] = []
        self.entries: dict[str, tuple[Scalar, Node]] | None = {} if type(event) is yaml.MappingStartEvent else None
        self.start: int = event.start_mark.index
        self.last_end: int = event.end_mark.index
        self.flow: bool = event.flow_style
        self.anchor: str | None = event.anchor
        self.key: Scalar | None = None
        self.skips_value = False  # the key of the value that comes next was refused
        self.is_key = self.is_template = False
        self.weight = self.height = 1

    @property
    def awaits_key(self) -> bool:
        return self.entries is not None and self.key is None and not self.skips_value

    def node(self, end: int) -> Node:
        if self.entries is None:
            return Sequence(tuple(self.items), self.start, end, self.weight, self.height)
        return Mapping(self.entries, self.start, end, self.weight, self.height)


class _TreeBuilder:
    def __init__(self, draft: Document, max_nodes: int, max_aliases: int, merge_keys: bool) -> None:
        self.draft = draft
        self.max_aliases = max_aliases
        self.merge_keys = merge_keys
        self.shielded_text, self.unshield = _shield_separators(draft.text)
        self.max_nodes = max_nodes
        self.problems: list[Problem] = []
        self.unshown = 0
        self.root: Node | None = None
        self.frames: list[_Frame] = []
        self.anchors: dict[str, Node | None] = {}  # None: its node is still open
        self.references = 0
        self.weight = 0
        self.templates_open = 0

    def read(self) -> Node | None:
        """Return the root, or None where the reading ended before the tree was whole."""
        steps = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            for event in yaml.parse(self.shielded_text, Loader=_LOADER):
                if step := steps.get(type(event)):
                    step(event)
        except yaml.YAMLError as error:
            self.root = None
            self._note_syntax(error)
        except (ValueError, OverflowError):  # the pure Python parser's int() and chr() of absurd numbers
            self.root = None
            self._note(0, 1, "The file holds a number or an escape that YAML does not know.")
        except _Stop:
            pass
        else:
            if self.root is None:
                self._note(0, 1, "The file is empty.")
        return self.root

    def _note(self, index: int, width: int, message: str, hint: str = "") -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(self.draft.problem_at(index, width, message, hint))
        else:
            self.unshown += 1

    def _note_syntax(self, error: yaml.YAMLError) -> None:
        index, width, message, hint = explain_syntax(error, self.draft.text)
        problem = self.draft.problem_at(index, width, message, hint)
        if problem not in self.problems:  # an unquoted `{{` is seen first as a mapping, then as an error
            self.problems.append(problem)

    def _note_in_tree(self, index: int, width: int, message: str, hint: str = "") -> None:
        """Note a problem unless it is only the consequence of an unquoted `{{`."""
        if not self.templates_open:
            self._note(index, width, message, hint)

    def _document(self, event: Any) -> None:
        if self.root is not None:
            self._note(
                event.start_mark.index, 3, "A second document starts here.", "Put each one into a file of its own."
            )
            raise _Stop
        if event.tags or event.version:
            self._note(event.start_mark.index, 1, "Lines that start with `%` are not allowed.", "Remove them.")

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._check_properties(event)
        text: str = event.value.translate(self.unshield) if self.unshield else event.value
        plain = not event.style
        if event.style == '"' and not text.isascii() and _LONE_SURROGATE.search(text):  # libyaml refuses these itself
            self._note(start, end - start, "An escape in this text is half a character.", "Write the character itself.")
            text = _LONE_SURROGATE.sub("\ufffd", text)
        node = Scalar(resolve_scalar(text) if plain else text, text, start, end, plain)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self._place(node, start, end, node.weight)

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._count_reference(start)
        name = event.anchor
        node = self.anchors.get(name)
        if node is None:
            why = "refers to itself" if name in self.anchors else f"refers to `&{name}`, which is not defined above"
            self._note_in_tree(start, end - start, f"`*{name}` {why}.", "If it is text, put it in quotes.")
            node = Scalar(f"*{name}", f"*{name}", start, end)
        if isinstance(node, Scalar) and self.frames and self.frames[-1].awaits_key:
            node = replace(node, start=start, end=end, plain=False)
        self._place(node, start, end, node.weight)

    def _open(self, event: Any) -> None:
        start = event.start_mark.index
        self._check_properties(event)
        if len(self.frames) >= MAX_DEPTH:
            self._refuse_depth(start)
        frame = _Frame(event)
        parent_awaits_key = bool(self.frames) and self.frames[-1].awaits_key
        if frame.entries is not None and frame.flow and self.draft.text.startswith("{{", start):
            self._note_in_tree(start, 2, "A value that starts with `{{` must be in quotes.", _QUOTE_TEMPLATE)
            frame.is_template = True
            self.templates_open += 1
        elif parent_awaits_key:
            kind = "list" if frame.entries is None else "mapping"
            self._note_in_tree(start, 1, f"A key must be plain text, not a {kind}.", "Put it in quotes if it is text.")
            frame.is_key = True
        if frame.anchor is not None:
            self.anchors[frame.anchor] = None
        self.frames.append(frame)

    def _close(self, event: Any) -> None:
        frame = self.frames.pop()
        end = event.end_mark.index if frame.flow else frame.last_end
        node = frame.node(end)
        if frame.is_template:
            self.templates_open -= 1
            raw = self.draft.text[frame.start : end]
            node = Scalar(raw, raw, frame.start, end)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = node
        if frame.is_key:
            self.frames[-1].skips_value = True
        else:
            self._place(node, frame.start, end, 1)  # what is below it has been counted

    def _place(self, node: Node, start: int, end: int, added_weight: int) -> None:
        """Hang a finished node into what is open. `start`, `end`: where it stands, which for an alias is the alias."""
        self.weight += added_weight
        if self.weight > self.max_nodes:
            self._note(start, end - start, f"The file holds more than {self.max_nodes:,} values.", _TOO_MUCH)
            self.root = None
            raise _Stop
        if not self.frames:
            self.root = node
            return
        frame = self.frames[-1]
        if len(self.frames) + node.height > MAX_DEPTH + 1:
            self._refuse_depth(start)
        frame.last_end = max(frame.last_end, end)
        frame.weight += node.weight
        frame.height = max(frame.height, node.height + 1)
        if frame.entries is None:
            frame.items.append(node)
        elif frame.skips_value:
            frame.skips_value = False
        elif frame.key is None:
            self._take_key(frame, node, start, end)
        else:
            frame.entries[frame.key.text] = (frame.key, node)
            frame.key = None

    def _take_key(self, frame: _Frame, node: Node, start: int, end: int) -> None:
        assert frame.entries is not None
        width = end - start
        frame.skips_value = True
        if not isinstance(node, Scalar):
            self._note_in_tree(start, width, "A key must be plain text, not a list or mapping.")
        elif node.plain and node.text == "<<" and not self.merge_keys:
            self._note_in_tree(start, width, "The merge key `<<` is not allowed.", "Write the keys out.")
        elif node.plain and not node.text:
            self._note_in_tree(start, width, "A key is missing before this `:`.")
        elif node.text in frame.entries:
            first = self.draft.mark(frame.entries[node.text][0].start).line
            lines = f"on line {first} and again on line {self.draft.mark(start).line}"
            shown = node.text if len(node.text) <= 60 else node.text[:59] + "…"
            self._note_in_tree(start, width, f"The key `{shown}` stands twice: {lines}.", "Keep one of them.")
        else:
            frame.key = node
            frame.skips_value = False

    def _check_properties(self, event: Any) -> None:
        """Refuse tags, count anchors."""
        start = event.start_mark.index
        if event.anchor is not None:
            self._count_reference(start)
        if event.tag is not None:
            at = max(start, self.draft.text.find("!", start, event.end_mark.index + 1))
            tag = _TAG.match(self.draft.text, at)
            shown = tag[0] if tag else "!"
            self._note_in_tree(
                at, len(shown), f"The tag `{shown}` is not allowed.", "Remove it; quotes make text of a value."
            )

    def _count_reference(self, index: int) -> None:
        self.references += 1
        if self.references > self.max_aliases:
            times = f"more than {self.max_aliases:,} times"
            self._note(index, 1, f"The file uses anchors and aliases (`&`, `*`) {times}.", _TOO_MUCH)
            self.root = None
            raise _Stop

    def _refuse_depth(self, index: int) -> None:
        self._note(index, 1, f"Lists and mappings are nested more than {MAX_DEPTH} levels deep.")
        self.root = None
        raise _Stop
