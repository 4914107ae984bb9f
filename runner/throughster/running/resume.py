"""What a journal holds already: which rows need no second asking, and its tidying when the run is over."""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

import throughster.errors as errors_module
from throughster.errors import BadRequestError, ProviderError, SettingsError
from throughster.paths import PathProblem, descriptor_of
from throughster.running.hashes import HashMap, HashSet
from throughster.running.journal import fsync_folder, lock_file
from throughster.running.lines import LONGEST_LINE, line_number, line_start
from throughster.running.result import STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ASKED_AGAIN", "Done", "is_provider_down", "lane_of", "newest_journal", "read_done", "tidy"]

ASKED_AGAIN = frozenset({"error", "judge_error", "skipped"})
"""A row with such a status has no answer yet."""

_CLOSING_BRACE = ord("}")
_TAIL = 65536


class Done:
    """The rows that are answered. `counts`: how many of each spec."""

    def __init__(self, heads: Iterable[_Head], expected: int) -> None:
        """`heads`: from the newest to the oldest; the first that tells of a row is what became of it."""
        counts: Counter[str] = Counter()
        digests = HashMap(expected)
        put = digests.put
        for _, spec, key, digest, status in heads:
            answered = digest != 0 and status not in ASKED_AGAIN
            if put(key, digest if answered else 0) and answered:
                counts[spec] += 1
        self.counts = counts
        self._digests = digests

    def has(self, row: str, lane: int, repeat: int, digest: int) -> bool:
        """Whether this row was answered, when it was asked and checked just so. `lane`: see `lane_of`.

        `digest`: of what is asked, and of what is checked, combined by exclusive or.
        """
        return digest != 0 and self._digests.get(hash((row, lane, repeat))) == digest


def lane_of(spec: str, label: str) -> int:
    """A number for a spec's rows at one provider."""
    return hash((spec, label))


def read_done(path: Path) -> Done:
    """Read a journal to go on with. A torn last line, of a process that was killed, is cut off.

    Raises SettingsError for a file that is no journal, or one that another run is writing.
    """
    file = _open(path)
    try:
        lock_file(file, path)
        _cut_torn_tail(file, path)
        return Done(_heads_backwards(file, path), _lines_about(file))
    finally:
        os.close(file)


_PROVIDERS_ERRORS = {
    name
    for name, kind in vars(errors_module).items()
    if isinstance(kind, type) and issubclass(kind, ProviderError) and not issubclass(kind, BadRequestError)
}


def is_provider_down(line: dict[str, Any]) -> bool:
    """Whether a result failed through the provider, not through itself."""
    error = line.get("error")
    return line["status"] == "error" and isinstance(error, dict) and error.get("type") in _PROVIDERS_ERRORS


def tidy(path: Path) -> tuple[Counter[str], int]:
    """Leave one line for each row, the last, in the order in which they were written.

    Returns how many rows have which status, and how many failed through the provider. The file is replaced whole, or
    not at all.
    """
    file = _open(path)
    try:
        lock_file(file, path)
        statuses: Counter[str] = Counter()
        seen, kept, dropped, provider_down = HashSet(_lines_about(file)), array("Q"), 0, 0
        end = os.fstat(file).st_size
        for start, _, key, _, status in _heads_backwards(file, path):
            if seen.add(key):
                statuses[status] += 1
                provider_down += status == "error" and is_provider_down(
                    orjson.loads(os.pread(file, end - start, start))
                )
                kept.append(start)
            else:
                dropped += 1
            end = start
        if dropped:
            _rewrite(file, path, reversed(kept))
        return statuses, provider_down
    finally:
        os.close(file)


def newest_journal(folder: Path) -> Path | None:
    """The journal of the newest run of a spec, whose run folders lie in `folder`."""
    found = [
        path
        for path in folder.glob("*/results.jsonl")
        if path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
    ]
    return max(found, key=lambda path: (path.parent.name.split("-")[0], _number(path.parent.name)), default=None)


