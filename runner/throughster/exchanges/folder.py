"""The folder of cassettes that the user named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.errors import CassetteError
from throughster.paths import PathProblem, resolve_named

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["unlinked"]


def unlinked(folder: Path) -> Path:
    """The folder as it was named. Raises CassetteError where it is a link that leads out of its project."""
    try:
        resolve_named(folder)
    except PathProblem as problem:
        raise CassetteError(f"The cassettes cannot be used: {problem}") from None
    return folder
