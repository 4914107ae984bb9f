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


class HashSet:
    """Numbers; of each the lowest 64 bits count."""

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _FIRST))
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
        table = array("Q", bytes(16 * len(self._table)))
        mask = len(table) - 1
        for held in self._table:
            if held:
                at = held & mask
                while table[at]:
                    at = (at + 1) & mask
                table[at] = held
        self._table = table


class HashMap:
    """A number for a number; of each the lowest 64 bits count."""

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8 * _FIRST))
        self._values = array("Q", bytes(8 * _FIRST))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, key: int, value: int) -> bool:
        """Whether the key is new; one that is held keeps its value."""
        key = key & _WORD or 1
        keys = self._keys
        mask = len(keys) - 1
        at = key & mask
        while held := keys[at]:
            if held == key:
                return False
            at = (at + 1) & mask
        keys[at] = key
        self._values[at] = value & _WORD
        self._size += 1
        if self._size > _FULL * mask:
            self._grow()
        return True

    def get(self, key: int) -> int | None:
        """The value, or None where the key is not held."""
        key = key & _WORD or 1
        keys = self._keys
        mask = len(keys) - 1
        at = key & mask
        while held := keys[at]:
            if held == key:
                return self._values[at]
            at = (at + 1) & mask
        return None

    def _grow(self) -> None:
        old, keys = self._keys, array("Q", bytes(16 * len(self._keys)))
        values = array("Q", bytes(16 * len(old)))
        mask = len(keys) - 1
        for place, key in enumerate(old):
            if key:
                at = key & mask
                while keys[at]:
                    at = (at + 1) & mask
                keys[at], values[at] = key, self._values[place]
        self._keys, self._values = keys, values
