"""Text files of rows: their size, and what to say where they are no UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.inputs.source import RowSource

if TYPE_CHECKING:
    from pathlib import Path

    from throughster.errors import Problem

__all__ = ["FileSource"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class FileSource(RowSource):
    """Rows in a file."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(name)
        self._path = path

    def _size(self) -> int:
        return self._path.stat().st_size

    def _unreadable(self, error: OSError) -> Problem:
        return self.problem(0, f"The file cannot be read: {error.strerror}.")

    def _encoding_problem(self) -> Problem:
        """Find the first line that is no UTF-8; called only once reading has failed."""
        with self._path.open("rb") as file:
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
