"""The answers file: which text the server gives to which prompt.

A YAML (or JSON) list. `{match: {text: Hello, language: French}, answer: ...}` fits a request whose messages hold every
one of these values, as a template prints them; `{contains: Hello, answer: ...}` one whose messages hold that text. The
server sees messages only, so a value that the prompt's template changes (an upper-case filter) is not found. Of several
entries that fit, the one with the most matched characters counts; of equals, the first.

In the place of `answer`, `refusal: ...` is a model that declines and `filtered: ...` a text that the content filter
cut; a provider that knows neither sends the text as an answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias

from throughster.emulator.encoding import compact_json
from throughster.errors import Problem, SpecError
from throughster.names import did_you_mean
from throughster.paths import PathProblem, read_bounded, shown_path
from throughster.yamltree import Mapping, Scalar, Sequence, keep_text, parse_yaml, plain_numbers

if TYPE_CHECKING:
    from throughster.yamltree import Document

__all__ = ["Answers", "Entry", "Kind", "load_answers", "parse_answers"]

Kind: TypeAlias = Literal["answer", "refusal", "filtered"]
_KINDS: Final[tuple[Kind, ...]] = ("answer", "refusal", "filtered")
_KEYS: Final = ("match", "contains", *_KINDS)
_LARGEST_FILE: Final = 32 * 1024 * 1024
_MOST_NODES: Final = 2_000_000
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
"""A character as JSON escapes it, in two halves; YAML has one escape for it, and none for a half."""
_HALF: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)
_EXAMPLE: Final = 'Write entries such as `- {contains: "Hello", answer: "Hi"}`.'


@dataclass(frozen=True, slots=True)
class Entry:
    """`needles`: texts that must all occur in a request's messages. `answer`: the text that is sent as it is.

    `kind`: whether that is an answer, the words of a refusal, or what was written before the content filter cut in.
    """

    needles: tuple[str, ...]
    answer: str
    kind: Kind = "answer"

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

    def find(self, text: str) -> Entry | None:
        """Return the entry for a request whose messages' texts, joined, are `text`; None where no entry fits."""
        for entry in self.entries:
            if all(needle in text for needle in entry.needles):
                return entry
        return None


def load_answers(path: Path | str) -> Answers:
    """Return the answers of a file. Raises SpecError, with a position for everything that is wrong in it."""
    name = shown_path(Path(path))
    try:
        data = read_bounded(Path(path), _LARGEST_FILE)
    except PathProblem as error:
        raise SpecError([Problem(name, 0, 0, f"the answers file cannot be read: {error}")]) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SpecError([Problem(name, 0, 0, f"the answers file cannot be read: {reason}.")]) from error
    return parse_answers(data, name)


def parse_answers(data: bytes | str, file: str) -> Answers:
    """Return the answers in a file's content; `file` is how problems call it. Raises SpecError."""
    if file.lower().endswith(".json"):
        data = _as_yaml(data, file)
    document, problems = parse_yaml(data, file, max_bytes=_LARGEST_FILE, max_nodes=_MOST_NODES)
    if document is None or any(problem.severity == "error" for problem in problems):
        raise SpecError(problems)
    reader = _Reader(document)
    entries = reader.entries()
    if reader.problems:
        raise SpecError(reader.problems)
    return Answers.of(entries)


def _as_yaml(data: bytes | str, file: str) -> bytes | str:
    """JSON that YAML reads the same way, with its lines as they are. Raises SpecError for what is no JSON."""
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        message = f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        raise SpecError([Problem(file, error.lineno, error.colno, message)]) from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise SpecError([Problem(file, 0, 0, f"this is no JSON: {reason}.")]) from None
    text = _PAIR.sub(lambda found: found[1] + _joined(int(found[2], 16), int(found[3], 16)), text)
    if half := _HALF.search(text):
        line = text.count("\n", 0, half.start()) + 1
        column = half.start() - text.rfind("\n", 0, half.start()) + len(half[1])
        message = f"this is no JSON: `{half[0][len(half[1]) :]}` is half a character."
        raise SpecError([Problem(file, line, column, message)])
    return text


def _joined(high: int, low: int) -> str:
    """The character that two halves of UTF-16 are (RFC 8259, section 7)."""
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


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
        kinds = [kind for kind in _KINDS if kind in node.entries]
        if not kinds:
            self._problem((position,), "this entry has no `answer`.", "Add `answer:` with a text or a JSON value.")
        elif len(kinds) > 1:
            names = " and ".join(f"`{kind}`" for kind in kinds)
            self._problem((position,), f"this entry has {names}, but it gives one answer only.", "Keep one of them.")
        if ("match" in node.entries) == ("contains" in node.entries):
            self._problem((position,), "an entry has either `match` or `contains`.", _EXAMPLE)
            return None
        needles = self._match(position) if "match" in node.entries else self._contains(position)
        if needles is None or len(kinds) != 1:
            return None
        return Entry(needles, _answer_text(self._plain[position][kinds[0]]), kinds[0])

    def _contains(self, position: int) -> tuple[str, ...] | None:
        path = (position, "contains")
        node = self._document.node(path)
        if not isinstance(node, Scalar) or node.value is None:
            self._problem(path, "`contains` is looked for in the prompt, so it must be a text.", "Put it in quotes.")
            return None
        text = _printed(node.value)
        if not text:
            self._problem(path, "`contains` is empty, so it would fit every request.", _EXAMPLE)
            return None
        return (text,)

    def _match(self, position: int) -> tuple[str, ...] | None:
        path = (position, "match")
        node = self._document.node(path)
        if not isinstance(node, Mapping) or not node.entries:
            self._problem(
                path, "`match` is a mapping of row variables to their values.", "Write `match: {text: Hello}`."
            )
            return None
        return tuple(_printed(value) for value in self._plain[position]["match"].values())

    def _problem(self, path: tuple[str | int, ...], message: str, hint: str, *, key: bool = False) -> None:
        self.problems.append(self._document.problem(path, message, hint, key=key))


def _printed(value: Any) -> str:
    """Return a value as a prompt shows it: text and numbers as they were written, the rest as JSON."""
    kept = keep_text(value)
    return kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False)


def _answer_text(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(plain_numbers(value))
