"""Which tape is running, and which case is being asked: known to all that a task does, and to nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.exchanges.player import Player
from throughster.exchanges.recorder import Recorder

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["CASE", "TAPE", "Case", "playing", "record", "replay", "using"]


@dataclass(frozen=True, slots=True)
class Case:
    """A row of a spec, asked of the provider with this label; outside of runs all of it is empty."""

    spec: str = ""
    id: str = ""
    label: str = ""
    repeat: int = 0


CASE: ContextVar[Case] = ContextVar("CASE", default=Case())  # noqa: B039 - it is frozen
TAPE: ContextVar[Recorder | Player | None] = ContextVar("TAPE", default=None)


def playing() -> Player | None:
    """The tape that answers, where one does."""
    tape = TAPE.get()
    return tape if isinstance(tape, Player) else None


@contextmanager
def using(tape: Recorder | Player | None) -> Iterator[None]:
    """Everything that is asked inside goes over this tape; None: over none."""
    token = TAPE.set(tape)
    try:
        yield
    finally:
        TAPE.reset(token)


@contextmanager
def record(folder: str | os.PathLike[str]) -> Iterator[None]:
    """What clients ask inside is sent as ever, and kept as cassettes in `folder`, without keys.

    Raises CassetteError where the folder cannot be written.
    """
    with using(Recorder(Path(folder))):
        yield


@contextmanager
def replay(folder: str | os.PathLike[str]) -> Iterator[None]:
    """What clients ask inside is answered from the cassettes in `folder`; no connection is made.

    Each recording answers once, in the order in which they were made. Raises CassetteError where none fits.
    """
    with using(Player(Path(folder))):
        yield
