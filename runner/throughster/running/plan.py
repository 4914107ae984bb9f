"""A plan: a checked spec with everything compiled that does not change from row to row."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.config import in_ci
from throughster.errors import Problem, SpecError
from throughster.providers import PROVIDERS
from throughster.running.cases import Cases, with_turns
from throughster.running.rows import MANY, Choice, Rows
from throughster.running.targets import GraderPlan, Target, target_of
from throughster.running.values import Types
from throughster.spec.check import Checked, Outside, check_spec
from throughster.spec.load import load
from throughster.spec.model import ToolChoiceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from throughster.prompts import PromptTemplate
    from throughster.running.rows import Row
    from throughster.schema import AnswerSchema
    from throughster.spec import Override, Spec
    from throughster.tools import Tool
    from throughster.types import Message

__all__ = ["Options", "Plan", "prepare"]


@dataclass(frozen=True)
class Options:
    """What the caller says beside the specs. `tags`: run only specs that have one of them.

    `priced`: every provider must have a price, since the whole command's cost is limited. `keyless`: nothing will be
    sent. `allow_only`: run a suite of which `only` leaves tests out, in CI too. Otherwise as `Outside`.
    """

    data: Path | None = None
    tests: bool = True
    variables: Mapping[str, Any] = field(default_factory=dict)
    choice: Choice = field(default_factory=Choice)
    tags: tuple[str, ...] = ()
    api_base: str | None = None
    hosts: tuple[str, ...] = ()
    provider: str | None = None
    priced: bool = False
    keyless: bool = False
    allow_only: bool = False

    @property
    def outside(self) -> Outside:
        return Outside(
            data=self.data,
            tests=self.tests,
            variables=self.variables,
            api_base=self.api_base,
            hosts=self.hosts,
            provider=self.provider,
            priced=self.priced,
            keyless=self.keyless,
        )


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs. `total`: results that it will have, None where only reading the data tells.

    `is_part`: whether only one of the providers of the spec is asked, or rows in place of its tests.
    """

    name: str
    file: str
    spec: Spec
    prompt: PromptTemplate
    schema: AnswerSchema | None
    tools: tuple[Tool, ...]
    rows: Rows | Cases
    targets: tuple[Target, ...]
    notes: tuple[str, ...]
    grader: GraderPlan | None = None
    is_part: bool = False

    @property
    def cases(self) -> Cases | None:
        """The tests, where they are what is run."""
        return self.rows if isinstance(self.rows, Cases) else None

    def messages(self, row: Row) -> list[Message]:
        """What is asked with this row. Raises PromptError."""
        return with_turns(self.prompt.render(row.vars), row.case)

    def holds(self, line: Mapping[str, Any]) -> bool:
        """Whether a result is one of this spec's as it is now, not of a test, provider or repeat that it has no more.

        A journal that was gone on with has those of the spec as it was, too. Rows of data are not held against it.
        """
        if line["spec"] != self.name:
            return False
        if self.cases is None:
            return True
        row = self.cases.known.get(line["id"])
        is_asked = row is not None and row.case is not None and line["repeat"] < row.case.repeat
        return is_asked and line["label"] in self.labels

    @property
    def stops_early(self) -> bool:
        """Whether a test is asked no more once its verdict cannot change; `select-best` wants the rivals' answers."""
        return self.spec.early_stop and not any(
            check.is_comparative for row in self.cases or () if row.case is not None for check in row.case.checks
        )

    @property
    def is_whole(self) -> bool:
        """Whether no row, case or provider is left out, but those that the spec itself skips."""
        return self.rows.is_whole and not self.is_part

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(target.label for target in self.targets)

    @property
    def repeat(self) -> int:
        return self.spec.repeat

    @property
    def strategy(self) -> str:
        return self.spec.output.strategy

    @property
    def max_attempts(self) -> int:
        return self.spec.output.max_attempts

    @property
    def stream(self) -> bool:
        return self.spec.stream

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.spec.outputs

    @property
    def tool_choice(self) -> Any:
        choice = self.spec.tool_choice
        return {"name": choice.name} if isinstance(choice, ToolChoiceSpec) else choice

    @property
    def rows_per_target(self) -> int | None:
        """Questions per target."""
        if isinstance(self.rows, Cases):
            return self.rows.questions
        return None if self.rows.total is None else self.rows.total * self.repeat

    @property
    def total(self) -> int | None:
        return None if self.rows_per_target is None else self.rows_per_target * len(self.targets)

    @property
    def live(self) -> bool:
        """Whether text is shown as it arrives: one streamed row on a terminal."""
        return self.stream and self.total == 1 and sys.stdout.isatty()

    def part(self, n: int, count: int) -> Plan:
        """Every `count`-th row from the `n`-th on, with that share of the limits: for one of several processes."""
        targets = tuple(target.part(n, count) for target in self.targets)
        return replace(self, rows=self.rows.part(n, count), targets=targets)

    def describe(self) -> str:
        """In a few words: how many calls, of whom."""
        total = self.total
        calls = "calls" if total is None else f"{total:,} {'call' if total == 1 else 'calls'}"
        return f"{calls} on {', '.join(self.labels)}"


