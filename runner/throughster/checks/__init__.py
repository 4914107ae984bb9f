"""Checks of answers: the `assert:` entries of a test, compiled once and held against each answer.

Nothing passes by mistake: what is wrong with an entry is told before anything is asked, and a check that cannot be
evaluated has failed, negated or not. A judge that fails is no failed check.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughster.checks.answer import Answer, Subject, Unanswerable
    from throughster.checks.check import Check, Outcome, Use
    from throughster.checks.compiling import CheckIssue, compile_checks
    from throughster.checks.contest import pick_best
    from throughster.checks.expected import parse_expected
    from throughster.checks.judge import Judge, JudgeError, Rating
    from throughster.checks.kinds import KINDS
    from throughster.checks.verdict import Verdict, verdict_of

__all__ = [
    "KINDS",
    "Answer",
    "Check",
    "CheckIssue",
    "Judge",
    "JudgeError",
    "Outcome",
    "Rating",
    "Subject",
    "Unanswerable",
    "Use",
    "Verdict",
    "compile_checks",
    "parse_expected",
    "pick_best",
    "verdict_of",
]

_HOMES = {
    "Answer": "answer",
    "Check": "check",
    "CheckIssue": "compiling",
    "Judge": "judge",
    "JudgeError": "judge",
    "KINDS": "kinds",
    "Outcome": "check",
    "Rating": "judge",
    "Subject": "answer",
    "Unanswerable": "answer",
    "Use": "check",
    "Verdict": "verdict",
    "compile_checks": "compiling",
    "parse_expected": "expected",
    "pick_best": "contest",
    "verdict_of": "verdict",
}


def __getattr__(name: str) -> Any:
    """A name is loaded when it is used: a spec without tests needs no checks, and a command that starts no more."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value
