"""Which request gets which fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.emulator.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.emulator.faults import Fault

__all__ = ["FaultPlan"]


class FaultPlan:
    """Deals out faults to requests for an answer in the order in which they come; a seed decides where a share does.

    Of several faults that are due the first strikes; shares add up, so that each has its own part of the requests.
    """

    def __init__(self, faults: tuple[Fault, ...], seed: int, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._seed = seed
        self._clock = clock
        self._start = clock()
        self._number = 0

    def next_fault(self, body: Any) -> Fault | None:
        """Return what strikes the next request. `body`: its JSON."""
        if not self._faults:
            return None
        streamed = isinstance(body, dict) and body.get("stream") is True
        self._number += 1
        elapsed_s = self._clock() - self._start
        # One throw for each request, whatever strikes the others.
        throw = Dice((self._seed << 32) + self._number).fraction()
        used = 0.0
        for fault in self._faults:
            if not fault.is_due(self._number, elapsed_s) or (fault.is_for_streams and not streamed):
                continue
            used += 1.0 if fault.share is None else fault.share
            if throw < used:
                return fault
        return None
