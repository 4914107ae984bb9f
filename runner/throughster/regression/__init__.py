"""Whether prompts have become worse: results folded into cases, gates, and comparison with an earlier run."""

from throughster.regression.cases import CaseKey, CaseOutcome, Verdict, fold
from throughster.regression.compare import CaseChange, Comparison, compare
from throughster.regression.decide import Decision
from throughster.regression.gate import Condition, GateOutcome, evaluate_gate

__all__ = [
    "CaseChange", "CaseKey", "CaseOutcome", "Comparison", "Condition", "Decision", "GateOutcome", "Verdict", "compare",
    "evaluate_gate", "fold",
]  # fmt: skip
