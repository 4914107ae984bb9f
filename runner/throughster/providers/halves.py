"""Characters that a stream cut in two: the first half waits for the second one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.characters import cut_off, mended, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Halves"]

_PLACE = ("type", "item_id", "output_index", "content_index", "summary_index")
"""What tells the events of one text from those of another, in the Responses dialect."""


class Halves:
    """`held`: halves that the last events ended with, by the place where they stand; empty in nearly every stream."""

    def __init__(self) -> None:
        self.held: dict[tuple[Any, ...], str] = {}

    def mend(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event with whole texts. A half at the end of a piece of the answer goes before the next piece of it."""
        head = tuple((name, event[name]) for name in _PLACE if isinstance(event.get(name), str | int))
        mend: dict[str, Any] = self._mend(event, (head,))
        return mend

    def rest(self) -> list[dict[str, Any]]:
        """The events that end what is still held, since the stream has ended without the second halves."""
        places = list(self.held)
        self.held.clear()
        return [{**dict(place[0]), **_event(place[1:])} for place in places]

    def _mend(self, value: Any, place: tuple[Any, ...]) -> Any:
        if isinstance(value, dict):
            return {(named := whole(name)): self._mend(part, (*place, named)) for name, part in value.items()}
        if isinstance(value, list):
            return [self._mend(part, (*place, _index(part, n))) for n, part in enumerate(value)]
        if not isinstance(value, str) or "delta" not in place:
            return mended(value)
        text, half = cut_off(self.held.pop(place, "") + value)
        if half:
            self.held[place] = half
        return text


def _index(part: Any, position: int) -> int:
    index = part.get("index") if isinstance(part, dict) else None
    return index if isinstance(index, int) else position


def _event(path: tuple[Any, ...]) -> dict[str, Any]:
    """An event that has nothing but U+FFFD at this path."""
    value: Any = "\ufffd"
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [{"index": step, **value}]
    return dict(value)
