"""What a spec says, held against the files, the data, the providers and the templates that it names.

Everything is checked before the first request, all problems are collected, and what had to be made for the check
(templates, schema, rows, addresses) is handed on, so that nothing is made twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.emulator import Answers, load_answers
from throughster.errors import HostNotAllowedError, Problem, SettingsError, SpecError
from throughster.inputs import RowSource, Scan, open_rows
from throughster.names import did_you_mean
from throughster.paths import PathProblem, project_root, resolve_inside, resolve_named, shown_path
from throughster.prompts import PromptTemplate
from throughster.providers import DIALECTS, PROVIDERS
from throughster.schema import check_schema
from throughster.settings import Address, parse_address, resolve_address
from throughster.spec.check_cases import CheckedCase, case_source, check_cases, check_columns, check_misplaced
from throughster.spec.check_schema import check_output_schema
from throughster.spec.check_templates import check_prompt
from throughster.spec.check_variables import check_variables
from throughster.spec.model import ToolChoiceSpec
from throughster.spec.provider import greedy_field
from throughster.spec.secrets import find_secrets, hide_secrets, secret_texts
from throughster.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.schema import AnswerSchema
    from throughster.spec.model import ProviderSpec, Spec
    from throughster.yamltree import Document

__all__ = ["Checked", "Outside", "check_spec"]

_MOST_PARAMS = 200  # that are looked at: no service has as many
_NOT_PARAMS = {
    "messages": "`prompt`",
    "model": "`provider.model`",
    "response_format": "`output.schema`",
    "stream": "`stream`",
    "tools": "`tools`",
    "tool_choice": "`tool_choice`",
}


@dataclass(frozen=True)
class Outside:
    """What the command line, or the caller, says beside the spec.

    `data`: rows from this file instead of the spec's. `tests`: whether a spec's tests are run. `variables`: values for
    every row, over all others. `api_base`: where to call, whatever the spec says. `hosts`: hosts that keys may go to.
    `provider`: whom to ask instead of the spec's provider, and `origins`: which option set which key, so that messages
    do not blame the spec. `priced`: every provider must have a price. `keyless`: nothing will be sent, so that no key
    and no address is missing.
    """

    data: Path | None = None
    tests: bool = True
    variables: Mapping[str, Any] = field(default_factory=dict)
    api_base: str | None = None
    hosts: tuple[str, ...] = ()
    provider: str | None = None
    origins: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)
    priced: bool = False
    keyless: bool = False


@dataclass(frozen=True)
class Checked:
    """A spec's parts, ready to use. A part is None, or missing, where a problem stands in its way.

    `addresses`: for each provider its places, several where it has `deployments`. `tools`: in wire-independent form.
    `cases`: of a spec whose tests are run; `grader`: where its judge is.
    """

    problems: tuple[Problem, ...]
    prompt: PromptTemplate | None
    schema: AnswerSchema | None
    source: RowSource | None
    scan: Scan | None
    addresses: tuple[tuple[Address, ...], ...]
    answers: tuple[Answers | None, ...]
    tools: tuple[Tool, ...] = ()
    cases: tuple[CheckedCase, ...] = ()
    grader: Address | None = None


def check_spec(spec: Spec, document: Document, outside: Outside) -> Checked:
    """Check everything that `spec` names. Sends nothing, and reads only files inside the project."""
    return _Check(spec, document, outside).run()


class _Check:
    def __init__(self, spec: Spec, document: Document, outside: Outside) -> None:
        self._spec = spec
        self._document = document
        self._outside = outside
        self._base = Path(document.file).resolve().parent
        self._root = project_root(Path(document.file))
        self._problems: list[Problem] = []

    def run(self) -> Checked:
        providers = self._spec.each_provider
        addresses = tuple(
            tuple(self._addresses(self._spec.provider_path(n), provider)) for n, provider in enumerate(providers)
        )
        answers = tuple(self._answers(n, provider) for n, provider in enumerate(providers))
        messages, problems = check_prompt(self._spec.prompt, self._document, self._base, self._root)
        self._problems += problems
        prompt = None if problems else PromptTemplate(tuple(message for message, _ in messages))
        schema, problems = check_output_schema(self._spec.output, self._document, self._base, self._root)
        self._problems += problems
        cases: tuple[CheckedCase, ...] = ()
        if self._runs_tests:
            cases, problems = check_cases(self._spec, self._document, self._base, self._root, self._outside.variables)
            self._problems += problems
        source, scan = self._rows(cases)
        self._problems += check_variables(
            self._spec,
            self._document,
            messages,
            scan,
            self._outside.variables,
            own_data=self._outside.data is None and not self._runs_tests,
            is_whole=prompt is not None,
        )
        if prompt is not None:
            self._problems += check_columns(self._spec, cases, prompt)
            self._problems += check_misplaced(self._spec, self._document, cases, prompt)
        self._check_without_tests()
        self._check_repeats(cases)
        self._check_budget(addresses)
        tools = tuple(self._tools())
        grader = self._grader()
        secrets = [text for _, value in find_secrets(self._document.value()) for text in secret_texts(value)]
        return Checked(
            tuple(hide_secrets(self._problems, secrets)),
            prompt,
            schema,
            source,
            scan,
            addresses,
            answers,
            tools,
            cases,
            grader,
        )

    @property
    def _runs_tests(self) -> bool:
        return self._spec.tests is not None and self._outside.tests and self._outside.data is None

    def _grader(self) -> Address | None:
        """Where the judge of the tests is."""
        if self._spec.grader is None or not self._runs_tests:
            return None
        return next(self._addresses(("grader", "provider"), self._spec.grader.provider), None)

    def _addresses(self, path: tuple[str | int, ...], spec: ProviderSpec) -> Iterator[Address]:
        provider = PROVIDERS[spec.name]
        for name, home in _NOT_PARAMS.items():
            if name in spec.params:
                message = f"`{name}` is no sampling parameter; it is set with {home}."
                self._say((*path, "params", name), message, "Remove it here.", key=True)
        if spec.endpoint not in provider.endpoints:
            self._say((*path, "endpoint"), f"{provider.title} has no endpoint `{spec.endpoint}`.")
        given = [name for name in spec.params if name not in _NOT_PARAMS][:_MOST_PARAMS]
        for name, message in DIALECTS[spec.endpoint].check_fields(provider, given):
            self._say((*path, "params", name), message, key=True)
        for name, message, hint in provider.check_values(spec.params):
            self._say((*path, "params", name), message, hint)
        self._check_n((*path, "params"), spec.params)
        if path[0] != "grader" and self._spec.output.strategy not in ("auto", *provider.strategies):
            known = ", ".join(("auto", *provider.strategies))
            message = f"{provider.title} has no strategy `{self._spec.output.strategy}`."
            self._say(("output", "strategy"), message, f"It has {known}.")
        if spec.deployments is None:
            where = (*path, "api_base") if spec.api_base and self._given_base(path) is None else path
            for address in self._address(spec, spec.api_base, spec.model, where):
                yield replace(address, price=spec.price.as_price if spec.price else None)
            return
        for k, deployment in enumerate(spec.deployments):
            base, model = deployment.api_base or spec.api_base, deployment.model or spec.model
            for address in self._address(spec, base, model, (*path, "deployments", k)):
                price = deployment.price or spec.price
                yield replace(
                    address, deployment=deployment.model or deployment.api_base, price=price.as_price if price else None
                )

    def _check_n(self, path: Sequence[str | int], params: Mapping[str, Any]) -> None:
        """A row keeps one answer: others would be paid for and lost."""
        extra = params.get("extra_body")
        places = ((path, params), ((*path, "extra_body"), extra if isinstance(extra, Mapping) else {}))
        for place, given in places:
            if isinstance(n := given.get("n"), int) and n > 1:
                self._say((*place, "n"), f"`n: {n}` asks for {n} answers of a row, which keeps one.", "Use `repeat`.")

    def _address(
        self, spec: ProviderSpec, api_base: str | None, model: str | None, path: Sequence[str | int]
    ) -> Iterator[Address]:
        provider = PROVIDERS[spec.name]
        given = self._given_base(path)
        try:
            hosts = self._outside.hosts
            if given is not None:
                hosts = (*hosts, parse_address(given).raw_host or "")
            address = resolve_address(
                provider,
                api_base=given or api_base,
                from_spec=given is None,
                api_version=spec.api_version,
                model=model,
                hosts=hosts,
                keyless=self._outside.keyless,
            )
        except (SettingsError, HostNotAllowedError) as error:
            self._say_provider(path, str(error))
            return
        if address.model is None:
            self._say_provider(
                path,
                f"Which model of {provider.title}? Write `{spec.name}:MODEL`, or set {provider.env_prefix}MODEL_NAME, "
                f"or give --model.",
            )
            return
        yield replace(address, deployment=address.model) if spec.name == "azure" else address

    def _check_repeats(self, cases: Sequence[CheckedCase]) -> None:
        """Repeats that tell less than they seem to: copies, of a model that takes the likeliest token, and a part."""
        if self._spec.early_stop and self._spec.baseline is not None:
            message = "`early_stop` leaves repeats out, so that the results cannot be compared with the `baseline`."
            self._say(("early_stop",), message, "Remove one of them.", key=True)
        most = max((case.written.test.repeat or self._spec.repeat for case in cases), default=self._spec.repeat)
        for n, provider in enumerate(self._spec.each_provider if most > 1 else ()):
            name = greedy_field(provider.params)
            if name is not None:
                path = (*self._spec.provider_path(n), "params", name)
                message = (
                    f"With this `{name}` every repeat is a copy of the same answer; all of them count as one trial."
                )
                self._warn(path, message, "Raise it, or ask once: `repeat: 1`.")

    def _check_without_tests(self) -> None:
        """What is for tests alone says that there should be some. A `gate` and a `baseline` decide over data too."""
        if self._spec.tests is not None or self._document.node(("tests",)) is not None:
            return
        for name in ("default_test", "pass_rate", "early_stop", "grader"):
            if self._document.node((name,)) is not None:
                message = f"`{name}` is for `tests`, and the spec has none, so nothing uses it."
                self._say((name,), message, "Add `tests`, or remove it.", key=True)

    def _check_budget(self, addresses: Sequence[Sequence[Address]]) -> None:
        """A budget of money needs the price of everything that may be asked."""
        budget = self._spec.budget
        is_spec = budget is not None and budget.usd is not None
        if not is_spec and not self._outside.priced:
            return
        for provider, places in zip(self._spec.each_provider, addresses, strict=True):
            if any(place.price is None for place in places):
                message = f"A budget in USD needs the price of {provider.shown_label}, which is not said."
                hint = "Add `price: {input: ..., output: ...}`, in USD per million tokens, to the provider."
                if is_spec:
                    self._say(("budget", "usd"), message, hint)
                else:
                    self._problems.append(Problem("", 0, 0, f"--max-cost: {message}", hint))

    def _tools(self) -> Iterator[Tool]:
        """The tools, each with a schema that can be used; a choice must name one of them."""
        names = [tool.name for tool in self._spec.tools]
        for n, spec in enumerate(self._spec.tools):
            issues = check_schema(spec.parameters, base=self._base, root=self._root) if spec.parameters else []
            for issue in issues:
                at = ("tools", n, "parameters", *issue.pointer)
                self._problems.append(
                    self._document.problem(at, issue.message, issue.hint, key=True, severity=issue.severity)
                )
            if spec.name in names[:n]:
                self._say(("tools", n, "name"), f"Two tools are called `{spec.name}`.")
            yield Tool(spec.name, spec.description or "", spec.parameters)
        choice = self._spec.tool_choice
        if choice is not None and not names:
            self._say(("tool_choice",), "`tool_choice` chooses among `tools`, and there are none.")
        elif isinstance(choice, ToolChoiceSpec) and choice.name not in names:
            self._say(("tool_choice", "name"), f"There is no tool `{choice.name}`.", did_you_mean(choice.name, names))

    def _answers(self, n: int, spec: ProviderSpec) -> Answers | None:
        if spec.answers is None:
            return None
        path = (*self._spec.provider_path(n), "answers")
        try:
            return load_answers(resolve_inside(self._root, self._base, spec.answers))
        except PathProblem as error:
            self._say(path, str(error))
        except SpecError as error:
            self._problems += error.problems
        return None

    def _rows(self, cases: tuple[CheckedCase, ...]) -> tuple[RowSource | None, Scan | None]:
        outside, data = self._outside.data, self._spec.data
        try:
            if self._runs_tests:
                if not cases:
                    return None, None
                source: RowSource = case_source(self._spec, cases)
            elif outside is not None:
                resolve_named(outside)
                source = open_rows(outside, name=str(outside))
            elif data is None:
                return None, None
            elif isinstance(data, str):
                path = resolve_inside(self._root, self._base, data)
                source = open_rows(path, name=shown_path(path))
            else:
                source = open_rows(data, name=self._document.file)
            scan = source.scan()
        except PathProblem as error:
            if outside is not None:
                self._problems.append(Problem(str(outside), 0, 0, str(error)))
            else:
                self._say(("data",), str(error))
            return None, None
        except (SettingsError, SpecError) as error:
            self._problems += getattr(error, "problems", ())
            if isinstance(error, SettingsError):
                self._say(("data",), str(error))
            return None, None
        self._problems += scan.problems
        return source, scan

    def _given_base(self, path: Sequence[str | int]) -> str | None:
        """The address from outside, which is that of whom the spec asks, not of its judge."""
        return None if path[0] == "grader" else self._outside.api_base

    def _say_provider(self, path: Sequence[str | int], message: str) -> None:
        if self._outside.provider is not None and path[0] != "grader":
            self._problems.append(Problem("", 0, 0, f"--provider {self._outside.provider}: {message}"))
        else:
            self._say(path, message)

    def _warn(self, path: Sequence[str | int], message: str, hint: str = "") -> None:
        origin = self._outside.origins.get(tuple(path))
        if origin is not None:
            self._problems.append(Problem("", 0, 0, f"{origin}: {message}", hint, severity="warning"))
        else:
            self._problems.append(self._document.problem(tuple(path), message, hint, severity="warning"))

    def _say(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> None:
        origin = self._outside.origins.get(tuple(path))
        if origin is not None:
            self._problems.append(Problem("", 0, 0, f"{origin}: {message}", hint))
        else:
            self._problems.append(self._document.problem(tuple(path), message, hint, key=key))