def prepare(paths: Sequence[Path], overrides: Sequence[Override], options: Options) -> tuple[list[Plan], list[Problem]]:
    """The plans of these spec files, and every problem of all of them. Nothing is sent.

    A spec with an error has no plan. Specs of one name are an error: their results, cassettes and reports would be one.
    """
    plans: list[Plan] = []
    problems: list[Problem] = []
    for path in paths:
        loaded = load(path, overrides)
        problems += loaded.problems
        if loaded.spec is None or loaded.document is None:
            continue
        spec = loaded.spec
        if options.tags and not set(options.tags) & _tags(spec, options):
            continue
        if options.api_base is not None and len(spec.each_provider) > 1:
            problems.append(
                Problem(str(path), 0, 0, "--api-base says where one provider is, and this spec names several.")
            )
        outside = replace(options.outside, origins={override.path: override.origin for override in overrides})
        checked = check_spec(spec, loaded.document, outside)
        found = [*checked.problems, *_left_out_by_only(checked, options)]
        problems += found
        if any(problem.severity == "error" for problem in (*loaded.problems, *found)):
            continue
        try:
            is_one = options.provider is not None and loaded.document.node(("providers",)) is not None
            is_part = is_one or (spec.tests is not None and not checked.cases)
            plan = _plan(spec, str(path), checked, options, is_part=is_part)
        except SpecError as error:
            problems += error.problems
            continue
        problem = _check_rows(plan, options)
        if problem is None:
            plans.append(plan)
        else:
            problems.append(problem)
    problems += _of_one_name(plans)
    if not plans and not any(problem.severity == "error" for problem in problems):
        problems.append(Problem("", 0, 0, f"No spec has the tag {' or '.join(options.tags)}; nothing was selected."))
    return plans, problems


def _of_one_name(plans: Sequence[Plan]) -> Iterator[Problem]:
    """Also where the names differ in upper and lower case only: many file systems see no difference."""
    first: dict[str, Plan] = {}
    for plan in plans:
        other = first.setdefault(plan.name.casefold(), plan)
        if other is not plan:
            message = f"This spec is called `{plan.name}`, and so is {other.file}; their results would be mixed up."
            yield Problem(plan.file, 0, 0, message, "Give one of them another `name`, or run them one by one.")


def _left_out_by_only(checked: Checked, options: Options) -> Iterator[Problem]:
    """`only` is for a developer's own machine: what is left in by mistake would turn a suite green that is not run."""
    left_in = [case.written for case in checked.cases if case.written.test.only]
    left_out = sum(not (case.written.test.only or case.written.test.skip) for case in checked.cases)
    if not left_in or not left_out:
        return
    told = f"`only: true` leaves out {left_out:,} of {len(checked.cases):,} tests"
    problem = left_in[0].problem(("only",), f"{told}.", "Remove it when you are done.", key=True)
    if in_ci() and not options.allow_only:
        told += ", and this is CI (the environment has CI)."
        yield replace(problem, message=told, hint="Remove it, or say --allow-only.")
    else:
        yield replace(problem, severity="warning")


