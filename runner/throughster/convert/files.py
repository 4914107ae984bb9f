"""The files of a conversion: read inside the source's project only, bounded, each once, with `$ref` carried out."""

from __future__ import annotations

import csv
import glob
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.convert.losses import Place
from throughster.convert.parts import Part, part_of, part_of_plain
from throughster.errors import Problem, SpecError
from throughster.paths import PathProblem, resolve_inside
from throughster.strictjson import JsonProblem, parse_json
from throughster.yamltree import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Files", "NotReadable"]

_MOST_BYTES = 20_000_000
_MOST_VALUES = 500_000
_MOST_ALIASES = 10_000
_DEEPEST_REF = 50
FILE = "file://"


class NotReadable(Exception):  # noqa: N818 - it becomes a loss, or a problem of the source
    """A file that the source names cannot be used; the message says why, in plain words."""


class Files:
    """`base`: the folder that names are relative to; `root`: the project that they must not leave."""

    def __init__(self, base: Path, root: Path) -> None:
        self.base = base
        self.root = root
        self._trees: dict[Path, Part] = {}
        self.referred: set[str] = set()
        """Keys at the top of the source that some `$ref` names."""
        self._values = 0
        self._opening: list[Path] = []

    def path(self, name: str) -> Path:
        """The real path of a file. Raises NotReadable."""
        try:
            return resolve_inside(self.root, self.base, name.removeprefix(FILE))
        except PathProblem as problem:
            raise NotReadable(str(problem)) from None

    def _hold_inside(self, name: str) -> None:
        """Raises NotReadable for what lies outside the project, whatever it is and whether it is there."""
        try:
            resolve_inside(self.root, self.base, name, must_exist=False)
        except PathProblem as problem:
            raise NotReadable(str(problem)) from None

    def matches(self, name: str) -> list[str]:
        """The files that a name stands for, which may be a glob or a folder; relative to `base`, sorted."""
        pattern = name.removeprefix(FILE)
        folder = self.base / pattern
        if not glob.has_magic(pattern):
            if not folder.is_dir():
                self._hold_inside(pattern)
                return [pattern]
            pattern = f"{pattern.rstrip('/')}/*.y*ml"
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise NotReadable(f"`{name}` may lead out of the project. Name the files one by one.")
        found = [Path(match) for match in glob.glob(str(self.base / pattern), recursive=True)]  # noqa: PTH207
        return sorted(str(path.relative_to(self.base)) for path in found if path.is_file())

    def text(self, name: str) -> str:
        """A file's text. Raises NotReadable."""
        path = self.path(name)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise NotReadable(f"`{name}` is larger than {_MOST_BYTES:,} bytes.")
            return path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise NotReadable(f"`{name}` is not UTF-8 text.") from None
        except OSError as error:
            raise NotReadable(f"`{name}` cannot be read: {error.strerror}.") from None

    def tree(self, name: str) -> Part:
        """A YAML or JSON file as parts. Raises NotReadable, and SpecError where it is wrong in itself."""
        path = self.path(name)
        if path in self._opening:
            raise NotReadable(f"`{name}` refers to itself.")
        if path not in self._trees:
            self._opening.append(path)
            try:
                is_json = path.suffix.lower() == ".json"
                self._trees[path] = self.parse(self.text(name), self.shown(path, name), is_json=is_json)
            finally:
                self._opening.pop()
        return self._trees[path]

    def parse(self, text: str, shown: str, *, is_json: bool = False) -> Part:
        """The parts of a YAML or JSON text that messages call `shown`. Raises SpecError."""
        document, problems = parse_yaml(
            text,
            shown,
            max_bytes=_MOST_BYTES,
            max_nodes=_MOST_VALUES,
            max_aliases=_MOST_ALIASES,
            merge_keys=True,
        )
        if document is not None and not problems:
            part = part_of(document)
        elif is_json:
            part = _json_part(text, shown)
        else:
            raise SpecError(problems)
        try:
            return _Refs(self, part).carried_out()
        except RecursionError:
            raise _wrong(part.place, "References are nested too deeply.") from None

    def rows(self, name: str) -> list[tuple[int, dict[str, str]]]:
        """The rows of a CSV file, each with the line where it starts. Raises NotReadable."""
        reader = csv.DictReader(io.StringIO(self.text(name), newline=""), strict=True)
        rows, line = [], 2
        try:
            columns = reader.fieldnames or []
            line = reader.line_num + 1
            for row in reader:
                if None in row or None in row.values():
                    raise NotReadable(f"`{name}`, line {line}: the row has other cells than the first line's columns.")
                rows.append((line, {str(key): str(value) for key, value in row.items()}))
                line = reader.line_num + 1
        except csv.Error as error:
            raise NotReadable(f"`{name}`, line {line}: {error}.") from None
        if len(set(columns)) < len(columns):
            raise NotReadable(f"`{name}`: a column's name stands twice.")
        return rows

    def json_lines(self, name: str) -> list[Part]:
        """The values of a JSON Lines file. Raises NotReadable."""
        shown = self.shown(self.path(name), name)
        found = []
        for number, line in enumerate(self.text(name).splitlines(), 1):
            if line.strip():
                try:
                    found.append(part_of_plain(parse_json(line), Place(shown, number, 1)))
                except JsonProblem as problem:
                    raise NotReadable(f"`{name}`, line {number}: {problem}.") from None
        return found

    def shown(self, path: Path, name: str) -> str:
        """How messages call a file: relative to the working directory where it lies below it."""
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else name.removeprefix(FILE)

    def count(self, values: int, place: Place) -> None:
        """Bounds what includes of includes can come to."""
        self._values += values
        if self._values > _MOST_VALUES:
            problem = Problem(place.file, place.line, place.column, f"More than {_MOST_VALUES:,} values in all.")
            raise SpecError([problem])


