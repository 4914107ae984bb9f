"""The answers file: which text the server gives to which prompt.

A YAML (or JSON) list. `{match: {text: Hello, language: French}, answer: ...}` fits a request whose messages hold every
one of these values; `{contains: Hello, answer: ...}` one whose messages hold that text. The server sees messages only,
so a value that the prompt's template changes (an upper-case filter) is not found. Of several entries that fit, the one
with the most matched characters counts; of equals, the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.encoding import compact_json
from throughster.errors import Problem, SpecError
from throughster.names import did_you_mean
from throughster.yamltree import Mapping, Scalar, Sequence, keep_text, parse_yaml, plain_numbers

if TYPE_CHECKING:
    from throughster.yamltree import Document

__all__ = ["Answers", "Entry", "load_answers", "parse_answers"]

_KEYS: Final = ("match", "contains", "answer")
_LARGEST_FILE: Final = 32 * 1024 * 1024
_MOST_NODES: Final = 2_000_000
_EXAMPLE: Final = 'Write entries such as `- {contains: "Hello", answer: "Hi"}`.'


@dataclass(frozen=True, slots=True)
class Entry:
    """`needles`: texts that must all occur in a request's messages. `answer`: the text that is sent as it is."""

    needles: tuple[str, ...]
    answer: str

    @property
    def matched_length(self) -> int:
        return sum(len(needle) for needle in self.needles)


@dataclass(frozen=True, slots=True)
class Answers:
    """Entries, the ones with the most matched characters first."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: list[Entry] | tuple[Entry, ...]) -> Answers:
        return cls(tuple(sorted(entries, key=lambda entry: -entry.matched_length)))

    def find(self, text: str) -> str | None:
        """Return the answer to a request whose messages' texts, joined, are `text`; None where no entry fits."""
        for entry in self.entries:
            if all(needle in text for needle in entry.needles):
                return entry.answer
        return None


def load_answers(path: Path | str) -> Answers:
    """Return the answers of a file. Raises SpecError, with a position for everything that is wrong in it."""
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SpecError([Problem(name, 0, 0, f"the answers file cannot be read: {reason}.")]) from error
    return parse_answers(data, name)


def parse_answers(data: bytes | str, file: str) -> Answers:
    """Return the answers in a file's content; `file` is how problems call it. Raises SpecError."""
    document, problems = parse_yaml(data, file, max_bytes=_LARGEST_FILE, max_nodes=_MOST_NODES)
    if document is None or any(problem.severity == "error" for problem in problems):
        raise SpecError(problems)
    reader = _Reader(document)
    entries = reader.entries()
    if reader.problems:
        raise SpecError(reader.problems)
    return Answers.of(entries)


class _Reader:
    """Reads entries out of a document and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._plain = document.value()
        self.problems: list[Problem] = []

    def entries(self) -> list[Entry]:
        root = self._document.root
        if not isinstance(root, Sequence) or not root.items:
            self._problem((), "an answers file is a list of entries, at least one.", _EXAMPLE)
            return []
        found = [self._entry(position) for position in range(len(root.items))]
        return [entry for entry in found if entry is not None]

    def _entry(self, position: int) -> Entry | None:
        node = self._document.node((position,))
        if not isinstance(node, Mapping):
            self._problem((position,), "an entry is a mapping with `match` or `contains`, and `answer`.", _EXAMPLE)
            return None
        for key in node.entries:
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or f"An entry has {', '.join(f'`{known}`' for known in _KEYS)}."
                self._problem((position, key), f"unknown key `{key}` in an answers entry.", hint, key=True)
        if "answer" not in node.entries:
            self._problem((position,), "this entry has no `answer`.", "Add `answer:` with a text or a JSON value.")
        if ("match" in node.entries) == ("contains" in node.entries):
            self._problem((position,), "an entry has either `match` or `contains`.", _EXAMPLE)
            return None
        needles = self._match(position) if "match" in node.entries else self._contains(position)
        if needles is None or "answer" not in node.entries:
            return None
        return Entry(needles, _answer_text(self._plain[position]["answer"]))

    def _contains(self, position: int) -> tuple[str, ...] | None:
        text = self._needle((position, "contains"))
        if text == "":
            self._problem((position, "contains"), "`contains` is empty, so it would fit every request.", _EXAMPLE)
            return None
        return None if text is None else (text,)

    def _match(self, position: int) -> tuple[str, ...] | None:
        path = (position, "match")
        node = self._document.node(path)
        if not isinstance(node, Mapping) or not node.entries:
            self._problem(
                path, "`match` is a mapping of row variables to their values.", "Write `match: {text: Hello}`."
            )
            return None
        needles = [self._needle((*path, name)) for name in node.entries]
        return None if None in needles else tuple(needle for needle in needles if needle is not None)

    def _needle(self, path: tuple[str | int, ...]) -> str | None:
        node = self._document.node(path)
        if isinstance(node, Scalar) and node.value is not None:
            value = keep_text(node.value)
            # Jinja prints a boolean as Python does, and that is what stands in the prompt.
            return value if isinstance(value, str) else str(value)
        self._problem(path, "this is looked for in the prompt, so it must be a text or a number.", "Put it in quotes.")
        return None

    def _problem(self, path: tuple[str | int, ...], message: str, hint: str, *, key: bool = False) -> None:
        self.problems.append(self._document.problem(path, message, hint, key=key))


def _answer_text(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(plain_numbers(value))
