"""A row of a CSV file as promptfoo reads it: variables, and columns with two underscores."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.convert.assert_types import NO_COUNTERPART, SAME
from throughster.convert.parts import Part

if TYPE_CHECKING:
    from throughster.convert.losses import Losses, Place

__all__ = ["assertion_of", "row_part", "split_commas"]

_TYPES = sorted({*SAME, *NO_COUNTERPART, "icontains-any"}, key=len, reverse=True)
_FORM = re.compile(rf"(not-)?({'|'.join(map(re.escape, _TYPES))})(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?")
_PROGRAM_FILE = re.compile(r"file://.*\.(?:(py)|[cm]?[jt]s)(?::\w+)?$")
_THRESHOLD = frozenset({
    "answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance", "cost", "latency",
    "levenshtein", "perplexity-score", "perplexity", "rouge-n", "similar", "starts-with",
})  # fmt: skip
"""Types that take the number in brackets; in a table without one 0.75, and 0.8 for `similar`."""
_LISTED = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_OPTIONS = {"__prefix": "prefix", "__suffix": "suffix"}
_KEYS = {"__description": "description", "__threshold": "threshold", "__providerOutput": "providerOutput"}


def assertion_of(cell: str) -> dict[str, Any]:
    """The assertion that a cell stands for. A text that begins with no type is compared as it is."""
    for word in ("javascript:", "fn:", "eval:"):
        if cell.startswith(word):
            return {"type": "javascript", "value": cell.removeprefix(word).strip()}
    for word in ("grade:", "llm-rubric:"):
        if cell.startswith(word):
            return {"type": "llm-rubric", "value": cell.removeprefix(word).strip()}
    program = _PROGRAM_FILE.match(cell)
    if program or cell.startswith("python:"):
        is_python = program is None or program[1]
        return {"type": "python" if is_python else "javascript", "value": cell.removeprefix("python:").strip()}
    found = _FORM.fullmatch(cell)
    if found is None:
        return {"type": "equals", "value": cell}
    name, number, value = found[2], found[3], found[4]
    entry: dict[str, Any] = {"type": (found[1] or "") + name}
    if value is not None:
        entry["value"] = split_commas(value) if name in _LISTED else value.strip()
    if name in _THRESHOLD and name != "starts-with":
        entry["threshold"] = float(number) if number else 0.8 if name == "similar" else 0.75
        if name in ("latency", "cost") and not number:
            del entry["threshold"]
    return entry


def row_part(row: dict[str, str], place: Place, losses: Losses) -> Part:
    """The test that a row stands for."""

    def leaf(value: Any) -> Part:
        if isinstance(value, dict):
            return Part({key: leaf(child) for key, child in value.items()}, place)
        return Part([leaf(child) for child in value] if isinstance(value, list) else value, place)

    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}}
    for column, cell in row.items():
        if not column.startswith("__"):
            test["vars"][column] = cell
        elif column.startswith("__expected"):
            test["assert"] += [assertion_of(cell)] if cell.strip() else []
        elif column in _OPTIONS:
            test["options"] |= {_OPTIONS[column]: cell} if cell else {}
        elif column in _KEYS:
            test |= {_KEYS[column]: cell} if cell.strip() else {}
        elif cell and column != "__metric":
            losses.once(place, "harmless", f"column `{column}`", "has no counterpart; left out.")
    metric = row.get("__metric")
    for entry in test["assert"] if metric else ():
        entry["metric"] = metric
    return leaf({name: value for name, value in test.items() if value or name == "vars"})


def split_commas(text: str) -> list[str]:
    """Texts between commas; quotes hold together what has a comma in it."""
    parts, current, quote = [], "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
            current += "" if not quote else character
        elif character == '"' and not current.strip():
            quote, current = character, ""
        elif character == ",":
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [part for part in (*parts, current.strip()) if part]
