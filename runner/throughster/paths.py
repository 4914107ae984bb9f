"""Where a spec's files may lie: regular files inside the project, and nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from throughster.errors import ThroughsterError

__all__ = ["PathProblem", "project_root", "resolve_inside", "shown_path"]

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
