"""Where this program may write, and whose results it goes on with: its own."""

from __future__ import annotations

import os
from pathlib import Path

from throughster.errors import SettingsError
from throughster.paths import PathProblem, read_bounded

__all__ = ["check_folder", "is_tracked"]

_LARGEST_INDEX = 200_000_000
_ENTRY = 62  # bytes before an entry's path, where the hash has 20
_EXTENDED = 0x4000


def check_folder(folder: Path) -> None:
    """Raise SettingsError where a part of this folder, seen from the working directory, is a link out of it.

    Whoever wrote the project could else choose where results go.
    """
    here = Path(os.path.realpath(Path.cwd()))
    for part in (*reversed(folder.parents), folder):
        real = Path(os.path.realpath(part))
        if part.is_symlink() and not folder.is_absolute() and not real.is_relative_to(here):
            raise SettingsError(
                f"`{part}` is a link that leads out of the working directory, to {real}, and results are not written "
                f"through it. Remove it, or name a file with -o."
            )


def is_tracked(path: Path) -> bool:
    """Whether git tracks this file, so that it came with the project and no run of this user wrote it.

    Git itself is not asked: a project can make it run programs.
    """
    real = Path(os.path.realpath(path))
    for folder in real.parents:
        index = folder / ".git" / "index"
        if (folder / ".git").exists():
            try:
                data = read_bounded(index, _LARGEST_INDEX)
            except (OSError, PathProblem):
                return False
            return os.fsencode(str(real.relative_to(folder))) in _paths(data)
    return False


def _paths(data: bytes) -> set[bytes]:
    """The paths in an index of git, as its documentation (`gitformat-index`) says that they are written."""
    if data[:4] != b"DIRC":
        return set()
    version, count = int.from_bytes(data[4:8]), int.from_bytes(data[8:12])
    paths, at, path = set(), 12, b""
    try:
        for _ in range(count):
            start = at
            at += _ENTRY + (2 if int.from_bytes(data[at + 60 : at + 62]) & _EXTENDED else 0)
            if version == 4:  # so many characters of the path before it are left out
                kept, at = _varint(data, at)
                end = data.index(b"\0", at)
                path = path[: len(path) - kept] + data[at:end]
                at = end + 1
            else:
                end = data.index(b"\0", at)
                path = data[at:end]
                at = start + (end - start + 8) // 8 * 8
            paths.add(path)
    except (ValueError, IndexError):
        pass  # an index that is cut off
    return paths


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1
