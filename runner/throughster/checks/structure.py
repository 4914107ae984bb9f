"""Checks of what an answer is made of: JSON, tool calls, the reason why it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from throughster.checks.answer import Unanswerable, shown
from throughster.checks.check import Outcome, WrongCheck
from throughster.checks.text import same_json
from throughster.names import did_you_mean
from throughster.paths import PathProblem, resolve_inside
from throughster.schema import AnswerSchema, SchemaProblem, json_path, load_schema
from throughster.strictjson import JsonProblem, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Run
    from throughster.checks.entry import Entry

__all__ = ["contains_json", "finish_reason", "is_json", "json_schema", "tool_call"]

_MOST_MISSES = 1_000  # braces that open no object: each costs a look at what follows
_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call", "model_length", "error", "abort")


def is_json(entry: Entry) -> Run:
    """Strict JSON and nothing else, which fits the schema where one is given. At a path: a text that holds JSON."""
    schema = _schema(entry) if entry.has_value else None

    def run(subject: Subject, _answer: Answer) -> Outcome:
        try:
            value = parse_json(subject.value.strip()) if isinstance(subject.value, str) else subject.value
        except JsonProblem as problem:
            return Outcome.of(False, f"{shown(subject.text)} is no JSON: {problem}")
        return Outcome.of(True, "it is JSON") if schema is None else _fit(schema, value)

    return run


def contains_json(entry: Entry) -> Run:
    """A JSON object somewhere in the text, which fits the schema where one is given; not one inside another."""
    schema = _schema(entry) if entry.has_value else None

    def run(subject: Subject, _answer: Answer) -> Outcome:
        found = "there is no JSON object in it"
        for value in _objects(subject.text):
            outcome = Outcome.of(True, "a JSON object is in it") if schema is None else _fit(schema, value)
            if outcome.passed:
                return outcome
            found = outcome.reason
        return Outcome.of(False, f"{shown(subject.text)}: {found}")

    return run


def _objects(text: str) -> Iterator[Any]:
    """The JSON objects of a text from left to right."""
    decoder, at, misses = json.JSONDecoder(), text.find("{"), 0
    while at >= 0:
        end = at + 1
        try:
            end = decoder.raw_decode(text, at)[1]
            yield parse_json(text[at:end])
        except (ValueError, RecursionError):
            misses += 1
            if misses > _MOST_MISSES:
                raise Unanswerable(f"more than {_MOST_MISSES:,} braces in it open no JSON object") from None
        at = text.find("{", end)


def json_schema(entry: Entry) -> Run:
    schema = _schema(entry)

    def run(subject: Subject, answer: Answer) -> Outcome:
        return _fit(schema, subject.value if subject.is_json else answer.json)

    return run


def _fit(schema: AnswerSchema, value: Any) -> Outcome:
    errors = schema.validate(value)
    told = "; ".join(str(error) for error in errors[:3]) + ("; ..." if len(errors) > 3 else "")
    return Outcome.of(not errors, told or "it fits the schema")


def _schema(entry: Entry) -> AnswerSchema:
    value, place = entry.value, entry.place
    if not isinstance(value, str | dict):
        entry.refuse_value("a JSON Schema, or a path to one")
    try:
        if isinstance(value, dict):
            return load_schema(value, base=place.base, root=place.root)
        if place.root is None or place.base is None:
            entry.refuse_value("a JSON Schema: no file can be read here")
        return load_schema(resolve_inside(place.root, place.base, value), root=place.root)
    except PathProblem as problem:
        raise WrongCheck(str(problem), at=("value",)) from None
    except SchemaProblem as problem:
        issue = problem.issues[0]
        if isinstance(value, str):
            raise WrongCheck(f"{value}: {json_path(issue.pointer)}: {issue.message}", issue.hint, ("value",)) from None
        at = ("value", *issue.pointer)
        raise WrongCheck(issue.message, issue.hint, at, at_key=bool(issue.pointer)) from None


def tool_call(entry: Entry) -> Run:
    """One of the calls has this name and at least these arguments."""
    value = {"name": entry.value} if isinstance(entry.value, str) else entry.value
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        entry.refuse_value("a function's name, or {name: ..., arguments: {...}}")
    unknown = next((key for key in value if key not in ("name", "arguments")), None)
    if unknown is not None:
        hint = did_you_mean(str(unknown), ("name", "arguments")) or "There are `name` and `arguments`."
        raise WrongCheck(f"Unknown key `{unknown}` in `value` of `tool-call`.", hint, ("value", unknown), at_key=True)
    name, arguments = value["name"], value.get("arguments", {})
    if not isinstance(arguments, dict):
        entry.refuse_value("{name: ..., arguments: {...}}", at=("arguments",))
    wanted = f"{name}({shown(arguments)})" if arguments else name

    def run(_subject: Subject, answer: Answer) -> Outcome:
        calls = (call for call in answer.tool_calls if call.name == name)
        passed = any(not arguments or _includes(call.arguments, arguments) for call in calls)
        made = ", ".join(f"{call.name}({shown(call.arguments)})" for call in answer.tool_calls[:5]) or "nothing"
        return Outcome.of(passed, f"{wanted} was {'called' if passed else 'not called'}; the model called {made}")

    return run


def _includes(value: Any, part: Any) -> bool:
    """Whether `part` is in `value`: of a mapping some members, of a list every element in its place."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(name in value and _includes(value[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(value, list) and len(value) == len(part) and all(map(_includes, value, part))
    return same_json(value, part)


def finish_reason(entry: Entry) -> Run:
    """The reason why the answer ended, or one of several."""
    reasons = entry.texts("a reason such as stop or length, or a list of them")
    for reason in reasons:
        hint = "" if reason in _REASONS else did_you_mean(reason, _REASONS)
        if hint:
            raise WrongCheck(f"No answer ends with `{reason}`.", hint, ("value",))

    def run(_subject: Subject, answer: Answer) -> Outcome:
        if answer.finish_reason is None:
            raise Unanswerable("the provider did not say why the answer ended")
        passed = answer.finish_reason in reasons
        return Outcome.of(
            passed, f"the answer ended with {answer.finish_reason}, {'' if passed else 'not '}{' or '.join(reasons)}"
        )

    return run
