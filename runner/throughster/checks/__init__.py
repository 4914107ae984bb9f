"""Checks of answers: the `assert:` entries of a test, compiled once and held against each answer.

Nothing passes by mistake: what is wrong with an entry is told before anything is asked, and a check that cannot be
evaluated has failed, negated or not. A judge that fails is no failed check.
"""

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
