"""A set of 64-bit numbers in 8 to 16 bytes each: what a run of a million rows remembers of them."""

from __future__ import annotations

from array import array

__all__ = ["HashSet"]


class HashSet:
    """Open addressing in one array; a `set` of Python integers would take 70 bytes each."""

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, number: int) -> bool:
        """Whether it is new. `number`: any integer; its lowest 64 bits count."""
        number = number & 0xFFFFFFFFFFFFFFFF or 1
        if not _insert(self._table, number):
            return False
        self._size += 1
        if 10 * self._size > 8 * len(self._table):
            table = array("Q", bytes(16 * len(self._table)))
            for held in self._table:
                if held:
                    _insert(table, held)
            self._table = table
        return True

    def __contains__(self, number: int) -> bool:
        number = number & 0xFFFFFFFFFFFFFFFF or 1
        table = self._table
        mask = len(table) - 1
        at = number & mask
        while held := table[at]:
            if held == number:
                return True
            at = (at + 1) & mask
        return False


def _insert(table: array[int], number: int) -> bool:
    mask = len(table) - 1
    at = number & mask
    while held := table[at]:
        if held == number:
            return False
        at = (at + 1) & mask
    table[at] = number
    return True
