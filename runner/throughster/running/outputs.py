"""Where the results of a run go."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.running.plan import Plan

__all__ = ["Outputs", "check_outputs"]


@dataclass(frozen=True)
class Outputs:
    """Where results go. `files`: what `-o` named. `write`: writes a report of a kind from the journal of these plans.

    `folder`: where run folders are made, `runs` in the working directory. `resume`: go on with what stands there.
    """

    files: tuple[Path, ...] = ()
    write: Callable[[Path, Path, Sequence[Plan]], None] | None = None
    folder: Path = field(default_factory=lambda: Path("runs"))
    resume: bool = False

    @property
    def journal(self) -> Path | None:
        return next((path for path in self.files if path.suffix.lower() == ".jsonl"), None)


def check_outputs(files: Sequence[Path], kinds: Sequence[str], *, resume: bool = False) -> None:
    """Raises SettingsError for a kind of file that cannot be written, or a file that exists already."""
    known = (".jsonl", *kinds)
    for path in files:
        if path.suffix.lower() not in known:
            raise SettingsError(
                f"`{path}`: results can be written as {', '.join(known)}, not as `{path.suffix or path}`."
            )
        if resume and path.is_symlink():
            raise SettingsError(f"{path} is a link, and results are not written through one. Name the file itself.")
        if not resume and (path.exists() or path.is_symlink()):
            hint = ", or go on with it: --resume" if path.suffix.lower() == ".jsonl" else ""
            raise SettingsError(
                f"{path} exists already. Name another file, or move it away{hint}; results are never overwritten."
            )
        if not path.parent.is_dir():
            raise SettingsError(f"{path}: there is no folder {path.parent}.")
        _check_writable(path)
    if len(set(files)) != len(files):
        raise SettingsError("The same output file is named twice.")


def _check_writable(path: Path) -> None:
    """By a file that is gone again: what a folder's mode says is not what every file system does."""
    try:
        with tempfile.TemporaryFile(dir=path.parent, prefix=f".{path.name[:50]}."):
            pass
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}. Name a file in another folder."
        raise SettingsError(message) from error
