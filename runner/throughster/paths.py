"""Where a spec's files may lie, and how every file is opened: regular files inside the project, up to a size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import ThroughsterError

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = [
    "PathProblem",
    "descriptor_of",
    "open_regular",
    "project_root",
    "read_bounded",
    "resolve_inside",
    "resolve_named",
    "shown_path",
]

_ROOT_MARKS = (".git", "pyproject.toml", "throughster.toml")
_SYSTEM_TREES = tuple(Path(tree) for tree in ("/proc", "/sys", "/dev"))  # /proc/self/environ passes for a regular file


class PathProblem(ThroughsterError):  # noqa: N818 - it becomes a Problem of the spec, with a position
    """A path leads somewhere a spec may not read; the message says where and what to do, in plain words."""


def project_root(spec_path: Path) -> Path:
    """Return the nearest folder above with `.git`, `pyproject.toml` or `throughster.toml`, else the spec's own folder.

    `spec_path`: a file, or a folder that may itself be the root. Links are followed first.
    """
    real = Path(os.path.realpath(spec_path))
    folder = real if real.is_dir() else real.parent
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _ROOT_MARKS):
            return candidate
    return folder


def shown_path(path: Path) -> str:
    """Return the path as the user would write it: from the working directory where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def resolve_inside(root: Path, base: Path, relative: str, *, must_exist: bool = True) -> Path:
    """Return the real path of the regular file that `relative` names, seen from the folder `base`.

    Links are followed before the check, so none leads out of `root`. Raises `PathProblem` for what lies outside
    `root`, below a hidden or system folder, does not exist, or is not a regular file. Without `must_exist` it may be a
    file that is still to be written.
    """
    real_root, real = _real(root, relative), _real(base / relative, relative)
    if not relative.strip() or "\0" in relative:
        raise PathProblem(f"{relative!r} is not a file name.")
    if not real.is_relative_to(real_root):
        raise PathProblem(f"`{relative}` lies outside the project folder {real_root}. Move the file into the project.")
    if any(real.is_relative_to(tree) for tree in _SYSTEM_TREES):
        raise PathProblem(f"`{relative}` belongs to the operating system and is not read.")
    hidden = next((part for part in real.relative_to(real_root).parts if part.startswith(".")), None)
    if hidden is not None:
        raise PathProblem(
            f"`{relative}` leads to the hidden `{hidden}`, which is not read. Use a name without the dot."
        )
    if must_exist or real.exists():
        _check_regular(real, relative)
    return real


def resolve_named(path: str | os.PathLike[str]) -> Path:
    """Return the real path of a file or folder that the user named.

    It may lie anywhere, but a link in it that stands in a project must stay in that project, and out of its hidden
    files: whoever wrote the project made the link, and the user did not see where it leads. Raises `PathProblem`.
    """
    shown = os.fspath(path)
    whole = Path(os.path.abspath(_real_name(shown)))  # noqa: PTH100 - `resolve` would follow the links
    for link in (part for part in (*reversed(whole.parents), whole) if part.is_symlink()):
        folder = _real(link.parent, shown)
        root = project_root(folder)
        real = _real(link, shown)
        is_in_project = any((root / mark).exists() for mark in _ROOT_MARKS)
        if not is_in_project and link != whole:
            continue  # /tmp, which is /private/tmp elsewhere
        hidden = real.is_relative_to(root) and any(part.startswith(".") for part in real.relative_to(root).parts)
        if hidden or not real.is_relative_to(root):
            where = "to a hidden file" if hidden else f"out of the project folder {root}"
            raise PathProblem(f"`{shown}` is a link that leads {where}. Name the file itself.")
    real = _real(whole, shown)
    if any(real.is_relative_to(tree) for tree in _SYSTEM_TREES):
        raise PathProblem(f"`{shown}` belongs to the operating system and is not read.")
    return real


def _real_name(shown: str) -> str:
    if not shown.strip() or "\0" in shown:
        raise PathProblem(f"{shown!r} is not a file name.")
    return shown


def descriptor_of(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor. Raises `PathProblem`, and `OSError` where it cannot be opened.

    A pipe that nobody writes, or a device that never ends, is refused before anything waits for it.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise PathProblem(f"`{path}` is not a regular file.")
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # exchanged since it was looked at
        os.close(descriptor)
        raise PathProblem(f"`{path}` is not a regular file.")
    return descriptor


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises as `descriptor_of` does."""
    return open(descriptor_of(path), "rb")


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return what is in a regular file of at most `most_bytes`. Raises `PathProblem`, and `OSError` while reading."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most_bytes + 1) if size <= most_bytes else b""
    if size > most_bytes or len(data) > most_bytes:
        raise PathProblem(f"`{path.name}` is larger than {most_bytes:,} bytes, the most that is read.")
    return data


def _real(path: Path, shown: str) -> Path:
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        raise PathProblem(f"{shown!r} is not a file name: {error}.") from None


def _check_regular(real: Path, relative: str) -> None:
    try:
        mode = real.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise PathProblem(f"`{relative}` does not exist (looked for {real}).") from None
    except OSError as error:
        raise PathProblem(f"`{relative}` cannot be read: {error.strerror}.") from None
    if stat.S_ISDIR(mode):
        raise PathProblem(f"`{relative}` is a folder, not a file.")
    if not stat.S_ISREG(mode):
        raise PathProblem(f"`{relative}` is not a regular file.")
