"""Checks of an answer's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.checks.answer import json_text, shown
from throughster.checks.check import Outcome, WrongCheck
from throughster.checks.patterns import compile_pattern, search
from throughster.strictjson import JsonProblem, parse_json

if TYPE_CHECKING:
    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Run
    from throughster.checks.entry import Entry

__all__ = [
    "contains",
    "contains_any",
    "equals",
    "icontains",
    "regex",
    "same_json",
    "starts_with",
    "word_count",
]

_A_TEXT = "a text, or a list of texts"


def equals(entry: Entry) -> Run:
    """White space around texts does not count. JSON is compared as JSON: 1 and 1.0 are equal, 1 and true are not."""
    wanted = entry.value

    def run(subject: Subject, _answer: Answer) -> Outcome:
        is_equal = _is_equal(subject, wanted)
        found = subject.value if subject.is_json else subject.text
        return Outcome.of(is_equal, f"{shown(found)} {'equals' if is_equal else 'does not equal'} {shown(wanted)}")

    return run


def _is_equal(subject: Subject, wanted: Any) -> bool:
    if isinstance(wanted, str):
        if json_text(subject.value).strip() == wanted.strip():
            return True
        return isinstance(subject.value, dict | list) and same_json(subject.value, _parsed(wanted))
    return same_json(subject.value if subject.is_json else _parsed(subject.text), wanted)


def _parsed(text: str) -> Any:
    """The JSON value of a text; the text where it is no JSON."""
    try:
        return parse_json(text.strip())
    except JsonProblem:
        return text


def same_json(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same_json(first[name], second[name]) for name in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same_json, first, second))
    return bool(first == second)


def contains(entry: Entry) -> Run:
    """Every text must be there."""
    return _contains_all(entry.texts(_A_TEXT), fold=False)


def icontains(entry: Entry) -> Run:
    """As `contains`, whatever is upper and lower case."""
    return _contains_all(entry.texts(_A_TEXT), fold=True)


def _contains_all(texts: tuple[str, ...], *, fold: bool) -> Run:
    wanted = tuple((text, text.casefold() if fold else text) for text in texts)

    def run(subject: Subject, _answer: Answer) -> Outcome:
        text = subject.text.casefold() if fold else subject.text
        missing = [name for name, sought in wanted if sought not in text]
        told = _listed(missing or texts, "and")
        verb = "is" if len(missing or texts) == 1 else "are"
        where = f"{verb}{' not' if missing else ''} in {shown(subject.text)}"
        return Outcome.of(not missing, f"{told} {where}")

    return run


def contains_any(entry: Entry) -> Run:
    texts = entry.texts(_A_TEXT)

    def run(subject: Subject, _answer: Answer) -> Outcome:
        found = next((text for text in texts if text in subject.text), None)
        if found is not None:
            return Outcome.of(True, f"{shown(found)} is in {shown(subject.text)}")
        return Outcome.of(False, f"none of {_listed(texts, 'and')} is in {shown(subject.text)}")

    return run


def starts_with(entry: Entry) -> Run:
    """White space before the answer does not count. Of several texts one must be its beginning."""
    texts = entry.texts(_A_TEXT)

    def run(subject: Subject, _answer: Answer) -> Outcome:
        passed = subject.text.lstrip().startswith(texts)
        words = "starts with" if passed else "does not start with"
        return Outcome.of(passed, f"{shown(subject.text)} {words} {_listed(texts, 'or')}")

    return run


def _listed(texts: list[str] | tuple[str, ...], word: str) -> str:
    told = [shown(text, 60) for text in texts[:8]] + (["..."] if len(texts) > 8 else [])
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} {word} {told[-1]}"


def regex(entry: Entry) -> Run:
    """The pattern matches anywhere in the text."""
    source = entry.text("a pattern")
    try:
        pattern = compile_pattern(source)
    except ValueError as error:
        hint = "Patterns are those of RE2, which takes time linear in the text: no lookaround, no back-reference."
        raise WrongCheck(f"`{source}` is no pattern: {error}.", hint, ("value",)) from None

    def run(subject: Subject, _answer: Answer) -> Outcome:
        passed = search(pattern, subject.text)
        return Outcome.of(
            passed, f"{shown(subject.text)} {'matches' if passed else 'does not match'} /{shown(source)[1:-1]}/"
        )

    return run


def word_count(entry: Entry) -> Run:
    """Words are what white space separates. A number stands for exactly that many."""
    value = {"min": entry.value, "max": entry.value} if _is_count(entry.value) else entry.value
    if not isinstance(value, dict) or not value or value.keys() - {"min", "max"}:
        entry.refuse_value("a number or {min: N, max: N}")
    for name, bound in value.items():
        if not _is_count(bound):
            entry.refuse_value(f"{{min: N, max: N}} with whole numbers from 0, `{name}` is {shown(bound)}", at=(name,))
    least, most = int(value.get("min", 0)), value.get("max")
    if most is not None and int(most) < least:
        raise WrongCheck(f"No text has at least {least} and at most {most} words.", at=("value",))
    if most is None and least == 0:
        entry.refuse_value("a bound that not every text keeps")

    def run(subject: Subject, _answer: Answer) -> Outcome:
        count = len(subject.text.split())
        if count < least:
            return Outcome.of(False, f"{count} words are less than {least}")
        if most is not None and count > int(most):
            return Outcome.of(False, f"{count} words are more than {most}")
        wanted = f"at least {least}" if most is None else f"at most {most}" if not least else f"{least} to {most}"
        return Outcome.of(True, f"{count} words are {wanted}")

    return run


def _is_count(value: Any) -> bool:
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        return True  # a bound that a column gave
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
