"""Keys do not belong into a spec: find what looks like one, and keep it out of every message."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from throughster.errors import Problem
    from throughster.yamltree import Path

__all__ = ["find_secrets", "hide_secrets", "keys_by_looks", "secret_texts"]

_TELLING_NAMES = frozenset(
    {"apikey", "accesstoken", "apitoken", "authorization", "bearer", "bearertoken", "credentials", "password", "secret"}
)
_NAMES = _TELLING_NAMES | {"apikeyenv", "auth", "extraheaders", "headers", "key", "token"}
_KEY_SHAPE = re.compile(r"(?:^|\s)(?:Bearer\s+\S{8,}|(?:sk|pk|rk)-[A-Za-z0-9_-]{16,})")
# what no text has by chance: wherever it stands in a spec, it is a key
_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:sk|pk|rk)-(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{16,}|Bearer\s+(?=\S*\d)\S{16,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|hf_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]+)|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_SHORTEST_HIDDEN = 4
_USER = re.compile(r"(?:(?<=//)|(?<![^\s'\"])(?=[^\s:/'\"]+:[^\s'\"]))[^\s'\"]+(?=@)")
"""The user name and password of an address."""


def find_secrets(data: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value) of what looks like a key in a spec's data.

    By its name in providers and at the top; by its looks anywhere, where the value is just what looks so.
    """
    yield from keys_by_looks(data)
    for key, value in data.items():
        if _folded(key) in _TELLING_NAMES:
            yield (key,), value
    for name in ("provider", "providers", "grader"):
        yield from _below(data.get(name), (name,))


def keys_by_looks(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield (path, key) of each text in a value, names of mappings too, that is a key by its looks."""
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(key, str) and (found := _KEY.search(key)):
                yield (*path, key), found[0]
            yield from keys_by_looks(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from keys_by_looks(child, (*path, index))
    elif isinstance(value, str) and (found := _KEY.search(value)):
        yield path, found[0]


def _below(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            if _folded(key) in _NAMES:
                yield (*path, key), child
            else:
                yield from _below(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _below(child, (*path, index))
    elif isinstance(value, str) and _KEY_SHAPE.search(value):
        yield path, value


def _folded(name: Any) -> str:
    return str(name).lower().replace("_", "").replace("-", "")


def secret_texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value that no message may show."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from secret_texts(child)
    elif isinstance(value, str):
        yield from (line for line in value.splitlines() if len(line) >= _SHORTEST_HIDDEN)


def hide_secrets(problems: Iterable[Problem], secrets: Iterable[str]) -> list[Problem]:
    """Return the problems with stars in place of each secret; a line keeps its length, and carets their place."""
    problems = list(problems)
    shown_anywhere = "\n".join(text for p in problems for text in (p.file, p.message, p.hint, p.source))
    texts = sorted({text for text in secrets if text in shown_anywhere}, key=len, reverse=True)

    def hide(shown: str) -> str:
        for text in texts:
            shown = shown.replace(text, "*" * len(text))
        return shown

    def source(p: Problem) -> str:
        return _USER.sub(lambda user: "*" * len(user[0]), hide(p.source)) if "@" in p.source else hide(p.source)

    return [
        replace(p, file=hide(p.file), message=hide(p.message), hint=hide(p.hint), source=source(p)) for p in problems
    ]
