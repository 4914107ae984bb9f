"""A promptfoo configuration as specs: one for each prompt, with shared cases."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from throughster.convert.asserts import Asserts
from throughster.convert.cases import Case, Cases
from throughster.convert.drafts import Draft, file_name, rows_draft, spec_draft
from throughster.convert.fields import Fields
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.graders import choose_grader, short
from throughster.convert.losses import Losses, Place, quoted
from throughster.convert.options import TOP, output_files, run_options
from throughster.convert.parts import Part, part_of_plain
from throughster.convert.prompts import Prompt, Prompts
from throughster.convert.providers import Asked, Providers
from throughster.convert.reusing import named_from, same_table
from throughster.convert.templates import translate_template
from throughster.errors import Problem, SpecError
from throughster.prompts.template import compile_template
from throughster.prompts.unit import TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["TOP_KEYS", "convert_promptfoo"]

TOP_KEYS = (
    "description", "tags", "env", "prompts", "providers", "targets", "tests", "scenarios", "defaultTest",
    "evaluateOptions", "commandLineOptions", "outputPath", "nunjucksFilters", *TOP,
)  # fmt: skip
_MOST_INLINE = 60
_LONGEST_INLINE = 30_000


@dataclass
class _Defaults:
    """`defaultTest`: what every test has. Variables that must be written out with each test's own are not here."""

    vars: dict[str, Any]
    checks: list[dict[str, Any]]
    threshold: float | None = None
    prefix: str = ""
    suffix: str = ""
    lost: int = 0


@dataclass
class _Source:
    """The configuration, converted part by part."""

    name: str
    keys: dict[str, Any]
    prompts: list[Prompt]
    asked: list[Asked]
    defaults: _Defaults
    cases: list[Case]
    grader: Any
    tests: Part | None
    place: Place
    head: str = ""


def convert_promptfoo(
    root: Part, files: Files, losses: Losses, *, name: str, folder: Path, hosts: dict[str, None], secrets: list[str]
) -> list[Draft]:
    """The files to write into `folder`. `hosts`, `secrets`: what must be allowed, and must not be written; filled in.

    Raises SpecError where nothing of the configuration can be carried.
    """
    fields = Fields(root, losses, "")
    filters = _filters(fields.take("nunjucksFilters"), losses)
    _environment(fields.take("env"), losses, secrets)
    providers = Providers(files, losses, hosts, secrets)
    asked = _asked(fields, providers, losses, root.place)
    prompts = _prompts(fields.take("prompts"), files, losses, filters, root.place)
    asserts = Asserts(files, losses, filters)
    asserts.has_price = bool(asked) and all("price" in one.entry for one in asked)
    asserts.is_split = len(prompts) > 1
    asserts.has_rivals = all(len(_of_prompt(asked, prompt)) > 1 for prompt in prompts)
    cases = Cases(files, losses, asserts)
    defaults = _defaults(fields.take("defaultTest"), cases, files, losses)
    tests, scenarios = fields.take("tests"), fields.take("scenarios")
    found = cases.convert(tests) if tests is not None else []
    found += cases.scenarios(scenarios) if scenarios is not None else []
    if not found and (scenarios is None or tests is not None):
        found = cases.one(part_of_plain({}, root.place))
    keys: dict[str, Any] = {"description": fields.text("description"), "tags": _tags(fields.take("tags"))}
    options = [fields.take("evaluateOptions"), fields.take("commandLineOptions")]
    keys |= run_options([one or Part(None, root.place) for one in options], losses)
    keys["outputs"] = output_files(fields.take("outputPath"), losses)
    grader = choose_grader(asserts.graders, asserts.needs, providers, losses, root.place)
    fields.close(TOP, TOP_KEYS)
    source = _Source(name, keys, prompts, asked, defaults, found, grader, tests, root.place)
    return _Writer(source, files, losses, folder).drafts()


def _filters(part: Part | None, losses: Losses) -> frozenset[str]:
    if part is None or not isinstance(part.value, dict):
        return frozenset()
    for name, child in part.value.items():
        losses.harmless(
            child.at, f"`nunjucksFilters.{name}`", "is a program; left out. Templates that use it are told."
        )
    return frozenset(part.value)


def _environment(part: Part | None, losses: Losses, secrets: list[str]) -> None:
    for name, child in part.value.items() if part is not None and isinstance(part.value, dict) else ():
        if child.is_text and any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            secrets.append(child.value)
        why = "values of the environment do not belong into a spec; left out."
        losses.harmless(child.at, f"`env.{name}`", why, f"Set {name} in the environment, if it is still needed.")


