"""The converted parts of a promptfoo configuration put together: a spec for each prompt, and the files they share."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from throughster.checks import compile_checks
from throughster.convert.cases import Case
from throughster.convert.drafts import Draft, file_name, rows_draft, spec_draft
from throughster.convert.files import Files
from throughster.convert.graders import short
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.parts import Part
from throughster.convert.printed import is_flat, is_printed, printed, with_joined
from throughster.convert.prompts import Prompt
from throughster.convert.providers import Asked
from throughster.convert.requests import RequestParts
from throughster.convert.reusing import named_from, same_table
from throughster.convert.templates import translate_template
from throughster.prompts.template import compile_template
from throughster.prompts.unit import TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Defaults", "Suite", "SuiteWriter", "of_prompt", "request_of"]

_MOST_INLINE = 60
_LONGEST_INLINE = 30_000


@dataclass
class Defaults:
    """`defaultTest`: what every test has. Variables that must be written out with each test's own are not here."""

    vars: dict[str, Any]
    checks: list[dict[str, Any]]
    threshold: float | None = None
    prefix: str = ""
    suffix: str = ""
    lost: int = 0


@dataclass
class Suite:
    """A configuration, converted part by part."""

    name: str
    keys: dict[str, Any]
    prompts: list[Prompt]
    asked: list[Asked]
    defaults: Defaults
    cases: list[Case]
    grader: Any
    tests: Part | None
    place: Place


def of_prompt(asked: list[Asked], prompt: Prompt) -> list[Asked]:
    """The providers that are asked this prompt."""
    return [one for one in asked if one.prompts is None or any(_fits(name, prompt.names) for name in one.prompts)]


def _fits(name: str, names: Iterable[str]) -> bool:
    return any(name == other or other.startswith(f"{name}:") for other in names)


