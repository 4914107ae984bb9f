"""From a file to a typed spec with every problem in it, in one pass and before anything is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import Problem, SpecError
from throughster.paths import PathProblem, read_bounded, resolve_named
from throughster.spec.draft import Draft
from throughster.spec.overrides import Override, parse_override
from throughster.yamltree import Document, Mapping, parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from throughster.spec.model import Spec

__all__ = ["MAX_BYTES", "Loaded", "Override", "load", "load_document", "load_spec", "parse_override", "parse_spec"]

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file. `spec` may be there although there are `problems`: then it is what was left of it."""

    spec: Spec | None
    document: Document | None
    problems: tuple[Problem, ...]

    @property
    def is_usable(self) -> bool:
        """Tell whether the spec may run: no problem is an error."""
        return self.spec is not None and all(problem.severity != "error" for problem in self.problems)


def load_spec(path: str | os.PathLike[str]) -> Spec:
    """Return the typed spec in a file. Raises `SpecError` with every problem of the file."""
    loaded = load(path)
    if loaded.spec is None or not loaded.is_usable:
        raise SpecError(loaded.problems)
    return loaded.spec


def load(path: str | os.PathLike[str], overrides: Iterable[Override] = ()) -> Loaded:
    """Read and check a spec file. Never raises for what is in it; a relative path stays relative in messages."""
    document, problems = load_document(path)
    if document is None:
        return Loaded(None, None, tuple(problems))
    spec, more = parse_spec(document, overrides)
    both = sorted((*problems, *more), key=lambda problem: (problem.line, problem.column))
    return Loaded(spec, document, tuple(both))


def load_document(path: str | os.PathLike[str]) -> tuple[Document | None, list[Problem]]:
    """Return the YAML document in a file, and its problems; None where it cannot be read as one."""
    file = os.fspath(path)
    if "\0" in file:
        return None, [Problem(file.replace("\0", "\ufffd"), 0, 0, "This is not the name of a file.")]
    try:
        real = resolve_named(file)
        if real.is_dir():
            return None, [Problem(file, 0, 0, "This is a folder, not a spec.", "Name a spec file in it.")]
        data = read_bounded(real, MAX_BYTES)
    except FileNotFoundError:
        return None, [Problem(file, 0, 0, "This file does not exist.", "Check the name and the folder.")]
    except PathProblem as error:
        return None, [Problem(file, 0, 0, str(error))]
    except OSError as error:
        return None, [Problem(file, 0, 0, f"This file cannot be read: {error.strerror}.")]
    return parse_yaml(data, file, max_bytes=MAX_BYTES)


def parse_spec(document: Document, overrides: Iterable[Override] = ()) -> tuple[Spec | None, list[Problem]]:
    """Return the spec in a document, and every problem in it.

    Where there are problems, the spec is what is left when the wrong values are taken out (it must not run, but more
    can be checked on it), or None where too little is left.
    """
    if not isinstance(document.root, Mapping):
        hint = "Start with `version: 1`, and add `provider:` and `prompt:`."
        return None, [document.problem((), "A spec is a mapping of keys to values.", hint)]
    draft = Draft(document, document.value())
    for override in overrides:
        draft.override(override)
    draft.data.setdefault("name", _default_name(document.file))
    draft.refuse_secrets()
    draft.refuse_unbuilt()
    draft.refuse_nothing()
    return draft.validate(), draft.reported()


def _default_name(file: str) -> str:
    """Return the file's name without its ending, as far as a folder may have that name."""
    stem = Path(file).stem.lstrip(".")[:100]
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "-" for c in stem)
    return kept.strip() or "spec"
