"""A spec's data on its way to a `Spec`: what is wrong is reported and taken out, and the rest is looked at again."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from throughster.errors import Problem, SpecError
from throughster.spec.explain import explain_error
from throughster.spec.model import Spec
from throughster.spec.overrides import apply_override
from throughster.spec.secrets import find_secrets, hide_secrets, secret_texts
from throughster.spec.unbuilt import unbuilt_uses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from throughster.spec.overrides import Override
    from throughster.yamltree import Document, Path

__all__ = ["Draft"]

_MAX_PROBLEMS = 100
_MAX_ERRORS = 1000
"""Beyond that many in one round nothing is left to check, and taking them out would take seconds."""
_MAX_ROUNDS = 50
_PLACEHOLDERS: dict[str, Any] = {"version": 1, "provider": "offline", "name": "spec"}
"""What stands in for a refused value that a spec cannot do without, so that the rest can still be checked."""


_HOLDING = {
    "tests": "a list of at least one entry",
    "gate": "a mapping of at least one condition",
    "baseline": "a mapping with a `file`",
    "budget": "a mapping of at least one limit",
}
"""What holds a run to something, so that nothing behind it is a mistake."""


@dataclass
class Draft:
    """The data of one spec. Paths are those of the file, also after entries of a list were taken out."""

    document: Document
    data: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    unshown: int = 0
    _origins: dict[Path, str] = field(default_factory=dict)  # of what overrides have set
    _gone: set[Path] = field(default_factory=set)
    _left: dict[Path, list[int]] = field(default_factory=dict)  # of a shortened list: the indexes that it still has
    _thinned: set[Path] = field(default_factory=set)  # what has lost a key or an entry
    _secrets: list[str] = field(default_factory=list)

    def override(self, override: Override) -> None:
        """Lay a value from outside over the data."""
        try:
            paths = apply_override(self.data, override)
        except SpecError as error:
            self._add(Problem(override.origin, 0, 0, str(error)))
        else:
            self._origins.update(dict.fromkeys(paths, override.origin))

    def refuse_secrets(self) -> None:
        """Report and remove what looks like a key."""
        for path, value in list(find_secrets(self.data)):
            self._secrets.extend(secret_texts(value))
            name = next(step for step in reversed(path) if isinstance(step, str))
            message = f"`{name}` looks like a key or password, and a spec never holds one."
            hint = "Remove it; keys come from the environment, as OPENAI_API_KEY and the like."
            self.report(path, message, hint, at_key=True)
            self._remove(path)

    def refuse_unbuilt(self) -> None:
        """Report what this version does not do; a key of that kind is removed, a value may stay."""
        for use in list(unbuilt_uses(self.data)):
            self.report(use.path, use.message, at_key=use.is_whole_key)
            if use.is_whole_key:
                self._remove(use.path)

    def refuse_nothing(self) -> None:
        """Report a key that holds a run to something and has nothing behind it, as when all of it are comments."""
        for key, expected in _HOLDING.items():
            if key in self.data and self.data[key] is None and not self._origin_of((key,)):
                self.report((key,), f"`{key}` must be {expected}, found nothing.", at_key=True)

    def validate(self) -> Spec | None:
        """Return the `Spec`, as far as the data gives one: refused values are left out, where it can do without."""
        for _ in range(_MAX_ROUNDS):
            try:
                spec = Spec.model_validate(self.data)
            except ValidationError as failure:
                changed = self._take_out(failure.errors(include_url=False, include_input=False))
                if not changed or failure.error_count() > _MAX_ERRORS:
                    return None
            else:
                return self._with_source_paths(spec)
        return None

    def _with_source_paths(self, spec: Spec) -> Spec:
        """Return the spec with the places of its messages in the file, also where a message was taken out."""
        if (left := self._left.get(("prompt",))) is None:
            return spec
        paths = tuple(("prompt", left[index], *path[2:]) for index, path in enumerate(spec.prompt.paths))
        return spec.model_copy(update={"prompt": spec.prompt.model_copy(update={"paths": paths})})

    def report(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Add a problem at `path`: at its place in the file, or with the origin of the override that set it."""
        if len(self.problems) >= _MAX_PROBLEMS:
            self.unshown += 1
        elif origin := self._origin_of(path):
            self._add(Problem(origin, 0, 0, message, hint))
        else:
            self._add(self.document.problem(path, message, hint, key=at_key))

    def reported(self) -> list[Problem]:
        """Return all problems in the order of the file, with no secret in them."""
        problems = sorted(self.problems, key=lambda p: (p.line, p.column))
        if self.unshown:
            problems.append(Problem(self.document.file, 0, 0, f"{self.unshown} more problems are not shown."))
        return hide_secrets(problems, self._secrets)

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _origin_of(self, path: Path) -> str:
        """Return the origin of the override that brought what stands at `path`, or "" where the file did."""
        for set_path, origin in reversed(self._origins.items()):
            is_above = path[: len(set_path)] == set_path
            is_made_for_it = set_path[: len(path)] == path and self.document.node(path) is None
            if is_above or is_made_for_it:
                return origin
        return ""

    def _take_out(self, errors: list[ErrorDetails]) -> bool:
        """Report these errors and remove their causes from the data. Return whether the data changed."""
        self.unshown += len(errors[_MAX_ERRORS:])
        causes: dict[Path, None] = {}
        for error in errors[:_MAX_ERRORS]:
            path, value = self._source(error)
            if error["type"] == "too_short" and isinstance(value, list) and len(value) >= error["ctx"]["min_length"]:
                continue  # only because its entries are wrong, which is reported for each of them
            if not self._follows_from_removal(error["type"], path):
                self._report_error(error, path, value)
            causes[path] = None
        changes = [self._remove(path) for path in sorted(causes, key=_deepest_last_entry_first)]
        return any(changes)

    def _follows_from_removal(self, kind: str, path: Path) -> bool:
        if path in self._gone:
            return True
        if kind == "spec_empty":
            return any(thinned[: len(path)] == path for thinned in self._thinned)
        if kind == "missing":
            return path[:-1] in self._thinned
        return kind == "too_short" and path in self._thinned

    def _report_error(self, error: ErrorDetails, path: Path, value: Any) -> None:
        if len(self.problems) >= _MAX_PROBLEMS:  # the words cost time, and nobody reads them
            self.unshown += 1
            return
        words = explain_error(error, path, value)
        self.report(path, words.message, words.hint, at_key=words.at_key)

    def _source(self, error: ErrorDetails) -> tuple[Path, Any]:
        """Return where in the file an error belongs, and what stands there in the data.

        Steps that pydantic adds for the forms of a value are no keys of the data, and are left out.
        """
        loc = (*error["loc"], *error.get("ctx", {}).get("at", ()))
        path: Path = ()
        node: Any = self.data
        for depth, step in enumerate(loc):
            if isinstance(node, dict) and step in node:
                node, path = node[step], (*path, step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node, path = node[step], (*path, self._left.get(path, range(len(node)))[step])
            elif depth == len(loc) - 1 and isinstance(node, dict) and not str(step).startswith("<"):
                node, path = None, (*path, step)
        return path, node

    def _remove(self, path: Path) -> bool:
        """Remove the value at `path`; what is missing takes its parent with it. Return whether the data changed."""
        if not path:
            return False
        self._gone.add(path)
        if self._delete(path):
            return True
        if len(path) == 1:
            return self._put_placeholder(path)
        self._gone.add(path[:-1])
        return self._delete(path[:-1])

    def _delete(self, path: Path) -> bool:
        parent, place = self._parent(path)
        if isinstance(parent, dict) and place in parent:
            del parent[place]
            self._thinned.add(path[:-1])
            self._put_placeholder(path)
            return True
        if path[:-1] == ("providers",) and isinstance(parent, list) and isinstance(place, int):
            parent[place] = {"name": "offline", "label": f"providers[{place}]"}  # the others are found by their index
            return True
        if isinstance(parent, list) and isinstance(place, int):
            if path[:-1] not in self._left:
                self._left[path[:-1]] = list(range(len(parent)))
            left = self._left[path[:-1]]
            if (index := _index(left, place)) is not None:
                del parent[index], left[index]
                self._thinned.add(path[:-1])
                return True
        return False

    def _parent(self, path: Path) -> tuple[Any, str | int]:
        node: Any = self.data
        for depth, step in enumerate(path[:-1]):
            if isinstance(node, dict):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int):
                index = _index(self._left.get(path[:depth], range(len(node))), step)
                node = None if index is None else node[index]
            else:
                node = None
        return node, path[-1]

    def _put_placeholder(self, path: Path) -> bool:
        key = "provider" if path == ("providers",) and "provider" not in self.data else path[0]
        if len(path) != 1 or key not in _PLACEHOLDERS or key in self.data:
            return False
        self.data[key] = _PLACEHOLDERS[key]
        return True


def _index(ascending: Sequence[int], number: int) -> int | None:
    """Return where a number stands in an ascending list, or None where it does not."""
    index = bisect_left(ascending, number)
    return index if index < len(ascending) and ascending[index] == number else None


def _deepest_last_entry_first(path: Path) -> tuple[int, list[int]]:
    """Order paths so that taking one out leaves the others where they are."""
    return -len(path), [-step if isinstance(step, int) else 0 for step in path]