def _tags(part: Part | None) -> list[str]:
    if part is None or not isinstance(part.value, dict | list):
        return []
    if isinstance(part.value, list):
        return [one.text() for one in part.value]
    return [f"{name}:{child.text()}" for name, child in part.value.items()]


def _asked(fields: Fields, providers: Providers, losses: Losses, place: Place) -> list[Asked]:
    part = fields.take("providers") or fields.take("targets")
    asked = providers.convert(part) if part is not None else []
    if not asked:
        at = part.at if part is not None else place
        why = "none of them can be asked from here; `provider: offline` stands there, which gives canned answers."
        losses.changes(at, "`providers`", why, "Name one of your own.")
        asked = [Asked({"name": "offline"}, (), at)]
    _shared_request(asked, losses)
    return asked


def _shared_request(asked: list[Asked], losses: Losses) -> None:
    for other in asked[1:]:
        if other.request.shared != asked[0].request.shared:
            why = "tools, streaming and the form of answers belong to all providers of a spec; those of the first hold."
            losses.changes(
                other.place, "`config`", why, "Give each provider a spec of its own, or the same ones to all."
            )


def _prompts(part: Part | None, files: Files, losses: Losses, filters: frozenset[str], place: Place) -> list[Prompt]:
    if part is None:
        part = Part("{{prompt}}", place)
        losses.harmless(place, "`prompts`", "is missing; promptfoo takes {{prompt}} then, and so does the spec.")
    found = Prompts(files, losses, filters).convert(part)
    if not found:
        why = [loss for loss in losses.all if loss.severity == "changes"]
        hint = " ".join(f"{loss.what} {loss.why}" for loss in why[-3:])
        raise SpecError(
            [Problem(part.at.file, part.at.line, part.at.column, "No prompt here can be carried over.", hint)]
        )
    return found


def _defaults(part: Part | None, cases: Cases, files: Files, losses: Losses) -> _Defaults:
    if part is not None and part.is_text and part.value.startswith(FILE):
        try:
            part = files.tree(part.value)
        except NotReadable as problem:
            losses.changes(part.at, "`defaultTest`", f"{problem} Left out.")
            part = None
    if part is None or not isinstance(part.value, dict):
        if part is not None:
            losses.changes(part.at, "`defaultTest`", "is no mapping; left out.")
        return _Defaults({}, [])
    values = cases.variables(part.get("vars"))
    rest = Part({name: child for name, child in part.value.items() if name != "vars"}, part.place, part.key)
    (case,) = cases.one(rest)
    cases.count = 0
    merges = any(
        isinstance(v.value, list) or (v.is_text and ("{{" in v.value or v.value.startswith(FILE)))
        for v in values.values()
    )
    plain = {} if merges else next(iter(cases.expanded(values, part.place, expands=False)))
    cases.count = 0
    cases.expands_defaults = values if merges else {}
    cases.scores_by_default = case.threshold is not None
    return _Defaults(plain, case.checks, case.threshold, case.prefix, case.suffix, case.lost)


def _of_prompt(asked: list[Asked], prompt: Prompt) -> list[Asked]:
    """The providers that are asked this prompt."""
    return [one for one in asked if one.prompts is None or any(_fits(name, prompt.names) for name in one.prompts)]


def _fits(name: str, names: Iterable[str]) -> bool:
    return any(name == other or other.startswith(f"{name}:") for other in names)


