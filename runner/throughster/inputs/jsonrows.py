"""JSON Lines, and JSON files that hold one list: each row an object, read one by one."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from throughster.errors import Problem
from throughster.inputs.files import FileSource
from throughster.strictjson import JsonProblem, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from throughster.inputs.source import Progress, Row

__all__ = ["JsonLinesSource", "JsonListSource"]

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 18  # characters
_LARGEST_ROW = 16_000_000  # characters
_SPACE = re.compile(r"[ \t\r\n]*")
_NEAR_END = 32  # characters: no token that is cut off is longer, but for a text
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def _what(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


class JsonLinesSource(FileSource):
    """Rows of a .jsonl or .ndjson file: one object a line."""

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:
        try:
            with self._open_bytes() as file:
                progress.tell = file.tell
                for line, data in enumerate(file, 1):
                    text = data.removeprefix(_BOM) if line == 1 else data
                    if not text.isspace() and text:
                        yield line, self._row(line, text)
        except OSError as error:
            yield 0, self._unreadable(error)

    def _row(self, line: int, text: bytes) -> Row | Problem:
        try:
            row = parse_json(text)
        except JsonProblem as problem:
            try:
                text.decode()
            except UnicodeDecodeError:
                return self._encoding_problem()
            return self.problem(line, f"{_capital(problem.reason)}.", column=problem.column)
        if isinstance(row, dict):
            return row
        hint = "A list of rows belongs into a .json file." if isinstance(row, list) else ""
        return self.problem(line, f"Each line is one row, an object; this one is {_what(row)}.", hint)


class JsonListSource(FileSource):
    """Rows of a .json file that holds a list of objects, read piece by piece."""

    def _read(self, progress: Progress) -> Iterator[tuple[int, Row | Problem]]:
        try:
            with self._open_text(sys.maxsize) as file:
                buffer: Any = file.buffer  # a BufferedReader, which typing leaves unsaid
                progress.tell = buffer.tell
                yield from _ListReader(self, file).rows()
        except UnicodeDecodeError:
            yield 0, self._encoding_problem()
        except OSError as error:
            yield 0, self._unreadable(error)


class _Broken(Exception):  # noqa: N818 - it carries a problem
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class _ListReader:
    """Holds a window of the file's text: what was read and not yet made into rows."""

    def __init__(self, source: JsonListSource, file: TextIO) -> None:
        self._source, self._file = source, file
        self._text = ""
        self._at = 0
        self._is_end = False
        self._line = 1
        self._line_start = 0  # index in the window where the line begins; negative where that was let go
        self._counted = 0
        self._decoder = json.JSONDecoder()

    def rows(self) -> Iterator[tuple[int, Row | Problem]]:
        try:
            if self._next() != "[":
                yield 0, self._no_list()
                return
            self._at += 1
            if self._next() == "]":
                self._at += 1
            else:
                yield from self._elements()
            if self._next():
                raise self._broken("There is more after the list's end.")
        except _Broken as broken:
            yield broken.problem.line, broken.problem

    def _elements(self) -> Iterator[tuple[int, Row | Problem]]:
        while True:
            self._next()
            line = self._place()[0]
            yield line, self._row(line, self._element())
            separator = self._next()
            if separator not in {",", "]"}:
                found = repr(separator) if separator else "the file's end"
                raise self._broken(f"A comma, or the list's end, should stand here; found {found}.")
            self._at += 1
            if separator == "]":
                return

    def _next(self) -> str:
        """Go to the next character that is no space; return it, or "" at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(_CHUNK):
                return ""

    def _more(self, characters: int) -> bool:
        """Let go of what was used and read on; return whether there was more."""
        if self._is_end:
            return False
        self._place()
        chunk = self._file.read(characters)
        self._is_end = not chunk
        self._text = self._text[self._at :] + chunk
        self._line_start -= self._at
        self._counted -= self._at
        self._at = 0
        return bool(chunk)

    def _element(self) -> str:
        """Return the text of the next value; reads on, ever more at once, as long as it is cut off."""
        characters = _CHUNK
        while True:
            try:
                end = self._decoder.raw_decode(self._text, self._at)[1]
            except json.JSONDecodeError as error:
                is_cut_off = error.pos >= len(self._text) - _NEAR_END or error.msg.startswith("Unterminated string")
                if is_cut_off and len(self._text) - self._at < _LARGEST_ROW and self._more(characters):
                    characters *= 2
                    continue
                self._at = min(error.pos, len(self._text))
                raise self._broken(f"{error.msg}.") from None
            except RecursionError:
                raise self._broken("This row is nested too deeply.") from None
            except ValueError:  # Python bounds whole numbers by their digits
                raise self._broken("This row has a whole number of more than 4300 digits.") from None
            text = self._text[self._at : end]
            self._at = end
            return text

    def _row(self, line: int, text: str) -> Row | Problem:
        try:
            row = parse_json(text)
        except JsonProblem as problem:
            return self._source.problem(line, f"{_capital(problem.reason)}.")
        if isinstance(row, dict):
            return row
        return self._source.problem(line, f"Each row is an object; this one is {_what(row)}.")

    def _no_list(self) -> Problem:
        if not self._text[self._at :]:
            return self._source.problem(0, "The file is empty.", "A list of rows belongs into it.")
        hint = "If each line holds a row, call the file .jsonl." if self._text[self._at] == "{" else ""
        return self._source.problem(1, "The file holds no list of rows (`[{...}, {...}]`).", hint)

    def _broken(self, message: str) -> _Broken:
        line, column = self._place()
        return _Broken(self._source.problem(line, message, column=column))

    def _place(self) -> tuple[int, int]:
        """Return the line and column of where the reader is; counts only what is new."""
        ends = self._text.count("\n", self._counted, self._at)
        if ends:
            self._line += ends
            self._line_start = self._text.rfind("\n", self._counted, self._at) + 1
        self._counted = max(self._counted, self._at)
        return self._line, self._at - self._line_start + 1


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
