"""Which files are specs: files, folders and globs as the command line names them."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import Problem, SpecError
from throughster.names import is_slip, nearest
from throughster.paths import PathProblem, open_regular, resolve_named
from throughster.spec.load import MAX_BYTES, load_document
from throughster.spec.model import Spec
from throughster.yamltree import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from throughster.yamltree import Document

__all__ = ["find_specs", "has_tests", "is_spec", "read_head", "reads_like_a_spec"]

_ENDINGS = {".yaml", ".yml"}
_NEEDED = ("version", "prompt")
_MARKS = (*_NEEDED, "provider", "tests")
_ORDER_MARKS = b"\xef\xbb\xbf\xff\xfe"
_KEY = re.compile(rb"""(?:^|[{,][ \t]*)["']?([A-Za-z_-]{3,12})["']?[ \t]*:""", re.MULTILINE)


def find_specs(names: Iterable[str]) -> list[Path]:
    """The spec files that these names stand for, each once, in order.

    A file is taken at its word. A folder stands for the YAML files below it that have `version` and `prompt` at the
    top, or nearly (see `is_spec`), and that no other spec names as its data, cases or answers. Raises SpecError for a
    name that leads to no spec, and for a YAML file in a folder that cannot be read at all, or a link that leads
    nowhere: skipping it could hide a broken spec.
    """
    found: dict[Path, None] = {}
    problems: list[Problem] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            try:
                resolve_named(path)
            except PathProblem as error:
                problems.append(Problem(name, 0, 0, str(error)))
                continue
            specs, broken = _in_folder(path)
            problems += broken
        elif path.exists() or not glob.has_magic(name):
            specs = [path]
        else:
            specs = sorted(path for path in _matches(name) if path.is_file())
        if not specs and not problems:
            problems.append(Problem(name, 0, 0, "No spec here: a spec is a YAML file with `version` and `prompt`."))
        found.update(dict.fromkeys(specs))
    if problems:
        raise SpecError(problems)
    return list(found)


def _matches(pattern: str) -> Iterator[Path]:
    """What a glob stands for. `**` follows no link to a folder, which may lead back to where it stands."""
    parts = Path(pattern).parts
    first = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    base, rest = Path(*parts[:first]), [*parts[first:], *(["*"] if parts[-1] == "**" else [])]
    for path in base.glob(str(Path(*rest))):
        if not any(part.startswith(".") for part in path.relative_to(base).parts):
            yield path


def _in_folder(folder: Path) -> tuple[list[Path], list[Problem]]:
    documents: dict[Path, Document] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() not in _ENDINGS or hidden:
            continue
        if path.is_symlink() and not path.exists():
            problems.append(Problem(str(path), 0, 0, "This link leads nowhere.", "Mend it, or remove it."))
        if path.is_dir() or (not path.is_file() and not path.is_symlink()) or not path.exists():
            continue
        document, broken = load_document(path)
        if document is None:
            problems += broken
        elif is_spec(document):
            documents[path] = document
    named = {other for path, document in documents.items() for other in _named_files(path, document)}
    return [path for path in documents if path.resolve() not in named], problems


def is_spec(document: Document) -> bool:
    """Tell whether this is a spec, or was meant as one, so that it must not be passed over.

    A spec has `version` and `prompt`. One was meant where one of them is there and the other misspelt by a letter; or
    where one is there (`version` as 1) with a provider or tests, and every other key is one of specs, but for one that
    resembles what is missing. `prompts` and `versions` are words of other programs.
    """
    root = document.root
    if not isinstance(root, Mapping):
        return False
    keys = [key for key in root.entries if not key.startswith("x-")]
    lacking = [word for word in _NEEDED if word not in keys]
    if not lacking:
        return True
    strange = [key for key in keys if key not in Spec.model_fields]
    asks = any(key in keys for key in ("provider", "providers", "tests"))
    if all(any(_is_meant(key, word) for key in strange) for word in lacking):
        return len(lacking) == 1 or asks
    if len(lacking) > 1:
        return False
    missing = lacking[0]
    if f"{missing}s" in keys and "provider" not in keys:
        return False
    version = root.entries["version"][1] if "version" in keys else None
    is_ours = version is None or (isinstance(version, Scalar) and version.text == "1")
    resembles = len(strange) == 1 and nearest(strange[0], [missing]) is not None
    return asks and is_ours and (not strange or resembles)


def _is_meant(key: str, word: str) -> bool:
    return key != f"{word}s" and is_slip(key, word)


def has_tests(document: Document) -> bool:
    """Tell whether a spec has tests, or might have, were it not for a mistake in its keys at the top."""
    root = document.root
    assert isinstance(root, Mapping)
    if "tests" in root.entries or any(word not in root.entries for word in _NEEDED):
        return True
    return any(is_slip(key, "tests") for key in root.entries)


def reads_like_a_spec(data: bytes, *, marks: int = 2) -> bool:
    """Tell whether the bytes of a file, which may be no YAML and no UTF-8, have so many of the keys of a spec.

    `version` or `prompt` is one of them; all may be misspelt.
    """
    keys = {found.decode() for found in _KEY.findall(data.replace(b"\0", b"").lstrip(_ORDER_MARKS))}
    found = {word for word in _MARKS for key in keys if _is_meant(key, word) or key == "providers" == f"{word}s"}
    return len(found) >= marks and any(word in found for word in _NEEDED)


def read_head(path: Path) -> bytes:
    """As much of a file as a spec may have. Raises PathProblem and OSError."""
    with open_regular(path) as file:
        return file.read(MAX_BYTES)


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
