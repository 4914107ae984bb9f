"""Which files are specs: files, folders and globs as the command line names them."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import Problem, SpecError
from throughster.yamltree import Mapping, Sequence, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from throughster.yamltree import Document

__all__ = ["find_specs", "is_spec"]

_ENDINGS = {".yaml", ".yml"}


def find_specs(names: Iterable[str]) -> list[Path]:
    """The spec files that these names stand for, each once, in order.

    A file is taken at its word. A folder stands for the YAML files below it that have `version` and `prompt` at the
    top and that no other spec names as its data, cases or answers. Raises SpecError for a name that leads to no spec,
    and for a YAML file in a folder that cannot be read at all: skipping it could hide a broken spec.
    """
    found: dict[Path, None] = {}
    problems: list[Problem] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            specs, broken = _in_folder(path)
            problems += broken
        elif path.exists() or not glob.has_magic(name):
            specs = [path]
        else:
            specs = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if Path(match).is_file()]  # noqa: PTH207 - of the user's text
        if not specs and not problems:
            problems.append(Problem(name, 0, 0, "No spec here: a spec is a YAML file with `version` and `prompt`."))
        found.update(dict.fromkeys(specs))
    if problems:
        raise SpecError(problems)
    return list(found)


def _in_folder(folder: Path) -> tuple[list[Path], list[Problem]]:
    documents: dict[Path, Document] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() not in _ENDINGS or hidden or not path.is_file():
            continue
        document, broken = parse_yaml(path.read_bytes(), str(path))
        if document is None:
            problems += broken
        elif is_spec(document):
            documents[path] = document
    named = {other for path, document in documents.items() for other in _named_files(path, document)}
    return [path for path in documents if path.resolve() not in named], problems


def is_spec(document: Document) -> bool:
    root = document.root
    return isinstance(root, Mapping) and "version" in root.entries and "prompt" in root.entries


def _named_files(path: Path, document: Document) -> set[Path]:
    """Every existing YAML file that a text of this spec names."""
    named, nodes = set(), [document.root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, Mapping):
            nodes += [value for _, value in node.entries.values()]
        elif isinstance(node, Sequence):
            nodes += node.items
        elif node.text.lower().endswith((".yaml", ".yml")) and "\n" not in node.text:
            named.add((path.parent / node.text).resolve())
    return named
