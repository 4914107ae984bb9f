"""Text files of rows: their size, and what to say where they are no UTF-8."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from throughster.inputs.source import RowSource
from throughster.paths import PathProblem, descriptor_of

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from throughster.errors import Problem

__all__ = ["FileSource"]

LONGEST_LINE = 16_000_000
_BUFFER = 1 << 16

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Lines(io.FileIO):
    """Counts the bytes since the last line end, of each piece that is read, not of each line: it costs next to nothing.

    A file of zeros, or of one line without end, is refused before it fills the memory.
    """

    def __init__(self, descriptor: int, longest: int) -> None:
        super().__init__(descriptor, "rb")
        self._longest, self._open = longest, 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        size = super().readinto(buffer) or 0
        piece = bytes(memoryview(buffer)[:size])
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self._open = self._open + size if last < 0 else size - last - 1
        if self._open > self._longest:
            raise OSError(0, f"a line of it has over {self._longest:,} bytes")
        return size

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._open = 0
        return super().seek(offset, whence)


class FileSource(RowSource):
    """Rows in a file."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(name)
        self._path = path

    def _size(self) -> int:
        return self._path.stat().st_size

    def _open_bytes(self, longest_line: int = LONGEST_LINE) -> io.BufferedReader:
        """The file's bytes. Reading them raises OSError at a line that is longer than this."""
        try:
            descriptor = descriptor_of(self._path)
        except PathProblem as problem:
            raise OSError(0, str(problem).rstrip(".")) from None
        return io.BufferedReader(_Lines(descriptor, longest_line), _BUFFER)

    def _open_text(self, longest_line: int = LONGEST_LINE) -> io.TextIOWrapper:
        """The file's text in UTF-8, line ends as they are. Raises as the bytes do."""
        return io.TextIOWrapper(self._open_bytes(longest_line), "utf-8-sig", newline="")

    def _unreadable(self, error: OSError) -> Problem:
        return self.problem(0, f"The file cannot be read: {error.strerror}.")

    def _encoding_problem(self) -> Problem:
        """Find the first line that is no UTF-8; called only once reading has failed."""
        with self._open_bytes() as file:
            for line, data in enumerate(file, 1):
                if line == 1 and data.startswith(_UTF16):
                    return self.problem(1, "The file is UTF-16, not UTF-8.", "Save it as UTF-8.")
                try:
                    data.decode()
                except UnicodeDecodeError as error:
                    column = len(data[: error.start].decode()) + 1
                    message = f"The byte {data[error.start]:#04x} is no UTF-8."
                    hint = "Save the file as UTF-8 (in Excel: `CSV UTF-8`)."
                    return self.problem(line, message, hint, column)
        return self.problem(0, "The file is no UTF-8.", "Save it as UTF-8.")
