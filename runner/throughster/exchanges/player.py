"""Replay: every answer comes from a cassette, and no connection is made."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from difflib import SequenceMatcher
from itertools import islice
from typing import TYPE_CHECKING, Any

from throughster.errors import CassetteError
from throughster.exchanges.cassette import case_file, file_of, read_file, read_kept
from throughster.exchanges.exchange import StoredStream
from throughster.exchanges.folder import unlinked
from throughster.redact import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from throughster.exchanges.active import Case
    from throughster.exchanges.cassette import Exchange
    from throughster.exchanges.exchange import Request, Stored, Streamed
    from throughster.reply import Reply

__all__ = ["Player"]

_COMPARED = 200
"""Recordings of other cases that a miss is compared with, the first characters of each, in files of so many bytes."""
_COMPARED_TEXT = 10_000
_COMPARED_BYTES = 20_000_000


class Player:
    """Reads cassettes from `folder`. Each recording answers once, in the order in which they were made.

    Raises CassetteError where there is no such folder, and where no recording fits what is asked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder = unlinked(folder)
        if not folder.is_dir():
            raise CassetteError(f"There is no folder {folder} with cassettes. Record them first: --record {folder}.")
        self._files: dict[Path, list[Exchange]] = {}
        self._given: dict[tuple[Path, str, int], Counter[tuple[str, bytes]]] = {}
        self._learned = self._read_learned()

    def learned(self, source: str) -> Mapping[str, Any]:
        """What the model of this source was found to refuse while it was recorded."""
        learned: Mapping[str, Any] = self._learned.get(source, {})
        return learned

    async def send(self, case: Case, request: Request, _send: Callable[[], object]) -> Reply:
        """The recorded reply. Raises the recorded failure."""
        stored = self._next(case, request)
        if stored.failure is not None:
            raise stored.failure
        return stored.reply()

    @asynccontextmanager
    async def stream(self, case: Case, request: Request, _connect: Callable[[], object]) -> AsyncIterator[Streamed]:
        """The recorded stream. Raises the recorded failure, where it was: before the stream, or in its middle."""
        stored = self._next(case, request)
        if stored.failure is not None and not stored.status:
            raise stored.failure
        yield StoredStream(stored)

    def has(self, case: Case, request: Request) -> bool:
        """Whether a recording is left that fits."""
        return self._find(case, request) is not None

    def finish(self, case: Case) -> None:
        """The case has its result: its file is not needed any more."""
        path = case_file(self.folder, case)
        self._files.pop(path, None)
        self._given.pop((path, case.label, case.repeat), None)

    def _next(self, case: Case, request: Request) -> Stored:
        exchange = self._find(case, request)
        if exchange is None:
            raise CassetteError(self._miss(case, request))
        if request.body:  # what is merely looked up may be looked up again
            self._given_of(case, request)[request.place, request.body] += 1
        return exchange.reply

    def _find(self, case: Case, request: Request) -> Exchange | None:
        path = file_of(self.folder, case, request)
        if path not in self._files:
            self._files[path] = read_file(path)
        fitting = [
            exchange
            for exchange in self._files[path]
            if (exchange.label, exchange.repeat) == (case.label, case.repeat) and exchange.fits(request)
        ]
        given = self._given_of(case, request)[request.place, request.body]
        return fitting[given] if given < len(fitting) else None

    def _given_of(self, case: Case, request: Request) -> Counter[tuple[str, bytes]]:
        """How often each request of this case was answered."""
        return self._given.setdefault((file_of(self.folder, case, request), case.label, case.repeat), Counter())

    def _miss(self, case: Case, request: Request) -> str:
        path = file_of(self.folder, case, request)
        who = f"row {case.id} of {case.spec} ({case.label}, repeat {case.repeat})" if case.spec else "this request"
        again = f"Record it again: --record {self.folder}." if case.spec else "Record it again."
        if self._given_of(case, request)[request.place, request.body]:
            return f"{who[0].upper()}{who[1:]} is asked more often than it was recorded in {path}. {again}"
        near = self._nearest(path, case, request)
        return f"No recording in {self.folder} fits {who}. {near} {again}"

    def _nearest(self, path: Path, case: Case, request: Request) -> str:
        """In the case's own file if it is there, else in the files of the same spec."""
        candidates = [(path, exchange) for exchange in self._files.get(path, ())]
        if not candidates:
            candidates = list(islice(_recordings(path.parent), _COMPARED))
        if not candidates:
            return f"There are no recordings in {path.parent}."
        asked = json.loads(request.body) if request.body else None
        text = json.dumps(asked, sort_keys=True)

        def likeness(candidate: tuple[Path, Exchange]) -> tuple[bool, bool, float]:
            _, other = candidate
            recorded = json.dumps(other.request, sort_keys=True)
            same_turn = (other.label, other.repeat) == (case.label, case.repeat)
            ratio = SequenceMatcher(None, text[:_COMPARED_TEXT], recorded[:_COMPARED_TEXT]).quick_ratio()
            return other.place == request.place, same_turn, ratio

        file, nearest = max(candidates, key=likeness)
        return f"The nearest one, in {file}, {_difference(nearest, case, request, asked)}."

    def _read_learned(self) -> dict[str, Any]:
        path = self.folder / "learned.json"
        try:
            learned = json.loads(read_kept(path).decode("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CassetteError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError):
            raise CassetteError(f"{path} is no JSON in UTF-8. Record again.") from None
        if not isinstance(learned, dict) or not all(isinstance(one, dict) for one in learned.values()):
            raise CassetteError(f"{path} must hold a mapping of models to mappings. Record again.")
        return learned


def _recordings(folder: Path) -> Iterator[tuple[Path, Exchange]]:
    left = _COMPARED_BYTES
    for file in sorted(folder.glob("*.json"))[:_COMPARED]:
        left -= file.lstat().st_size
        if left >= 0:
            yield from ((file, exchange) for exchange in read_file(file))


def _difference(nearest: Exchange, case: Case, request: Request, asked: Any) -> str:
    if nearest.place != request.place:
        return f"asks {nearest.place}, not {request.place}"
    for place, recorded, now in _differences(nearest.request, asked, ""):
        return f"differs at `{place}`: recorded {_shown(recorded)}, now {_shown(now)}"
    if (nearest.label, nearest.repeat) != (case.label, case.repeat):
        return f"is of {nearest.label}, repeat {nearest.repeat}"
    return "asks the same of another row"


_MISSING = object()


def _differences(recorded: Any, now: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*now, *recorded)):
            yield from _differences(
                recorded.get(name, _MISSING), now.get(name, _MISSING), f"{place}.{name}" if place else name
            )
    elif isinstance(recorded, list) and isinstance(now, list):
        for n in range(max(len(recorded), len(now))):
            pair = [values[n] if n < len(values) else _MISSING for values in (recorded, now)]
            yield from _differences(pair[0], pair[1], f"{place}[{n}]")
    elif recorded != now:
        yield place, recorded, now


def _shown(value: Any) -> str:
    return "nothing" if value is _MISSING else one_line(json.dumps(value, ensure_ascii=False), 120)
