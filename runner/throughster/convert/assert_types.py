"""promptfoo's assertions, type by type: which check stands for each, and what differs."""

from __future__ import annotations

__all__ = [
    "DIFFERENT", "EXPR", "GRADED", "LISTED", "NO_COUNTERPART", "PROGRAM", "SAME", "SCORED", "TAKES_THRESHOLD", "USUAL",
    "WITHOUT_VALUE",
]  # fmt: skip

SAME = {
    "contains": "contains",
    "icontains": "icontains",
    "contains-any": "contains-any",
    "contains-all": "contains-all",
    "icontains-all": "icontains",
    "starts-with": "starts-with",
    "equals": "equals",
    "regex": "regex",
    "word-count": "word-count",
    "finish-reason": "finish-reason",
    "is-refusal": "is-refusal",
    "levenshtein": "levenshtein",
    "rouge-n": "rouge",
    "bleu": "bleu",
    "similar": "similar",
    "similar:cosine": "similar",
    "llm-rubric": "llm-rubric",
    "model-graded-closedqa": "llm-rubric",
    "factuality": "factuality",
    "model-graded-factuality": "factuality",
    "g-eval": "g-eval",
    "select-best": "select-best",
    "cost": "cost",
    "latency": "latency",
    "is-json": "is-json",
    "contains-json": "contains-json",
}
"""promptfoo's type -> ours, where one check stands for one assertion."""

PROGRAM = "is a program, which a spec never runs; left out."
_ELSEWHERE = ("has no counterpart; left out.", "Write it as a check in Python of your own, see docs/checks.md.")
_JUDGED = ("has no counterpart; left out.", "Say what you expect as an `llm-rubric`.")
_CALLED = ("has no counterpart; left out.", "Use `tool-call`; arguments are held to `tools` anyway.")
EXPR = "Say it as an `expr`, or as a check in Python of your own, see docs/checks.md."
NO_COUNTERPART: dict[str, tuple[str, str]] = {
    "is-xml": _ELSEWHERE,
    "contains-xml": _ELSEWHERE,
    "is-html": _ELSEWHERE,
    "contains-html": _ELSEWHERE,
    "is-sql": _ELSEWHERE,
    "contains-sql": _ELSEWHERE,
    "gleu": _ELSEWHERE,
    "meteor": _ELSEWHERE,
    "classifier": _ELSEWHERE,
    "moderation": _ELSEWHERE,
    "guardrails": _ELSEWHERE,
    "pi": _ELSEWHERE,
    "perplexity": _ELSEWHERE,
    "perplexity-score": _ELSEWHERE,
    "similar:dot": _ELSEWHERE,
    "similar:euclidean": _ELSEWHERE,
    "max-score": _ELSEWHERE,
    "skill-used": _ELSEWHERE,
    "answer-relevance": _JUDGED,
    "context-faithfulness": _JUDGED,
    "context-recall": _JUDGED,
    "context-relevance": _JUDGED,
    "conversation-relevance": _JUDGED,
    "agent-rubric": _JUDGED,
    "search-rubric": _JUDGED,
    "is-valid-function-call": _CALLED,
    "is-valid-openai-function-call": _CALLED,
    "is-valid-openai-tools-call": _CALLED,
    "tool-call-f1": _CALLED,
    "javascript": (PROGRAM, EXPR),
    "python": (PROGRAM, EXPR),
    "ruby": (PROGRAM, EXPR),
    "webhook": (PROGRAM, EXPR),
    "human": ("is a person's own judgement, given in promptfoo's viewer; left out.", ""),
}
"""promptfoo's type -> why it is not carried, and what to do."""

USUAL = {"levenshtein": 5, "rouge-n": 0.75, "bleu": 0.5, "similar": 0.75, "similar:cosine": 0.75, "g-eval": 0.7}
"""What promptfoo takes for a threshold where none is set."""
TAKES_THRESHOLD = frozenset({*USUAL, "llm-rubric", "cost", "latency"})
LISTED = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
WITHOUT_VALUE = frozenset({"is-refusal", "cost", "latency"})
GRADED = frozenset({"llm-rubric", "factuality", "g-eval", "select-best", "similar"})
DIFFERENT = {
    "equals": "white space around the answer does not count here.",
    "starts-with": "white space before the answer does not count here.",
    "levenshtein": "white space around the answer does not count here.",
    "is-refusal": "other words decide what a refusal is, and an empty answer is none here.",
    "contains-json": "promptfoo also takes what is nearly JSON, such as keys without quotes; here it is strict JSON.",
    "g-eval": "the judge rates from 1 to 5 with another prompt, so that scores differ.",
    "llm-rubric": "the judge gets another prompt; verdicts at the edge may differ.",
    "model-graded-closedqa": "is an `llm-rubric` here: the judge gets another prompt.",
    "factuality": "the judge gets another prompt, and what says less or more than the reference another score.",
    "model-graded-factuality": "is `factuality` here: another prompt, and other scores for what says less or more.",
    "select-best": "the judge gets another prompt, and the answers in another order at each repeat.",
}
SCORED = {
    "rouge-n": "promptfoo counts single words (ROUGE-1), the check `rouge` the longest common sequence (ROUGE-L).",
    "bleu": "the sentence's BLEU is smoothed in another way.",
}
