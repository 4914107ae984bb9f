"""What a journal holds already: which rows need no second asking, and its tidying when the run is over."""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import throughster.errors as errors_module
from throughster.errors import BadRequestError, ProviderError, SettingsError
from throughster.running.hashes import HashSet
from throughster.running.journal import fsync_folder, lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ASKED_AGAIN", "Done", "is_provider_down", "newest_journal", "read_done", "tidy"]

ASKED_AGAIN = frozenset({"error", "judge_error", "skipped"})
"""A row with such a status has no answer yet."""


class Done:
    """The rows that are answered. `counts`: how many of each spec."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._answered = HashSet()

    def add(self, line: dict[str, Any]) -> None:
        if self._answered.add(_key(line["spec"], line["id"], line["label"], line["repeat"], line.get("digest"))):
            self.counts[line["spec"]] += 1

    def has(self, spec: str, row: str, label: str, repeat: int, digest: str) -> bool:
        return _key(spec, row, label, repeat, digest) in self._answered


def _key(*parts: Any) -> int:
    return hash(parts)


def read_done(path: Path) -> Done:
    """Read a journal to go on with. A torn last line, of a process that was killed, is cut off.

    Raises SettingsError for a file that is no journal, or one that another run is writing.
    """
    file = _open(path)
    try:
        lock_file(file, path)
        _cut_torn_tail(file)
        done, seen = Done(), HashSet()
        for line in _lines_backwards(file, path):
            is_newest = seen.add(_key(line["spec"], line["id"], line["label"], line["repeat"]))
            if is_newest and line["status"] not in ASKED_AGAIN:
                done.add(line)
        return done
    finally:
        os.close(file)


_PROVIDERS_ERRORS = {
    name
    for name, kind in vars(errors_module).items()
    if isinstance(kind, type) and issubclass(kind, ProviderError) and not issubclass(kind, BadRequestError)
}


def is_provider_down(line: dict[str, Any]) -> bool:
    """Whether a result failed through the provider, not through itself."""
    return line["status"] == "error" and (line.get("error") or {}).get("type") in _PROVIDERS_ERRORS


def tidy(path: Path) -> tuple[Counter[str], int]:
    """Leave one line for each row, the last, in the order in which they were written.

    Returns how many rows have which status, and how many failed through the provider. The file is replaced whole, or
    not at all.
    """
    file = _open(path)
    try:
        lock_file(file, path)
        statuses: Counter[str] = Counter()
        seen, kept, dropped, provider_down = HashSet(), array("Q"), 0, 0
        for line, start in _numbered_backwards(file, path):
            if seen.add(_key(line["spec"], line["id"], line["label"], line["repeat"])):
                statuses[line["status"]] += 1
                provider_down += is_provider_down(line)
                kept.append(start)
            else:
                dropped += 1
        if dropped:
            _rewrite(file, path, reversed(kept))
        return statuses, provider_down
    finally:
        os.close(file)


def newest_journal(folder: Path) -> Path | None:
    """The journal of the newest run of a spec, whose run folders lie in `folder`."""
    found = [path for path in folder.glob("*/results.jsonl") if path.is_file()]
    return max(found, key=lambda path: (path.parent.name.split("-")[0], _number(path.parent.name)), default=None)


def _number(name: str) -> int:
    end = name.rpartition("-")[2]
    return int(end) if "-" in name and end.isdecimal() else 0


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise SettingsError(f"{path} cannot be opened: {error.strerror}.") from error


def _cut_torn_tail(file: int) -> None:
    """A line is whole when its newline is there; whatever follows the last one was being written."""
    end = size = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(file, end)
        os.fsync(file)


def _lines_backwards(file: int, path: Path) -> Iterator[dict[str, Any]]:
    return (line for line, _ in _numbered_backwards(file, path))


def _numbered_backwards(file: int, path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Every line, the last first, and where it starts."""
    if os.fstat(file).st_size == 0:
        return
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        while end > 0:
            start = data.rfind(b"\n", 0, end - 1) + 1
            yield _parsed(data[start:end], path, data, start), start
            end = start


def _parsed(line: bytes, path: Path, data: mmap.mmap, start: int) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
        value["spec"], value["id"], value["label"], value["repeat"], value["status"]
    except (ValueError, TypeError, KeyError) as error:
        number = data[:start].count(b"\n") + 1
        raise SettingsError(
            f"{path}:{number}: this line is no result, so the run cannot be gone on with. Mend or remove the line, or "
            f"name another file with -o."
        ) from error
    assert isinstance(value, dict)
    return value


def _rewrite(file: int, path: Path, starts: Iterator[int]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data, open(descriptor, "wb") as out:  # noqa: PTH123
            out.writelines(data[start : data.find(b"\n", start) + 1] for start in starts)
            out.flush()
            os.fchmod(out.fileno(), os.fstat(file).st_mode & 0o777)
            os.fsync(out.fileno())
        Path(name).replace(path)
        fsync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
