"""Checks that other packages bring: entry points of the group `throughster.checks`, by the type's name.

An entry point is a function `make(value, threshold)`, both None where the entry has none. It is called once per entry,
raises ValueError for one that it cannot use, and returns a function `run(subject, answer)`, which gives an Outcome, a
boolean, or a score from 0 to 1 that the threshold judges. Whatever else `run` does, the check has failed.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from throughster.checks.answer import Unanswerable
from throughster.checks.check import Outcome, WrongCheck

if TYPE_CHECKING:
    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Run
    from throughster.checks.entry import Entry

__all__ = ["GROUP", "installed_types", "make_installed"]

GROUP = "throughster.checks"


@lru_cache(maxsize=1)
def installed_types() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points by name; several where packages quarrel about it. Nothing is imported."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        if not any(point.value == other.value for other in found.get(point.name, ())):
            found[point.name] = (*found.get(point.name, ()), point)
    return found


def make_installed(entry: Entry) -> Run:
    points = installed_types()[entry.type]
    if len(points) > 1:
        sources = " and ".join(point.value for point in points)
        raise WrongCheck(f"Two packages bring a check `{entry.type}`: {sources}.", "Remove one of them.", ("type",))
    try:
        make = points[0].load()
    except Exception as error:
        raise WrongCheck(f"`{entry.type}` cannot be loaded: {_told(error)}.", at=("type",)) from error
    try:
        run = make(entry.value if entry.has_value else None, entry.threshold)
    except Exception as error:
        raise WrongCheck(f"`{entry.type}` cannot use this entry: {_told(error)}.") from error
    if not callable(run) or inspect.iscoroutinefunction(run):
        raise WrongCheck(f"`{entry.type}` ({points[0].value}) must make a plain function.", at=("type",))
    return lambda subject, answer: _run(run, entry, subject, answer)


def _run(run: Any, entry: Entry, subject: Subject, answer: Answer) -> Outcome:
    try:
        found = run(subject, answer)
    except Unanswerable:
        raise
    except Exception as error:
        raise Unanswerable(_told(error)) from error
    if isinstance(found, bool):
        return Outcome.of(found, "it is so" if found else "it is not so")
    outcome = found if isinstance(found, Outcome) else _judged(found, entry.threshold)
    if not 0 <= outcome.score <= 1:
        raise Unanswerable(f"it gave the score {outcome.score!r}, which is not from 0 to 1")
    return Outcome(bool(outcome.passed), float(outcome.score), str(outcome.reason))


def _judged(found: Any, threshold: float | None) -> Outcome:
    if not isinstance(found, int | float):
        raise Unanswerable(f"it gave {found!r}, which is no outcome, boolean or score")
    if threshold is None:
        raise Unanswerable(f"it gave the score {found:g}, and there is no `threshold` to judge it by")
    passed = found >= threshold
    return Outcome(passed, float(found), f"{found:g} is {'at least' if passed else 'less than'} {threshold:g}")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
