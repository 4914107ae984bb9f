"""Checks in a cell of a table, as promptfoo writes them: `type:value`, `type(threshold):value`, `not-...`, or a text.

A text that begins with no type is compared as it is (`equals`).
"""

from __future__ import annotations

import csv
import re
from typing import Any

from throughster.checks.installed import installed_types
from throughster.checks.kinds import INSTALLED, KINDS
from throughster.names import nearest
from throughster.strictjson import JsonProblem, parse_json

__all__ = ["parse_expected"]

_FORM = re.compile(r"(not-)?([a-z][a-z0-9-]*(?::cosine)?)\s*(?:\(\s*([^()]*?)\s*\))?(?:\s*$|:(.*))", re.DOTALL)
_ALIASES = {
    "rouge-n": "rouge",
    "similar:cosine": "similar",
    "model-graded-factuality": "factuality",
    "grade": "llm-rubric",
}
_USUAL = {"levenshtein": 5.0, "rouge": 0.75, "bleu": 0.5, "similar": 0.75, "g-eval": 0.7}
"""What promptfoo takes where a cell has no threshold."""
_FOREIGN = frozenset(
    (
        *("javascript", "python", "ruby", "webhook", "file", "fn", "eval", "human", "classifier", "moderation", "pi"),
        *("is-xml", "contains-xml", "is-html", "contains-html", "is-sql", "contains-sql"),
        *("icontains-any", "icontains-all", "gleu", "meteor", "perplexity", "perplexity-score", "guardrails"),
        *("model-graded-closedqa", "answer-relevance", "context-faithfulness", "context-recall", "context-relevance"),
        *("conversation-relevance", "agent-rubric", "search-rubric", "max-score", "tool-call-f1", "assert-set"),
        *("is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call"),
    )
)
"""What promptfoo knows and a table cannot say here."""
_MILLISECONDS = 1000.0


def parse_expected(cell: str) -> dict[str, Any]:
    """The entry that a cell stands for; whether it is a good one is for `compile_checks` to say.

    Raises ValueError for a cell that looks like a check and is none.
    """
    text = cell.strip()
    if not text:
        raise ValueError("An empty cell holds no check.")
    found = _FORM.fullmatch(text)
    if found is None:
        return {"type": "equals", "value": text}
    negation, written, threshold, value = found[1] or "", found[2], found[3], found[4]
    name = _ALIASES.get(written, written)
    if name not in KINDS and name not in installed_types():
        return _bare(text, negation + written, has_form=bool(negation) or value is not None or threshold is not None)
    if KINDS.get(name, INSTALLED).value == "needed" and value is None:
        return (
            {"type": "equals", "value": text} if threshold is None and not negation else _no_value(negation + written)
        )
    return _entry(negation, name, threshold, None if value is None else value.strip())


def _bare(text: str, written: str, *, has_form: bool) -> dict[str, Any]:
    """A text that is no check, unless it was meant as one."""
    name = written.removeprefix("not-")
    way_out = f"To compare the text as it is, write `equals:{text[:40]}`."
    if has_form and name in _FOREIGN:
        raise ValueError(f"A check `{name}` is not available in a table. {way_out}")
    meant = nearest(name, KINDS) if has_form else None
    if meant is not None:
        raise ValueError(f"There is no check `{written}`. Did you mean `{meant}`? {way_out}")
    return {"type": "equals", "value": text}


def _no_value(written: str) -> Any:
    raise ValueError(f"`{written}` needs a value, as in `{written}:text`.")


def _entry(negation: str, name: str, threshold: str | None, value: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": negation + name}
    kind = KINDS.get(name, INSTALLED)
    if kind.value == "checks":
        raise ValueError(f"A list of checks, as `{name}` needs it, does not fit into a cell.")
    if kind.value == "none" and kind.threshold is not None and threshold is None:
        threshold, value = value, None  # `latency:5` means what `latency(5)` does
    if threshold is not None:
        entry["threshold"] = _number(name, threshold)
    elif name in _USUAL:
        entry["threshold"] = _USUAL[name]
    if name in ("latency", "first-token") and entry.get("threshold", 0) >= _MILLISECONDS:
        seconds = entry["threshold"] / 1000
        raise ValueError(f"`{name}` is in seconds, {threshold} looks like milliseconds. Write `{name}({seconds:g})`.")
    if value:
        entry["value"] = _value(name, value)
    return entry


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"The threshold of `{name}` must be a number, found `{text}`.") from None


def _value(name: str, text: str) -> Any:
    if name in ("contains-any", "contains-all"):
        return _listed(text)
    if name in ("is-json", "contains-json", "json-schema", "word-count", "tool-call"):
        return _json(name, text) if text.startswith("{") or text.isdigit() else text.removeprefix("file://")
    return text


def _listed(text: str) -> list[str]:
    """Texts between commas; one in quotes may hold commas itself."""
    parts = next(csv.reader([text.replace("\n", " ")], skipinitialspace=True))
    return [part.strip() for part in parts if part.strip()]


def _json(name: str, text: str) -> Any:
    try:
        return parse_json(text)
    except JsonProblem as problem:
        raise ValueError(f"The value of `{name}` is no JSON: {problem}.") from None