class _Writer:
    """Puts the converted parts into files."""

    def __init__(self, source: _Source, files: Files, losses: Losses, folder: Path) -> None:
        self._source, self._files, self._losses, self._folder = source, files, losses, folder
        self._drafts: list[Draft] = []
        self._lists: dict[str, str] = {}

    def drafts(self) -> list[Draft]:
        source = self._source
        names: list[str] = []
        specs: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        for prompt in source.prompts:
            asked = _of_prompt(source.asked, prompt)
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
        return [
            spec_draft(name, {**data, "name": name}, head, needs=needs) for name, data, needs in specs
        ] + self._drafts

    def _spec(self, prompt: Prompt, asked: list[Asked]) -> tuple[dict[str, Any], dict[str, Any]]:
        source = self._source
        chosen = [
            one for one in source.cases if one.prompts is None or any(_fits(n, prompt.names) for n in one.prompts)
        ]
        data: dict[str, Any] = {"version": 1, **source.keys}
        entries = [short(self._with_config(one.entry, prompt)) for one in asked]
        data |= {"provider": entries[0]} if len(entries) == 1 else {"providers": entries}
        data["prompt"] = self._with_affixes(prompt, chosen)
        data |= _request(asked[0])
        attempts = {one.attempts for one in asked if one.attempts}
        if attempts:
            data["retry"] = {"max_attempts": max(attempts)}
        if source.grader is not None:
            data["grader"] = {"provider": source.grader}
        data |= self._rows(chosen)
        needs = dict.fromkeys(prompt.env, "text")
        for name in prompt.env:
            what = {"description": f"In promptfoo it was env.{name}. Give it with --var {name}=..."}
            data.setdefault("inputs", {})[name] = what
            why = "a spec cannot read the environment; it is a variable now."
            self._losses.changes(prompt.place, f"`env.{name}`", why, f"Run with --var {name}=...")
        self._undefined(prompt, data, chosen, set(needs))
        return data, needs

    def _with_config(self, entry: dict[str, Any], prompt: Prompt) -> dict[str, Any]:
        if prompt.config is None or not isinstance(prompt.config.value, dict):
            return entry
        providers = Providers(self._files, self._losses)
        written = Part({"id": Part("openai:chat:any", prompt.place), "config": prompt.config}, prompt.place)
        found = providers.one(written, is_judge=True)
        params = found.entry.get("params", {}) if found is not None else {}
        return {**entry, "params": {**entry.get("params", {}), **params}} if params else entry

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

    def _rows(self, cases: list[Case]) -> dict[str, Any]:
        """`tests`, `default_test`, `vars` and `data` of a spec."""
        defaults = self._source.defaults
        inlines = any(not case.takes_defaults for case in cases)
        checked: list[Case] = []
        unchecked: list[Case] = []
        for case in cases:
            shared = defaults.checks if case.takes_defaults else []
            full = replace(case, checks=[*shared, *case.checks]) if inlines else case
            has_weight = any(check.get("weight", 1) > 0 for check in (*shared, *case.checks))
            (checked if has_weight else unchecked).append(full)
        found: dict[str, Any] = {}
        for case in unchecked:
            self._tell_unchecked(case, bool(checked))
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

    def _tell_unchecked(self, case: Case, some_are_checked: bool) -> None:
        lost = case.lost or (case.takes_defaults and self._source.defaults.lost)
        if lost or case.checks:
            why = "none of its checks could be carried" if lost else "its checks have no weight"
            self._losses.changes(case.place, "test", f"{why}; it is a row of `data` now, which cannot fail.")
        elif some_are_checked:
            why = "has no check, so that it could not fail; it is a row of `data` now."
            self._losses.harmless(case.place, "test", why, "Rows run with --no-tests.")

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
        """Variables that a template uses and a case lacks print nothing in promptfoo, and so they do in the spec."""
        defaults = self._source.defaults
        for name in _used(prompt, self._losses):
            given = [name in case.vars or name in defaults.vars for case in cases]
            if name in known or (given and all(given)):
                continue
            data.setdefault("vars", {})[name] = ""
            if any(given):
                why = (
                    "is missing in some tests; promptfoo prints nothing then, and so does the empty default in `vars`."
                )
                self._losses.harmless(prompt.place, f"variable `{name}`", why)
            else:
                why = (
                    "is given by no test; promptfoo prints nothing in its place, and so does the empty text in `vars`."
                )
                self._losses.changes(prompt.place, f"variable `{name}`", why, "Give it a value, or correct its name.")


def _used(prompt: Prompt, losses: Losses) -> list[str]:
    names: dict[str, None] = {}
    for text in prompt.texts:
        try:
            template = compile_template(text, name="prompt")
        except TemplateProblem as problem:
            losses.changes(
                prompt.place, f"prompt {quoted(prompt.label or text)}", f"{problem}", "Rewrite the template."
            )
            continue
        names.update({use.name: None for use in template.references if not use.optional})
    return list(names)


def _request(asked: Asked) -> dict[str, Any]:
    request = asked.request
    found: dict[str, Any] = {}
    if request.schema is not None:
        found["output"] = {"schema": request.schema, "strategy": "json_schema", "max_attempts": 1}
    if request.tools:
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
