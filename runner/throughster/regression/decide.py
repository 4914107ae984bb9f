"""The verdict of a comparison, and why, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from throughster.regression.power import ENOUGH, MOST_REPEATS

if TYPE_CHECKING:
    from throughster.regression.suite import SuiteChange

__all__ = ["Decision", "decide", "points", "shown_p"]

Decision: TypeAlias = Literal["regression", "newly failing", "no regression", "cannot tell"]
"""`newly failing`: the suite's test finds no regression, but a case that passed in every repeat passes in none now."""


def decide(suite: SuiteChange | None, common: int, alpha: float, tolerance: float) -> tuple[Decision, tuple[str, ...]]:
    """From the suite's test alone. `common`: how many cases are in both runs.

    It cannot tell where a drop that matters was neither found, nor likely to be found with so many repeats, nor ruled
    out by the drop's interval.
    """
    if suite is None:
        return "cannot tell", ("No case has answers in both runs." if common else "The runs have no case in common.",)
    if suite.p <= alpha:
        return "regression", (_found(suite, tolerance),)
    if suite.power < ENOUGH and suite.drop_high > suite.matters:
        return "cannot tell", _too_few(suite)
    size = points(suite.matters)
    if suite.power >= ENOUGH:
        sure = f"A drop of {size} would have been found in {_often(suite.power)} of comparisons."
    else:
        sure = f"A drop of {size} is ruled out."
    return "no regression", (_not_found(suite, tolerance), sure)


def _found(suite: SuiteChange, tolerance: float) -> str:
    beyond = f"; {points(tolerance)} are tolerated" if tolerance else ""
    return f"The pass rate dropped by {points(suite.drop)}, more than chance explains (p {shown_p(suite.p)}{beyond})."


def _not_found(suite: SuiteChange, tolerance: float) -> str:
    if suite.drop <= 0:
        return "The pass rate did not drop."
    if suite.drop <= tolerance:
        return f"The pass rate dropped by {points(suite.drop)}; {points(tolerance)} are tolerated."
    return f"The pass rate dropped by {points(suite.drop)}, which may be chance (p {shown_p(suite.p)})."


def _too_few(suite: SuiteChange) -> tuple[str, ...]:
    size, most = points(suite.matters), f"{MOST_REPEATS:,}"
    why = f"With so few repeats a drop of {size} would have been found in {_often(suite.power)} of comparisons."
    if suite.repeats_to_tell is None:
        return (why, f"Not even {most} repeats of each case would tell; it takes more cases.")
    tells = f"About {suite.repeats_to_tell:,} repeats of each case in both runs would tell."
    if suite.repeats_for_drop is not None and suite.drop > suite.matters:
        tells += f" If the drop is the {points(suite.drop)} seen here, {suite.repeats_for_drop:,} would."
    return (why, tells)


def _often(share: float) -> str:
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def points(share: float) -> str:
    """A difference of rates, as in `7.5 points`."""
    number = f"{100 * share:.1f}".removesuffix(".0")
    return f"{number} point" if number == "1" else f"{number} points"


def shown_p(p: float) -> str:
    """As in `= 0.03`; very small ones only as a bound."""
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
