"""Sets and maps of 64-bit numbers in a few bytes each: what a run of a million rows remembers of them.

Open addressing in arrays: a `set` of Python integers would take 70 bytes for each. The loops stand where they are used,
since a call more for each row is a second more for a few million.
"""

from __future__ import annotations

from array import array

__all__ = ["HashMap", "HashSet"]

_WORD = 0xFFFFFFFFFFFFFFFF
_FIRST = 1024
_FULL = 0.8
"""Share of the places that may be taken: above, searches grow long."""


_MOST_AT_ONCE = 1 << 21
"""Places that are taken on a guess, enough for a million and a half: more are taken when they are needed."""


def _places(expected: int) -> int:
    """How many places hold so many numbers without growing: a power of two."""
    return min(max(_FIRST, 1 << int(expected / _FULL).bit_length()), _MOST_AT_ONCE)


def _empty(places: int) -> array[int]:
    return array("Q", [0]) * places


class HashSet:
    """Numbers; of each the lowest 64 bits count. `expected`: how many it holds without growing."""

    def __init__(self, expected: int = 0) -> None:
        self._table = _empty(_places(expected))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, number: int) -> bool:
        """Whether it is new."""
        number = number & _WORD or 1
        table = self._table
        mask = len(table) - 1
        at = number & mask
        while held := table[at]:
            if held == number:
                return False
            at = (at + 1) & mask
        table[at] = number
        self._size += 1
        if self._size > _FULL * mask:
            self._grow()
        return True

    def _grow(self) -> None:
        old, self._table = self._table, _empty(2 * len(self._table))
        self._size = 0
        for held in old:
            if held:
                self.add(held)


class HashMap:
    """A number for a number; of each the lowest 64 bits count. `expected`: how many it holds without growing.

    A key and its value lie side by side: what lies elsewhere in memory costs a microsecond more.
    """

    def __init__(self, expected: int = 0) -> None:
        self._table = _empty(2 * _places(expected))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, key: int, value: int) -> bool:
        """Whether the key is new; one that is held keeps its value."""
        key = key & _WORD or 1
        table = self._table
        mask = len(table) - 1
        at = key * 2 & mask
        while held := table[at]:
            if held == key:
                return False
            at = at + 2 & mask
        table[at] = key
        table[at + 1] = value & _WORD
        self._size += 1
        if self._size > _FULL / 2 * mask:
            self._grow()
        return True

    def get(self, key: int) -> int | None:
        """The value, or None where the key is not held."""
        key = key & _WORD or 1
        table = self._table
        mask = len(table) - 1
        at = key * 2 & mask
        while held := table[at]:
            if held == key:
                return table[at + 1]
            at = at + 2 & mask
        return None

    def _grow(self) -> None:
        old, self._table = self._table, _empty(2 * len(self._table))
        self._size = 0
        for place in range(0, len(old), 2):
            if old[place]:
                self.put(old[place], old[place + 1])