class SuiteWriter:
    """Puts the converted parts into files."""

    def __init__(self, source: Suite, files: Files, losses: Losses, folder: Path) -> None:
        self._source, self._files, self._losses, self._folder = source, files, losses, folder
        self._drafts: list[Draft] = []
        self._lists: dict[str, str] = {}

    def drafts(self) -> list[Draft]:
        source = self._source
        names: list[str] = []
        specs: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        for prompt in source.prompts:
            asked = of_prompt(source.asked, prompt)
            if not asked:
                self._losses.changes(prompt.place, "`prompts`", "no provider is asked this prompt; left out.")
                continue
            name = source.name
            if len(source.prompts) > 1:
                name = f"{source.name}-{file_name(prompt.label or _beginning(prompt), (n for n in names))}"
                while name in names:
                    name = f"{name}-2"
                names.append(name)
            specs.append((name, *self._spec(prompt, asked)))
        head = _head(source.place.file, self._losses)
        return [spec_draft(name, {**data, "name": name}, head, needs) for name, data, needs in specs] + self._drafts

    def _spec(self, prompt: Prompt, asked: list[Asked]) -> tuple[dict[str, Any], dict[str, Any]]:
        source = self._source
        chosen = [
            self._filled(one, prompt)
            for one in source.cases
            if one.prompts is None or any(_fits(n, prompt.names) for n in one.prompts)
        ]
        defaults = replace(source.defaults, vars=printed(source.defaults.vars, prompt.texts))
        data: dict[str, Any] = {"version": 1, **source.keys}
        entries = [short(_with_config(one.entry, prompt)) for one in asked]
        data |= {"provider": entries[0]} if len(entries) == 1 else {"providers": entries}
        body = self._with_affixes(prompt, chosen)
        data["prompt"] = with_joined(body, [defaults.vars, *(case.vars for case in chosen)])
        data |= _request(request_of(asked[0], prompt))
        attempts = {one.attempts for one in asked if one.attempts}
        if attempts:
            data["retry"] = {"max_attempts": max(attempts)}
        if source.grader is not None:
            data["grader"] = {"provider": source.grader}
        data |= self._rows(chosen, defaults)
        needs = dict.fromkeys(prompt.env, "text")
        for name in prompt.env:
            what = {"description": f"In promptfoo it was env.{name}. Give it with --var {name}=..."}
            data.setdefault("inputs", {})[name] = what
            why = "a spec cannot read the environment; it is a variable now."
            self._losses.changes(prompt.place, f"`env.{name}`", why, f"Run with --var {name}=...")
        self._undefined(prompt, data, chosen, set(needs))
        return data, needs

    def _with_affixes(self, prompt: Prompt, cases: list[Case]) -> Any:
        """The prompt with what goes before and behind it in every test."""
        defaults = self._source.defaults
        pairs = {(case.prefix or defaults.prefix, case.suffix or defaults.suffix) for case in cases}
        if pairs <= {("", "")}:
            return prompt.body
        if len(pairs) > 1 or not isinstance(prompt.body, str):
            why = "goes before or behind the prompt of single tests, or of a chat; left out."
            self._losses.changes(self._source.place, "`options.prefix`, `options.suffix`", why, "Make it a variable.")
            return prompt.body
        (prefix, suffix) = next(iter(pairs))
        return f"{translate_template(prefix).text}{prompt.body}{translate_template(suffix).text}"

    def _filled(self, case: Case, prompt: Prompt) -> Case:
        """A test with its variables as this prompt prints them, and its turns of the chat."""
        values = dict(case.vars)
        for name in prompt.loaded & values.keys():
            try:
                values[name] = json.loads(values[name]) if isinstance(values[name], str) else values[name]
            except ValueError:
                self._losses.changes(case.place, f"`vars.{name}`", "is not JSON, which `load` in the prompt needs.")
        values = printed(values, prompt.texts)
        for name, value in values.items():
            if isinstance(value, dict | list) and not is_flat(value) and is_printed(name, prompt.texts):
                why = "is printed as JSON here; promptfoo prints `[object Object]`, or a list without brackets."
                self._losses.changes(case.place, f"`vars.{name}`", why, "Print its parts, or use `| tojson`.")
        if prompt.turns is None:
            return replace(case, vars=values)
        try:
            turns = prompt.turns.of({**self._source.defaults.vars, **values})
        except ValueError as problem:
            why = f"the turns of the chat cannot be filled in: {problem}; it has none."
            self._losses.changes(case.place, "test", why)
            turns = []
        return replace(case, vars=values, messages=tuple(turns))

    def _rows(self, cases: list[Case], defaults: Defaults) -> dict[str, Any]:
        """`tests`, `default_test`, `vars` and `data` of a spec."""
        inlines = any(not case.takes_defaults for case in cases)
        checked: list[Case] = []
        unchecked: list[Case] = []
        for case in cases:
            shared = defaults.checks if case.takes_defaults else []
            full = replace(case, checks=[*shared, *case.checks]) if inlines else case
            has_weight = any(check.get("weight", 1) > 0 for check in (*shared, *case.checks))
            (checked if has_weight else unchecked).append(full)
        found: dict[str, Any] = {}
        self._tell_unchecked(unchecked, bool(checked))
        if checked:
            found["tests"] = self._listed("cases", [case.entry() for case in checked], is_cases=True)
            default = {
                "vars": defaults.vars,
                "assert": [] if inlines else defaults.checks,
                "threshold": defaults.threshold,
            }
            found["default_test"] = {key: value for key, value in default.items() if value not in ({}, [], None)}
        elif defaults.vars:
            found["vars"] = dict(defaults.vars)
        rows = [{**(defaults.vars if checked else {}), **case.vars} for case in unchecked]
        if any(rows):
            found["data"] = self._listed("data", rows, is_cases=False)
        return found

    def _tell_unchecked(self, cases: list[Case], some_are_checked: bool) -> None:
        told: dict[tuple[str, bool], list[Case]] = {}
        for case in cases:
            if case.messages:
                why = "a row of `data` has no turns of its own; those of its chat are left out."
                told.setdefault((why, True), []).append(case)
            lost = case.lost or (case.takes_defaults and self._source.defaults.lost)
            if lost or case.checks:
                why = "none of its checks could be carried" if lost else "its checks have no weight"
                told.setdefault((f"{why}; it is a row of `data` now, which cannot fail.", True), []).append(case)
            elif some_are_checked:
                why = "has no check, so that it could not fail; it is a row of `data` now, which runs with --no-tests."
                told.setdefault((why, False), []).append(case)
        for (why, is_grave), of in told.items():
            what = "test" if len(of) == 1 else f"test, and {len(of) - 1} more"
            self._losses.add(of[0].place, "changes" if is_grave else "harmless", what, why)

    def _listed(self, what: str, entries: list[dict[str, Any]], *, is_cases: bool) -> Any:
        """The list itself, or the path of a file that holds it."""
        table = same_table(self._source.tests, entries, self._files, is_cases=is_cases)
        if table is not None:
            return self._path_to(table)
        text = json.dumps(entries, ensure_ascii=False, default=str)
        if len(self._source.prompts) == 1 and len(entries) <= _MOST_INLINE and len(text) <= _LONGEST_INLINE:
            return entries
        if text not in self._lists:
            taken = [draft.name.rpartition(".")[0] for draft in self._drafts]
            name = file_name(what, [one.removeprefix(f"{self._source.name}-") for one in taken])
            draft = rows_draft(
                f"{self._source.name}-{name}", entries, f"Converted from {_base(self._source.place.file)}."
            )
            self._drafts.append(draft)
            self._lists[text] = draft.name
        return self._lists[text]

    def _path_to(self, table: Path) -> str:
        name, copy = named_from(self._folder, table, self._files)
        if copy is not None and copy not in self._drafts:
            self._drafts.append(copy)
        return name

    def _undefined(self, prompt: Prompt, data: dict[str, Any], cases: list[Case], known: set[str]) -> None:
        """Variables that are used and that a case lacks print nothing in promptfoo, and so they do in the spec."""
        defaults = self._source.defaults
        given = [case.vars.keys() | defaults.vars.keys() | known for case in cases]
        in_prompt = _used(prompt, self._losses)
        in_checks = [_used_in_checks([*defaults.checks, *case.checks]) for case in cases]
        for name in dict.fromkeys([*in_prompt, *(name for names in in_checks for name in names)]):
            uses = [name in in_prompt or name in names for names in in_checks]
            lacking = [used and name not in there for used, there in zip(uses, given, strict=True)]
            if not any(lacking) and (given or name in known):
                continue
            data.setdefault("vars", {})[name] = ""
            if any(name in there for there in given):
                why = "is missing in some tests; promptfoo prints nothing then, and so does the empty text in `vars`."
                self._losses.harmless(prompt.place, f"variable `{name}`", why)
            else:
                why = (
                    "is given by no test; promptfoo prints nothing in its place, and so does the empty text in `vars`."
                )
                self._losses.changes(prompt.place, f"variable `{name}`", why, "Give it a value, or correct its name.")


