"""promptfoo's assertions as checks: a table for what has a counterpart, a sentence for what has none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from throughster.checks.kinds import KINDS
from throughster.convert.assert_types import (
    DIFFERENT,
    EXPR,
    GRADED,
    LISTED,
    NO_COUNTERPART,
    PROGRAM,
    SAME,
    SCORED,
    TAKES_THRESHOLD,
    USUAL,
    WITHOUT_VALUE,
)
from throughster.convert.expressions import Translation, translate_javascript, translate_python
from throughster.convert.fields import Fields, Known
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.losses import Losses, quoted
from throughster.convert.patterns import fit_patterns, fitting_pattern
from throughster.convert.schemas import as_schema
from throughster.convert.table import split_commas
from throughster.convert.templates import has_template, translate_template
from throughster.convert.terms import text_literal
from throughster.names import did_you_mean

if TYPE_CHECKING:
    from throughster.convert.losses import Place
    from throughster.convert.parts import Part

__all__ = ["Asserts"]

Check: TypeAlias = dict[str, Any]

_KNOWN: Known = {
    "rubricPrompt": (
        "changes",
        "the judge's own prompt cannot be replaced; left out.",
        "Put what matters into `value`.",
    ),
    "transform": (
        "changes",
        "is a program that changes the answer before it is checked; left out.",
        "A `path` may do.",
    ),
    "contextTransform": ("changes", PROGRAM, ""),
    "config": ("harmless", "holds values for a program's own use; left out.", ""),
    "normalizeUnicode": ("changes", "answers are compared as they are; left out.", ""),
}
_VERDICTS = "Run the suite once in both, and look at the tests whose verdicts differ."
_FIELDS = ("type", "value", "threshold", "weight", "metric", "provider", "transform", *_KNOWN)
_NOT_OF_TEXT = frozenset({"latency", "cost", "finish-reason", "is-refusal"})
_CALL = re.compile(
    r"output\[(\d+)\]\.function\.(name)|JSON\.parse\(output\[(\d+)\]\.function\.arguments\)((?:\.[A-Za-z_]\w*)+)"
)
_MEMBER = re.compile(r"(?:JSON\.parse\(output\)|(output))((?:\.[A-Za-z_]\w*|\[\d+\]|\['[^'\\]+'\])+)")


@dataclass
class Asserts:
    """Converts assertions. `graders`: the providers that were named for judging, as they were written.

    `has_price`, `has_rivals`, `is_split`, `is_parsed`: whether each provider has a price, several are asked, there are
    several prompts, and answers are parsed before they are checked. `has_tools`, `tools`: whether a request has
    tools, and their names where they are the same in every one. `needs`: `grader`, `embeddings`, and the first
    check that asks for it.
    """

    files: Files
    losses: Losses
    filters: frozenset[str] = frozenset()
    has_price: bool = False
    has_rivals: bool = False
    is_split: bool = False
    is_parsed: bool = False
    tools: tuple[str, ...] = ()
    has_tools: bool = False
    graders: list[Part] = field(default_factory=list)
    needs: dict[str, Place] = field(default_factory=dict)

    def convert(self, part: Part, *, parsed: bool = False) -> list[Check]:
        """The checks of an `assert:` list. `parsed`: answers are parsed before, in these checks."""
        before, self.is_parsed = self.is_parsed, self.is_parsed or parsed
        try:
            return self._all(part)
        finally:
            self.is_parsed = before

    def _all(self, part: Part) -> list[Check]:
        if not isinstance(part.value, list):
            why = "is not a list of assertions; left out, and the test can no longer fail by any of them."
            self.losses.changes(part.at, "`assert`", why, "Write each assertion as an entry: `- type: ...`.")
            return []
        return [check for entry in part.value if (check := self.one(entry)) is not None]

    def one(self, part: Part, *, inside: bool = False) -> Check | None:
        if not isinstance(part.value, dict) or not isinstance(part.get("type") and part.value["type"].value, str):
            self.losses.changes(part.at, "`assert`", "an entry is no mapping with a `type`; left out.")
            return None
        written = part.value["type"].value
        if written == "assert-set":
            return self._set(part, inside)
        fields = Fields(part, self.losses, written)
        name = written.removeprefix("not-")
        negated = name != written
        fields.take("type")
        check = self._body(fields, name, negated)
        if check is None or not self._transformed(fields, name, check):
            return None
        self._common(fields, check, name, inside)
        return check

    def _transformed(self, fields: Fields, name: str, check: Check) -> bool:
        """Sets `path` for a transform that takes a part of the JSON; any other is told, and its check left out."""
        transform = fields.take("transform")
        if transform is None:
            return True
        called = _CALL.fullmatch(transform.text().strip()) if self.has_tools else None
        if called is not None and check["type"] in ("equals", "contains") and isinstance(check["value"], str):
            number, member = (called[1], ".name") if called[2] else (called[3], f".arguments{called[4]}")
            part, value = f"tool_calls[{number}]{member}", text_literal(check["value"]).code
            check["value"] = f"{part} == {value}" if check["type"] == "equals" else f"{value} in {part}"
            check["type"] = "expr"
            return True
        found = _MEMBER.fullmatch(transform.text().strip())
        kind = KINDS.get(check["type"].removeprefix("not-"))
        if found is None or (found[1] and not self.is_parsed) or kind is None or not kind.has_path or "path" in check:
            why = f"{quoted(transform.text())} is a program that changes the answer; the check is left out."
            self.losses.changes(transform.at, f"`{name}.transform`", why, "A `path` takes a part of the JSON.")
            return False
        check["path"] = f"${found[2]}"
        return True

    def _set(self, part: Part, inside: bool) -> Check | None:
        fields = Fields(part, self.losses, "assert-set")
        fields.take("type")
        threshold, entries = fields.number("threshold"), fields.take("assert")
        if entries is None or not isinstance(entries.value, list):
            self.losses.changes(part.at, "`assert-set`", "has no list under `assert`; left out.")
            return None
        checks = [one for entry in entries.value if (one := self.one(entry, inside=True)) is not None]
        if not checks:
            self.losses.changes(part.at, "`assert-set`", "none of its checks could be carried; left out.")
            return None
        if len(checks) < len(entries.value):
            self.losses.changes(part.at, "`assert-set`", "is less than it was, without the checks that are left out.")
        check: Check = {"type": "all-of", "value": checks}
        if threshold is not None and threshold <= 0:
            why = "is reached by every answer, so that this set of checks can never fail."
            self.losses.changes(part.at, "`assert-set.threshold`", why, "Remove it, or set one above 0.")
        if threshold is not None:
            check["threshold"] = threshold
        self._common(fields, check, "assert-set", inside)
        return check

    def _common(self, fields: Fields, check: Check, name: str, inside: bool) -> None:
        weight, metric, provider = fields.number("weight"), fields.text("metric"), fields.take("provider")
        if weight is not None and weight != 1 and not (inside and check["type"].endswith("any-of")):
            check["weight"] = weight
        if metric and (inside or has_template(metric)):
            why = "a check in a group has no metric of its own" if inside else "a metric's name is no template"
            self.losses.harmless(fields.part.at, f"`{name}.metric`", f"{why}; left out.")
        elif metric:
            check["metric"] = metric
        if provider is not None and SAME.get(name) in GRADED:
            self.graders.append(provider)
        fields.close(_KNOWN, _FIELDS, strict=True)

    def _body(self, fields: Fields, name: str, negated: bool) -> Check | None:
        """Type, value, path and threshold; None, and told, where there is no such check."""
        prefix = "not-" if negated else ""
        if name in ("javascript", "python"):
            return self._program(fields, name, negated)
        if name == "icontains-any":
            texts = self._texts(fields, name)
            self._differences(fields.part.at, "icontains", texts)
            return None if texts is None else {
                "type": f"{prefix}any-of", "value": [{"type": "icontains", "value": text} for text in texts],
            }  # fmt: skip
        if name == "is-valid-openai-tools-call" and self.tools and not negated:
            fields.take("value")
            return self._call()
        if name not in SAME:
            self._no_counterpart(fields, name)
            return None
        if name == "is-json" and self.tools and fields.part.get("value") is None:
            calls: list[Check] = [{"type": "tool-call", "value": {"name": tool}} for tool in self.tools]
            return {"type": f"{prefix}any-of", "value": [{"type": "is-json"}, *calls]}  # calls are JSON there
        check: Check = {"type": prefix + SAME[name]}
        filled = self._fill(fields, name, check)
        if not filled or not self._has_what_it_needs(fields, name):
            return None
        if not self.has_tools or fields.part.get("transform") is None:
            self._differences(fields.part.at, name, check.get("value"))
        return check

    def _call(self) -> Check:
        """One of the functions is called; that its arguments fit is held in each row anyway."""
        calls: list[Check] = [{"type": "tool-call", "value": {"name": tool}} for tool in self.tools]
        return calls[0] if len(calls) == 1 else {"type": "any-of", "value": calls}

    def _fill(self, fields: Fields, name: str, check: Check) -> bool:
        threshold = fields.number("threshold")
        if name in ("latency", "cost"):
            fields.take("value")
            return self._limit(fields, name, threshold, check)
        if name in LISTED:
            texts = self._texts(fields, name)
            check["value"] = texts
            return texts is not None
        value = fields.take("value")
        if name in ("is-json", "contains-json"):
            return self._schema(value, name, check)
        if name in WITHOUT_VALUE:
            pass
        elif value is None or value.value == "":
            self.losses.changes(fields.part.at, f"`{name}`", "has no `value`, so that it can mean nothing; left out.")
            return False
        elif not self._value(fields, name, value, check):
            return False
        if check["type"].endswith("any-of"):
            return True  # each of its checks has the threshold
        if name in TAKES_THRESHOLD:
            if threshold is not None or name in USUAL:
                check["threshold"] = USUAL[name] if threshold is None else threshold
        elif threshold is not None:
            why = "promptfoo passes over the threshold of this type; left out."
            self.losses.harmless(fields.part.at, f"`{name}.threshold`", why)
        return True

    def _limit(self, fields: Fields, name: str, threshold: float | None, check: Check) -> bool:
        if threshold is None:
            why = "has no threshold and only measures; results always have the figure. Left out."
            self.losses.harmless(fields.part.at, f"`{name}`", why)
            return False
        check["threshold"] = threshold / 1000 if name == "latency" else threshold
        return True

    def _value(self, fields: Fields, name: str, value: Part, check: Check) -> bool:
        if isinstance(value.value, list) and name in ("similar", "similar:cosine", "bleu"):
            negated = check["type"].startswith("not-")
            texts = [self.text(one, f"`{name}.value`") for one in value.value]
            inner = check["type"].removeprefix("not-")
            threshold = fields.number("threshold")
            limit = USUAL[name] if threshold is None else threshold
            if any(text is None for text in texts):
                return False
            check["type"] = "not-any-of" if negated else "any-of"
            check["value"] = [{"type": inner, "value": text, "threshold": limit} for text in texts]
            if inner == "similar":
                self.needs.setdefault("embeddings", fields.part.at)
            return True
        if isinstance(value.value, dict) or (isinstance(value.value, list) and name in ("equals", "finish-reason")):
            if name not in ("equals", "word-count", "finish-reason"):
                self.losses.changes(value.at, f"`{name}.value`", "is not a text; the check is left out.")
                return False
            check["value"] = value.plain()
            return True
        if isinstance(value.value, list):
            if name != "g-eval":
                self.losses.changes(value.at, f"`{name}.value`", "is a list; the check is left out.")
                return False
            why = "promptfoo takes the mean over several criteria; here they are one text."
            self.losses.changes(
                value.at, f"`{name}.value`", why, "Write a `g-eval` for each, and a threshold for the test."
            )
            value = type(value)("\n".join(one.text() for one in value.value), value.place, value.key)
        if name == "word-count" and not isinstance(value.value, str):
            check["value"] = value.plain()
            return True
        text = self.text(value, f"`{name}.value`")
        if text is not None and name == "regex":
            if re.match(r"\(\?[a-z]+\)", text):
                why = f"{quoted(text)} fails there every time: JavaScript takes no flags in front; here it is used."
                self.losses.changes(value.at, "`regex`", why, "Write it without them there, and compare again.")
            text = fitting_pattern(text, value, self.losses)
        if text is None:
            return False
        check["value"] = int(text) if name == "word-count" and text.isdigit() else text
        return True

    def text(self, value: Part, what: str) -> str | None:
        """A value as text, with its file read and its template translated; None, and told, where that cannot be."""
        text = value.text()
        if text.startswith(FILE):
            try:
                text = self.files.text(text).strip()
            except NotReadable as problem:
                self.losses.changes(value.at, what, f"{problem} Left out.")
                return None
        found = translate_template(text, self.filters)
        for unknown in found.unknown:
            self.losses.changes(value.at, what, f"{unknown}; the check is left out.")
        for name in found.env:
            why = f"reads `env.{name}` from the environment, which a spec cannot; the check is left out."
            self.losses.changes(value.at, what, why)
        return None if found.unknown or found.env else found.text

    def _texts(self, fields: Fields, name: str) -> list[str] | None:
        value = fields.take("value")
        if value is None or isinstance(value.value, dict):
            self.losses.changes(fields.part.at, f"`{name}`", "has no list of texts; left out.")
            return None
        parts = value.value if isinstance(value.value, list) else [
            type(value)(text, value.place, value.key) for text in split_commas(value.text())
        ]  # fmt: skip
        texts = [self.text(part, f"`{name}.value`") for part in parts]
        if not texts or any(not text for text in texts):
            if not any(text is None for text in texts):
                self.losses.changes(value.at, f"`{name}`", "has an empty text, or none; left out.")
            return None
        return [text for text in texts if text]

    def _schema(self, value: Part | None, name: str, check: Check) -> bool:
        if value is None or value.value == "":
            return True
        schema = as_schema(value, self.files, self.losses, f"`{name}.value`")
        if schema is not None:
            check["value"] = schema
        return schema is not None

    def _program(self, fields: Fields, name: str, negated: bool) -> Check | None:
        value = fields.take("value")
        if fields.number("threshold") is not None:
            self.losses.harmless(fields.part.at, f"`{name}.threshold`", "judges numbers only, not true and false.")
        code = value.text() if value is not None else ""
        translate: Callable[..., Translation | None] = (
            translate_javascript if name == "javascript" else translate_python
        )
        found = (
            None
            if code.startswith((FILE, "package:"))
            else translate(code, negated=negated, parsed=self.is_parsed, calls=self.has_tools)
        )
        if found is None or value is None or not fit_patterns(found.check, value, self.losses):
            self.losses.changes(fields.part.at, f"`{name}`", f"{quoted(code)} {PROGRAM}", EXPR)
            return None
        if found.always_fails:
            why = f"{quoted(code)} fails there every time, since one line must not begin with `return`; here it is run."
            self.losses.changes(fields.part.at, f"`{name}`", why, "Remove the `return` there, and compare again.")
        return found.check

    def _no_counterpart(self, fields: Fields, name: str) -> None:
        at = fields.part.get("type")
        place = at.place if at is not None else fields.part.at
        if name in NO_COUNTERPART:
            self.losses.changes(place, f"`{name}`", *NO_COUNTERPART[name])
        elif name.startswith(("trajectory:", "trace-", "promptfoo:redteam:")):
            self.losses.changes(place, f"`{name}`", "looks at traces or attacks, which there are not here; left out.")
        else:
            hint = did_you_mean(name, {*SAME, *NO_COUNTERPART, "assert-set", "icontains-any"})
            self.losses.changes(place, quoted(name), "promptfoo has no such assertion, and fails; left out.", hint)

    def _has_what_it_needs(self, fields: Fields, name: str) -> bool:
        place, ours = fields.part.at, SAME[name]
        if ours == "cost" and not self.has_price:
            limit = fields.part.get("threshold")
            todo = (
                f"Add `price` to each provider, then `{{type: cost, threshold: {limit.text() if limit else '...'}}}`."
            )
            self.losses.changes(
                place, "`cost`", "needs the price of every provider, and the source has none; left out.", todo
            )
            return False
        if ours == "select-best" and (self.is_split or not self.has_rivals):
            why = "compares the answers of several providers to one prompt" + (
                "; of several prompts it cannot choose. Left out." if self.is_split else ", and there is one. Left out."
            )
            self.losses.changes(place, "`select-best`", why)
            return False
        if ours in GRADED:
            self.needs.setdefault("embeddings" if ours == "similar" else "grader", place)
        return True

    def _differences(self, place: Place, name: str, value: Any) -> None:
        """Tell where the two programs can come to different verdicts."""
        if self.has_tools and name not in _NOT_OF_TEXT:
            why = (
                "if the model calls a function, promptfoo takes the calls as JSON for the answer; here it is its text."
            )
            self.losses.once(place, "changes", f"`{name}`", why, "Use `tool-call`, or `expr` with `tool_calls`.")
        if name in SCORED:
            self.losses.once(place, "changes", f"`{name}`", SCORED[name], "Look at the threshold again.")
        elif name.startswith("icontains") and any("ss" in text.casefold() for text in _each_text(value)):
            why = "`ss` and `ß` are the same letter here, whatever is upper and lower case; in promptfoo they are not."
            self.losses.once(place, "changes", f"`{name}`", why, _VERDICTS)
        elif name in DIFFERENT and (name != "equals" or isinstance(value, str)):
            self.losses.once(place, "changes", f"`{name}`", DIFFERENT[name], _VERDICTS)


def _each_text(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
