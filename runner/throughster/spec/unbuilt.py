"""What the format knows and this version does not do yet. A spec that uses it is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.spec.provider import expand_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.yamltree import Path

__all__ = ["NOT_BUILT", "UNBUILT_ENDINGS", "Unbuilt", "UnbuiltUse", "unbuilt_uses"]


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A key (dotted; `provider` means each provider), or only these values of it, or these endings."""

    path: str
    values: tuple[Any, ...] = ()
    endings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(self.path.split("."))

    @property
    def is_whole_key(self) -> bool:
        return not self.values and not self.endings


NOT_BUILT: tuple[Unbuilt, ...] = ()
"""A feature that lands deletes its row here; nothing else knows of it."""

UNBUILT_ENDINGS = frozenset(ending for row in NOT_BUILT for ending in row.endings)


@dataclass(frozen=True, slots=True)
class UnbuiltUse:
    """Where a spec uses what is not there yet, and the sentence that says so."""

    path: Path
    message: str
    is_whole_key: bool


def unbuilt_uses(data: dict[str, Any]) -> Iterator[UnbuiltUse]:
    """Yield every use in a spec's data, in the order of `NOT_BUILT`."""
    for row in NOT_BUILT:
        for path, value in _occurrences(data, row.steps):
            if (subject := _refused(row, value)) is not None:
                yield UnbuiltUse(path, f"{subject} not available in this version.", row.is_whole_key)
            if row.endings and isinstance(value, list):
                for index, entry in enumerate(value):
                    ending = next((e for e in row.endings if isinstance(entry, str) and entry.lower().endswith(e)), "")
                    if ending:
                        subject = f"A `{ending}` file in `{row.path}` is"
                        yield UnbuiltUse(
                            (*path, index), f"{subject} not available in this version.", is_whole_key=False
                        )


def _refused(row: Unbuilt, value: Any) -> str | None:
    if row.is_whole_key:
        return f"`{row.path}` is"
    for refused in row.values:
        if value == refused and type(value) is type(refused):
            shown = "true" if value is True else value
            return f"`{row.path}: {shown}` is"
    return None


def _occurrences(data: dict[str, Any], steps: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    first, rest = steps[0], steps[1:]
    if first in data:
        yield from _below(data[first], rest, (first,))
    several = data.get("providers")
    if first == "provider" and isinstance(several, list):
        for index, entry in enumerate(several):
            yield from _below(entry, rest, ("providers", index))


def _below(value: Any, rest: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if rest and isinstance(value, str) and path[0] in {"provider", "providers"}:
        value = expand_provider(value)
    for step in rest:
        if not isinstance(value, dict) or step not in value:
            return
        value, path = value[step], (*path, step)
    yield path, value