def _tags(spec: Spec, options: Options) -> set[str]:
    """Of the spec, and of its tests where these are run; those of a file of tests are not known yet."""
    tags = set(spec.tags)
    if spec.tests is not None and options.tests and options.data is None:
        tags |= set(options.tags) if isinstance(spec.tests, str) else {tag for t in spec.tests for tag in t.tags}
    return tags


def _plan(spec: Spec, file: str, checked: Checked, options: Options, *, is_part: bool) -> Plan:
    assert checked.prompt is not None
    facts = {
        "prompt": [(message.role, message.template.source) for message in checked.prompt.messages],
        "included": checked.prompt.included,
        "schema": None if checked.schema is None else checked.schema.schema,
        "strategy": spec.output.strategy,
        "tools": [(tool.name, tool.description, tool.parameters) for tool in checked.tools],
        "tool_choice": spec.tool_choice.name if isinstance(spec.tool_choice, ToolChoiceSpec) else spec.tool_choice,
    }
    targets = tuple(
        target_of(spec, provider, addresses, answers, facts)
        for provider, addresses, answers in zip(spec.each_provider, checked.addresses, checked.answers, strict=True)
    )
    defaults = {name: declared.default for name, declared in spec.inputs.items() if declared.has_default}
    under = {**defaults, **spec.vars}
    matrix = {name: list(values) for name, values in spec.matrix.items()}
    rows: Rows | Cases
    if checked.cases:
        tags = () if set(options.tags) & set(spec.tags) else options.tags
        rows = Cases(
            checked.cases,
            under=under,
            shared=spec.default_test.vars,
            matrix=matrix,
            over=options.variables,
            choice=options.choice,
            tags=tags,
            repeat=spec.repeat,
            pass_rate=spec.pass_rate,
            types=Types(spec.inputs),
            asked=None if checked.prompt.uses_whole_row else frozenset(use.name for use in checked.prompt.references),
            judge=_judge(spec, checked),
        )
    else:
        rows = Rows(
            checked.source,
            under=under,
            matrix=matrix,
            over=options.variables,
            choice=options.choice,
            data_count=checked.scan.count if checked.scan else 1,
            types=Types(spec.inputs),
            name=file,
        )
    grader = None
    if checked.grader is not None and spec.grader is not None:
        grader = GraderPlan(spec.grader, checked.grader, spec.timeout, spec.retry)
    notes = tuple(
        f"{target.label}: the answers are canned; no model is asked."
        for target in targets
        if PROVIDERS[target.provider].starts_emulator
    )
    return Plan(
        spec.name,
        file,
        spec,
        checked.prompt,
        checked.schema,
        checked.tools,
        rows,
        targets,
        notes,
        grader,
        is_part,
    )


def _judge(spec: Spec, checked: Checked) -> dict[str, Any] | None:
    """What a judgement depends on beside the check and the answer."""
    if spec.grader is None or checked.grader is None:
        return None
    provider = spec.grader.provider
    return {
        "provider": provider.name,
        "model": checked.grader.model,
        "endpoint": provider.endpoint,
        "params": provider.params,
        "repeat": spec.grader.repeat,
    }


def _check_rows(plan: Plan, options: Options) -> Problem | None:
    """Nothing selected is an error, never a green run; nor is a value of another type than `inputs` declares."""
    if plan.cases is not None:
        if plan.cases.total:
            return None
        what = "every test is left out" if plan.cases.skipped else "no test fits --filter"
        return Problem(plan.file, 0, 0, f"Nothing would be run: {what}.")
    if any(declared.type != "string" for declared in plan.spec.inputs.values()) and plan.rows.total is not None:
        try:
            for _ in islice(plan.rows, MANY // 10):
                pass
        except SpecError as error:
            return error.problems[0]
    if options.choice.sample is not None and plan.rows.is_large:
        return Problem(plan.file, 0, 0, f"--sample draws from at most {MANY:,} rows, and there are more. Use --limit.")
    if options.choice.patterns and isinstance(plan.rows, Rows) and not plan.rows.fit_soon():
        patterns = ", ".join(options.choice.patterns)
        return Problem(plan.file, 0, 0, f"--filter {patterns}: no row fits, so nothing would be run.")
    return None
