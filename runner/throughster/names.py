"""The nearest known name to one that nobody knows."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean", "is_slip", "nearest"]

_LONGEST = 100  # difflib takes quadratic time, and nobody misspells a name this long
_MOST = 1000  # candidates; of more, only those that begin and end alike are looked at, and then so many at most


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was most likely meant to be, or None where nothing is close.

    Upper and lower case count as the same letter; of equals the first in sorted order wins.
    """
    if not name or len(name) > _LONGEST:
        return None
    candidates = list(candidates)
    if len(candidates) > _MOST:
        first, last = name[0].casefold(), name[-1].casefold()
        alike = (c for c in candidates if c and c[0].casefold() == first and c[-1].casefold() == last)
        candidates = list(islice(alike, _MOST // 10))
    by_folded: dict[str, str] = {}
    for candidate in sorted(candidates):
        if len(candidate) <= _LONGEST:
            by_folded.setdefault(candidate.casefold(), candidate)
    matches = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return "Did you mean `x`?", or "" where nothing is close."""
    match = nearest(name, candidates)
    return f"Did you mean `{match}`?" if match else ""


def is_slip(name: str, word: str) -> bool:
    """Tell whether one wrong, missing, added or swapped letter, or upper case, makes `name` of `word`."""
    name, word = name.casefold(), word.casefold()
    if abs(len(name) - len(word)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(name, word, strict=False)) if a != b), min(len(name), len(word)))
    a, b = name[start:], word[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
