"""A promptfoo configuration as specs: one for each prompt, with shared cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from throughster.convert.asserts import Asserts
from throughster.convert.cases import Cases
from throughster.convert.drafts import Draft
from throughster.convert.fields import Fields
from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.graders import choose_grader
from throughster.convert.losses import Losses, Place
from throughster.convert.options import TOP, output_files, run_options
from throughster.convert.parts import Part, part_of_plain
from throughster.convert.prompts import Prompt, Prompts
from throughster.convert.providers import Asked, Providers
from throughster.convert.suites import Defaults, Suite, SuiteWriter, of_prompt, request_of
from throughster.errors import Problem, SpecError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TOP_KEYS", "convert_promptfoo"]

TOP_KEYS = (
    "description", "tags", "env", "prompts", "providers", "targets", "tests", "scenarios", "defaultTest",
    "evaluateOptions", "commandLineOptions", "outputPath", "nunjucksFilters", *TOP,
)  # fmt: skip


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
    prompts = [replace(one, own=providers.of_prompt(one.config, asked)) for one in prompts]
    requests = [request_of(one, prompt) for prompt in prompts for one in of_prompt(asked, prompt)]
    asserts = Asserts(files, losses, filters)
    asserts.has_price = all("price" in one.entry for one in asked)
    asserts.is_split = len(prompts) > 1
    asserts.is_parsed = bool(requests) and all(one.is_parsed for one in requests)
    asserts.has_tools = any(one.tools for one in requests)
    asserts.tools = next(iter(requests)).tool_names if len({one.tool_names for one in requests}) == 1 else ()
    asserts.has_rivals = all(len(of_prompt(asked, prompt)) > 1 for prompt in prompts)
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
    grader = choose_grader(asserts, providers, losses, root.place)
    for key in files.referred & set(root.value):
        fields.take(key)  # it only holds what `$ref` names
    fields.close(TOP, TOP_KEYS)
    source = Suite(name, keys, prompts, asked, defaults, found, grader, tests, root.place)
    return SuiteWriter(source, files, losses, folder).drafts()


def _filters(part: Part | None, losses: Losses) -> frozenset[str]:
    if part is None:
        return frozenset()
    if not isinstance(part.value, dict):
        losses.harmless(part.at, "`nunjucksFilters`", "is no mapping; left out.")
        return frozenset()
    for name, child in part.value.items():
        losses.harmless(
            child.at, f"`nunjucksFilters.{name}`", "is a program; left out. Templates that use it are told."
        )
    return frozenset(part.value)


def _environment(part: Part | None, losses: Losses, secrets: list[str]) -> None:
    if part is not None and not isinstance(part.value, dict):
        losses.harmless(part.at, "`env`", "is no mapping; left out.")
    for name, child in part.value.items() if part is not None and isinstance(part.value, dict) else ():
        if child.is_text and any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            secrets.append(child.value)
        why = "values of the environment do not belong into a spec; left out."
        losses.harmless(child.at, f"`env.{name}`", why, f"Set {name} in the environment, if it is still needed.")


def _tags(part: Part | None) -> list[str]:
    if part is None:
        return []
    if not isinstance(part.value, dict | list):
        return [part.text()]
    if isinstance(part.value, list):
        return [one.text() for one in part.value]
    return [f"{name}:{child.text()}" for name, child in part.value.items()]


def _asked(fields: Fields, providers: Providers, losses: Losses, place: Place) -> list[Asked]:
    part = fields.take("providers") or fields.take("targets")
    asked = providers.convert(part) if part is not None else []
    if not asked:
        at = part.at if part is not None else place
        what = "is missing" if part is None else "none of them can be asked from here"
        why = f"{what}; `provider: offline` stands there, which gives canned answers."
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
    if isinstance(part.value, bool | int | float):
        hint = "Write a text, a file, or a list of them."
        raise SpecError([Problem(part.at.file, part.at.line, part.at.column, "`prompts` is no text.", hint)])
    found = Prompts(files, losses, filters).convert(part)
    if not found:
        why = [loss for loss in losses.all if loss.severity == "changes"]
        hint = " ".join(f"{loss.what} {loss.why}" for loss in why[-3:])
        raise SpecError(
            [Problem(part.at.file, part.at.line, part.at.column, "No prompt here can be carried over.", hint)]
        )
    return found


def _defaults(part: Part | None, cases: Cases, files: Files, losses: Losses) -> Defaults:
    if part is not None and part.is_text and part.value.startswith(FILE):
        try:
            part = files.tree(part.value)
        except NotReadable as problem:
            losses.changes(part.at, "`defaultTest`", f"{problem} Left out.")
            part = None
    if part is None or not isinstance(part.value, dict):
        if part is not None:
            losses.changes(part.at, "`defaultTest`", "is no mapping; left out.")
        return Defaults({}, [])
    values = cases.variables(part.get("vars"))
    rest = Part({name: child for name, child in part.value.items() if name != "vars"}, part.place, part.key)
    (case,) = cases.one(rest, "defaultTest")
    cases.count = 0
    merges = any(
        isinstance(v.value, list) or (v.is_text and ("{{" in v.value or v.value.startswith(FILE)))
        for v in values.values()
    )
    plain = {} if merges else next(iter(cases.expanded(values, part.place, expands=False)))
    cases.count = 0
    cases.expands_defaults = values if merges else {}
    cases.checks_by_default = bool(case.checks)
    return Defaults(plain, case.checks, case.threshold, case.prefix, case.suffix, case.lost)