def _json_part(text: str, shown: str) -> Part:
    try:
        return part_of_plain(parse_json(text), Place(shown, 1, 1))
    except JsonProblem as problem:
        raise SpecError([Problem(shown, 1, 1, f"This is no JSON: {problem}.")]) from None
    except RecursionError:
        raise SpecError([Problem(shown, 1, 1, "Lists and mappings are nested too deeply.")]) from None


class _Refs:
    """Puts what `$ref` names in its place. What it names must exist; schemas keep references of their own."""

    def __init__(self, files: Files, root: Part) -> None:
        self._files, self._root = files, root

    def carried_out(self) -> Part:
        return self._walk(self._root, ())

    def _walk(self, part: Part, stack: tuple[str, ...]) -> Part:
        self._files.count(1, part.place)
        if isinstance(part.value, list):
            return replace(part, value=[self._walk(item, stack) for item in part.value])
        if not isinstance(part.value, dict):
            return part
        reference = part.value.get("$ref")
        if reference is not None and reference.is_text:
            found = self._find(reference, part, stack)
            if found is not None:
                return found
        return replace(part, value={key: self._walk(child, stack) for key, child in part.value.items()})

    def _find(self, reference: Part, part: Part, stack: tuple[str, ...]) -> Part | None:
        written = reference.value
        name, _, pointer = written.partition("#")
        if written in stack or len(stack) > _DEEPEST_REF:
            raise _wrong(reference.place, f"`{written}` refers to itself.")
        target = self._other(name, reference) if name else self._root
        steps = _steps(pointer, target) if target is not None else ()
        found = target.get(*steps) if target is not None else None
        if found is None:
            return None
        if not name and steps:
            self._files.referred.add(str(steps[0]))
        walked = self._walk(found, (*stack, written)) if not name else found
        rest = {key: child for key, child in part.value.items() if key != "$ref"}
        if rest and isinstance(walked.value, dict):
            walked = replace(walked, value={**walked.value, **rest})
        return replace(walked, key=part.key)

    def _other(self, name: str, reference: Part) -> Part | None:
        if "://" in name.removeprefix(FILE):
            return None
        try:
            return self._files.tree(name)
        except NotReadable as problem:
            raise _wrong(reference.place, str(problem)) from None


def _wrong(place: Place, message: str) -> SpecError:
    return SpecError([Problem(place.file, place.line, place.column, message)])


def _steps(pointer: str, target: Part) -> Sequence[Any]:
    steps: list[str | int] = []
    part: Part | None = target
    for raw in pointer.split("/")[1:]:
        step: str | int = raw.replace("~1", "/").replace("~0", "~")
        if part is not None and isinstance(part.value, list) and str(step).isdigit():
            step = int(step)
        steps.append(step)
        part = part.get(step) if part is not None else None
    return steps