def _number(name: str) -> int:
    end = name.rpartition("-")[2]
    return int(end) if "-" in name and end.isdecimal() else 0


def _open(path: Path) -> int:
    try:
        return descriptor_of(path, os.O_RDWR | os.O_NOFOLLOW)
    except PathProblem as problem:
        raise SettingsError(str(problem)) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be opened: {error.strerror}.") from error


def _cut_torn_tail(file: int, path: Path) -> None:
    """A line is whole when its newline is there; whatever follows the last one was being written."""
    end = size = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _TAIL)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
        if size - end > LONGEST_LINE:
            raise SettingsError(f"{path} is no results file: its last line has over {LONGEST_LINE:,} bytes.")
    if end != size:
        os.ftruncate(file, end)
        os.fsync(file)


_STATUS = {status.encode(): status for status in STATUSES}
_TEXT = rb'"[^"\\]*"'
_HEAD = re.compile(  # with an escape in one of its texts, a line is parsed whole
    rb'\{"id":"([^"\\]*)",("spec":%b,"label":%b),"provider":%b,"model":(?:%b|null),"deployment":(?:%b|null),'
    rb'"row":\d+,"repeat":(\d+),"digest":"([0-9a-f]{16})","checks_digest":(?:"([0-9a-f]{16})"|null),"status":"(%b)",'
    % (*(_TEXT,) * 5, b"|".join(_STATUS))
)


_Head: TypeAlias = tuple[int, str, int, int, str]
"""What a line begins with: where it stands, its spec, its key (see `Done.has`), its digest, its status."""


def _heads_backwards(file: int, path: Path) -> Iterator[_Head]:
    """The last line first. Reads no more of a line than its head, where it can: a third of the time for all of it."""
    lanes: dict[bytes, tuple[str, int]] = {}
    match = _HEAD.match
    for data, start, end in _places_backwards(file, path):
        found = match(data, start, end)
        if found is None or data[end - 2] != _CLOSING_BRACE:
            line = _parsed(data, start, end, file, path)
            key = hash((line["id"], lane_of(line["spec"], line["label"]), line["repeat"]))
            yield start, line["spec"], key, _digest(line.get("digest"), line.get("checks_digest")), line["status"]
            continue
        row, names, repeat, digest, checks, status = found.groups()
        try:
            spec, lane = lanes[names]
        except KeyError:
            line = orjson.loads(b"{%b}" % names)
            spec, lane = lanes[names] = line["spec"], lane_of(line["spec"], line["label"])
        both = int(digest, 16) if checks is None else _digest(digest, checks)  # a call costs a tenth of it all
        yield start, spec, hash((row.decode(), lane, int(repeat))), both, _STATUS[status]


def _digest(asked: str | bytes | None, checked: str | bytes | None) -> int:
    """What `Done.has` compares: of what was asked and what was checked; 0 where it is not known."""
    return int(asked or b"0", 16) ^ int(checked or b"0", 16)


def _lines_about(file: int) -> int:
    """How many lines the file has, guessed from its last ones."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL, max(0, size - _TAIL))
    return tail.count(b"\n") * size // max(1, len(tail))


def _places_backwards(file: int, path: Path) -> Iterator[tuple[mmap.mmap, int, int]]:
    """Where each line starts and ends, the last first."""
    if os.fstat(file).st_size == 0:
        return
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        while end > 0:
            start = line_start(data, end, file, path)
            yield data, start, end
            end = start


def _parsed(data: mmap.mmap, start: int, end: int, file: int, path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(data[start:end])
        (
            value["spec"],
            value["id"],
            value["label"],
            value["repeat"],
            value["status"],
            _digest(value.get("digest"), value.get("checks_digest")),
        )
    except (ValueError, TypeError, KeyError) as error:
        number = line_number(file, start)
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