def _used_in_checks(checks: list[dict[str, Any]]) -> tuple[str, ...]:
    return _uses_of(json.dumps(checks, default=str))


@lru_cache(maxsize=4096)
def _uses_of(checks: str) -> tuple[str, ...]:
    compiled, _ = compile_checks(json.loads(checks))
    uses = [use.reference for check in compiled for use in check.uses]
    return tuple(dict.fromkeys(reference.name for reference in uses if not reference.optional))


def _used(prompt: Prompt, losses: Losses) -> list[str]:
    names: dict[str, None] = {}
    for text in prompt.texts:
        try:
            template = compile_template(text, name="prompt")
        except TemplateProblem as problem:
            if prompt.is_broken:
                continue  # it has been told what stands in the way
            losses.changes(
                prompt.place, f"prompt {quoted(prompt.label or text)}", f"{problem}", "Rewrite the template."
            )
            continue
        names.update({use.name: None for use in template.references if not use.optional})
    return list(names)


def request_of(asked: Asked, prompt: Prompt) -> RequestParts:
    """What is sent beside the prompt: a prompt's own configuration goes before its provider's."""
    return asked.request if prompt.own is None else asked.request.under(prompt.own.request)


def _with_config(entry: dict[str, Any], prompt: Prompt) -> dict[str, Any]:
    params = prompt.own.entry.get("params", {}) if prompt.own is not None else {}
    return {**entry, "params": {**entry.get("params", {}), **params}} if params else entry


def _request(request: RequestParts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.schema is not None:
        found["output"] = {"schema": request.schema, "strategy": "json_schema", "max_attempts": 1}
    if request.tools:
        found.setdefault("output", {"max_attempts": 1})  # promptfoo takes the calls as they come
        found["tools"] = request.tools
        found["tool_choice"] = request.tool_choice
    if request.stream:
        found["stream"] = True
    return found


def _beginning(prompt: Prompt) -> str:
    return " ".join(prompt.texts[-1].split()[:6]) if prompt.texts else "prompt"


def _base(file: str) -> str:
    return file.rpartition("/")[2]


def _head(file: str, losses: Losses) -> str:
    """The comment above a spec: where it comes from, and what it is not."""
    grave = [loss for loss in losses.all if loss.severity == "changes"]
    lines = [f"Converted from {_base(file)}."]
    if grave:
        lines.append("Not carried over, and it changes what this asks or checks:")
        lines += [f"- {_base(str(loss.place))}: {loss.what}: {loss.why}" for loss in grave[:20]]
        if len(grave) > 20:
            lines.append(f"- and {len(grave) - 20} more")
    return "\n".join(lines)
