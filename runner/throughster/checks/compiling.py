"""From `assert:` entries to checks: everything that is wrong with them is told at once, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from throughster.checks.answer import shown
from throughster.checks.check import Check, WrongCheck
from throughster.checks.entry import ABSENT, Entry, Place
from throughster.checks.expression import expr_uses
from throughster.checks.installed import installed_types
from throughster.checks.jsonpath import JsonPath, JsonPathProblem
from throughster.checks.kinds import INSTALLED, KINDS, Kind, Threshold
from throughster.checks.templates import compile_value
from throughster.names import did_you_mean
from throughster.prompts.text import kind_of
from throughster.schema import check_schema

__all__ = ["CheckIssue", "compile_checks"]

_FIELDS = ("type", "value", "threshold", "weight", "path", "metric")
_PROBE = "1"  # what templates are rendered to where only the rest of a value is looked at
_LONG_S = 600.0
_DEEPEST = 10
_NOT_ALL = ("not-contains", "not-icontains", "not-contains-all")

At = tuple[str | int, ...]


class CheckIssue(NamedTuple):
    """What is wrong with an entry. `at`: keys and indexes from the list of entries; `at_key`: the last key is wrong."""

    at: At
    message: str
    hint: str = ""
    at_key: bool = False
    severity: Literal["error", "warning"] = "error"


def compile_checks(
    entries: Sequence[Mapping[str, Any]], *, base: Path | None = None, root: Path | None = None
) -> tuple[tuple[Check, ...], tuple[CheckIssue, ...]]:
    """The checks that could be compiled, and what is wrong with the others; warnings too.

    An entry has the fields of the format; those that are null count as not given, but for a null `value` of `equals`.
    Schemas are read from files inside `root`, named as seen from `base`; without them files are refused.
    """
    compiler = _Compiler(Place(base, root))
    checks = compiler.all(entries, ())
    return checks, tuple(compiler.issues)


@dataclass(frozen=True)
class _Fields:
    """What every entry may have, read and found good."""

    weight: float
    metric: str | None
    path: JsonPath | None
    threshold: float | None


class _Compiler:
    """Gathers issues, so that one mistake does not hide the next."""

    def __init__(self, place: Place) -> None:
        self.issues: list[CheckIssue] = []
        self._place = place

    def all(self, entries: Sequence[Any], at: At, group: str = "") -> tuple[Check, ...]:
        checks = []
        for index, entry in enumerate(entries):
            before = self._errors()
            check = self._one(entry, (*at, index), group)
            if check is not None and self._errors() == before:
                checks.append(replace(check, index=index))
        return tuple(checks)

    def _errors(self) -> int:
        return sum(issue.severity == "error" for issue in self.issues)

    def _tell(self, at: At, message: str, hint: str = "", **more: Any) -> None:
        self.issues.append(CheckIssue(at, message, hint, **more))

    def _one(self, raw: Any, at: At, group: str) -> Check | None:
        if not isinstance(raw, Mapping):
            self._tell(at, f"A check is a mapping with a `type`, found {kind_of(raw)}.")
            return None
        self._unknown_keys(raw, at)
        written = raw.get("type")
        if not isinstance(written, str):
            self._tell(at, "A check needs a `type`.", f"There are {', '.join(KINDS)}.")
            return None
        name = written.removeprefix("not-")
        kind = _kind(name)
        if kind is None:
            hint = did_you_mean(name, {*KINDS, *installed_types()}) or f"There are {', '.join(KINDS)}."
            self._tell((*at, "type"), f"There is no check `{written}`.", hint)
            return None
        fields = self._fields(raw, kind, name, at, group)
        if not self._has_its_value(raw, kind, name, at):
            return None
        value = raw.get("value", ABSENT)
        if written in _NOT_ALL and isinstance(value, list) and len(value) > 1:
            message = f"`{written}` with several texts fails only where all of them are there."
            hint = "Where none may be there, write `not-contains-any`, or a check for each."
            self._tell((*at, "type"), message, hint, severity="warning")
        is_null = value is None and name != "equals"
        entry = Entry(name, ABSENT if is_null else value, fields.threshold, self._place)
        check = Check(written, written != name, _not_yet, fields.weight, fields.metric, fields.path)
        try:
            return self._compiled(replace(check, needs=kind.needs), entry, kind, at)
        except WrongCheck as wrong:
            self._tell((*at, *wrong.at), wrong.message, wrong.hint, at_key=wrong.at_key)
            return None

    def _compiled(self, check: Check, entry: Entry, kind: Kind, at: At) -> Check | None:
        """Raises WrongCheck."""
        if kind.value == "checks":
            return self._group(check, entry, kind, at)
        self._warn_of_schema(entry, at)
        template = compile_value(entry.value) if kind.is_template else None
        if template is None:
            run = kind.make(entry)
            uses = tuple(expr_uses(entry.value)) if entry.type == "expr" else ()
            return replace(check, make=lambda _values: run, uses=uses)
        _probe(kind, entry.with_value(template.probe(_PROBE)))
        return replace(
            check, make=lambda values: kind.make(entry.with_value(template.render(values))), uses=template.uses
        )

    def _group(self, check: Check, entry: Entry, kind: Kind, at: At) -> Check | None:
        if not isinstance(entry.value, list | tuple) or not entry.value:
            entry.refuse_value("a list of checks")
        if len(at) > 2 * _DEEPEST:
            raise WrongCheck(f"Groups of checks are nested more than {_DEEPEST} deep.")
        children = self.all(entry.value, (*at, "value"), entry.type)
        for index, child in enumerate(children):
            if child.is_comparative:
                self._tell((*at, "value", index), "`select-best` cannot stand in a group: it compares answers.")
        if not children:
            return None
        run = kind.make(replace(entry, children=children))
        uses = tuple(use._replace(at=("value", n, *use.at)) for n, child in enumerate(children) for use in child.uses)
        needs = frozenset().union(*(child.needs for child in children))
        return replace(check, make=lambda _values: run, needs=needs, uses=uses)

    def _unknown_keys(self, raw: Mapping[str, Any], at: At) -> None:
        for key in raw:
            if key not in _FIELDS and not str(key).startswith("x-"):
                hint = did_you_mean(str(key), _FIELDS) or f"A check has {', '.join(_FIELDS)}."
                self._tell((*at, key), f"Unknown key `{key}` of a check.", hint, at_key=True)

    def _has_its_value(self, raw: Mapping[str, Any], kind: Kind, name: str, at: At) -> bool:
        value = raw.get("value", ABSENT)
        if kind.value in ("needed", "checks") and (value is ABSENT or (value is None and name != "equals")):
            self._tell(at, f"`{name}` needs a `value`.")
            return False
        if kind.value == "none" and value is not ABSENT and value is not None:
            hint = f"Its limit is `threshold`: {kind.threshold.what}." if kind.threshold else ""
            self._tell((*at, "value"), f"`{name}` takes no `value`.", hint, at_key=True)
            return False
        return True

    def _fields(self, raw: Mapping[str, Any], kind: Kind, name: str, at: At, group: str) -> _Fields:
        weight = 1.0 if raw.get("weight") is None else raw["weight"]
        if not _is_number(weight) or weight < 0:
            self._tell((*at, "weight"), f"`weight` must be a number from 0, found {shown(weight)}.")
            weight = 1.0
        metric = raw.get("metric")
        if metric is not None and (not isinstance(metric, str) or not metric.strip()):
            self._tell((*at, "metric"), f"`metric` must be a name, found {shown(metric)}.")
        if group and metric is not None:
            self._tell((*at, "metric"), f"`metric` has no effect in a group; give it to the `{group}`.", at_key=True)
        if group == "any-of" and raw.get("weight") not in (None, 1):
            self._tell((*at, "weight"), "`weight` has no effect in `any-of`.", at_key=True)
        return _Fields(float(weight), metric, self._path(raw, kind, name, at), self._threshold(raw, kind, name, at))

    def _path(self, raw: Mapping[str, Any], kind: Kind, name: str, at: At) -> JsonPath | None:
        path = raw.get("path")
        if path is None:
            return None
        if not kind.has_path:
            self._tell((*at, "path"), f"`{name}` takes no `path`: it does not look at the output.", at_key=True)
            return None
        if not isinstance(path, str) or not path.strip():
            self._tell((*at, "path"), f"`path` must be a JSONPath such as `$.items[0].name`, found {shown(path)}.")
            return None
        try:
            return JsonPath(path)
        except JsonPathProblem as problem:
            hint = "Write it as in `$.items[0].name`."
            self._tell((*at, "path"), f"`{path}` is no JSONPath: {problem}.", hint)
            return None

    def _threshold(self, raw: Mapping[str, Any], kind: Kind, name: str, at: At) -> float | None:
        found, known = raw.get("threshold"), kind.threshold
        if known is None:
            if found is not None:
                self._tell((*at, "threshold"), f"`{name}` takes no `threshold`.", at_key=True)
            return None
        if found is None:
            if known.is_needed:
                self._tell(at, f"`{name}` needs a `threshold`: {known.what}.")
            return 0.0 if known.is_needed else None
        if not _is_number(found) or not known.least <= found <= known.most:
            message = f"`threshold` of `{name}` must be a number{_span(known)}, found {shown(found)}."
            self._tell((*at, "threshold"), message, f"It is {known.what}.")
            return 0.0
        if known.is_score and found == 0:
            message = f"Every score reaches 0, so `{name}` with `threshold: 0` says nothing."
            self._tell((*at, "threshold"), message, "Raise it, or remove the check.", severity="warning")
        if name in ("latency", "first-token") and found >= _LONG_S:
            message = f"`threshold` of `{name}` is in seconds: {found:g} s are {found / 60:g} minutes."
            self._tell((*at, "threshold"), message, severity="warning")
        return float(found)

    def _warn_of_schema(self, entry: Entry, at: At) -> None:
        if entry.type in ("is-json", "json-schema") and isinstance(entry.value, dict):
            for issue in check_schema(entry.value, base=self._place.base, root=self._place.root):
                if issue.severity == "warning":
                    where = (*at, "value", *issue.pointer)
                    self._tell(where, issue.message, issue.hint, at_key=bool(issue.pointer), severity="warning")


def _kind(name: str) -> Kind | None:
    return KINDS.get(name) or (INSTALLED if name in installed_types() else None)


def _probe(kind: Kind, entry: Entry) -> None:
    """Raises WrongCheck for what is wrong whatever the templates come to."""
    try:
        kind.make(entry)
    except WrongCheck as wrong:
        if wrong.at_key or wrong.at[:1] != ("value",):
            raise


def _not_yet(_values: Mapping[str, Any]) -> Any:
    raise AssertionError


def _span(threshold: Threshold) -> str:
    least = f" from {threshold.least:g}" if math.isfinite(threshold.least) else ""
    return f"{least} to {threshold.most:g}" if math.isfinite(threshold.most) else least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
