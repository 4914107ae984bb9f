"""An operation made from a spec: each example is a row, and its answer goes into a column."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from datasets.formatting.formatting import LazyBatch

from throughster.client.batch import run_batch
from throughster.client.portal import run_in_portal
from throughster.errors import AnswerError, BadRequestError, Problem, RequestError, SpecError
from throughster.names import did_you_mean
from throughster.paths import project_root
from throughster.running.plan import Options, prepare
from throughster.running.values import Types
from throughster.spec.check_templates import check_prompt
from throughster.spec.load import Override, load

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from throughster.client import Calls, Question
    from throughster.prompts import PromptTemplate
    from throughster.running.plan import Plan
    from throughster.schema import AnswerSchema
    from throughster.spec import Spec
    from throughster.types import Response

__all__ = ["SpecOperation", "operation_from_spec"]

_TRUNCATED = ("length", "model_length")


def operation_from_spec(path: str | os.PathLike[str], *, column: str = "output", **overrides: Any) -> SpecOperation:
    """What asks the spec in `path` once per example, whose columns are the prompt's variables.

    The answer (the JSON value where the spec has a schema, else the text) goes into `column`, and why there is none
    into `<column>_error`, which is "" where all is well. `overrides`: top-level keys of the spec, as in
    `provider="openai:gpt-4.1-mini"`. The spec's own data, tests and outputs are left aside. Raises SpecError.
    """
    given = [Override((name,), value, f"{name}={value!r}") for name, value in overrides.items()]
    file = Path(path)
    plan = _plan(file, [*given, Override(("data",), [{}], "data")])
    spec = plan.spec
    several = [name for name in ("matrix", "tools") if getattr(spec, name)]
    if len(plan.targets) > 1:
        several.append("providers")
    if several:
        message = f"An operation gives one answer per example, and this spec has `{several[0]}`."
        raise SpecError([Problem(str(path), 0, 0, message, f"Leave `{several[0]}` out, or override it.")])
    defaults = {name: declared.default for name, declared in spec.inputs.items() if declared.has_default}
    return SpecOperation(
        column=column,
        spec=spec,
        file=str(path),
        prompt=plan.prompt,
        schema=plan.schema,
        client=plan.targets[0].client(),
        fields=plan.targets[0].fields,
        under={**defaults, **spec.vars},
        included=plan.prompt.included,
    )


def _plan(file: Path, overrides: Sequence[Override]) -> Plan:
    """The plan, as if every variable had a value: which columns there are, only the dataset knows."""
    loaded = load(file, overrides)
    if loaded.spec is None or loaded.document is None or not loaded.is_usable:
        raise SpecError(loaded.problems)
    root = project_root(file)
    messages, problems = check_prompt(loaded.spec.prompt, loaded.document, file.resolve().parent, root)
    if problems:
        raise SpecError(problems)
    variables = dict.fromkeys((use.name for message, _ in messages for use in message.template.references), "")
    plans, problems = prepare([file], overrides, Options(variables=variables))
    if not plans:
        raise SpecError([problem for problem in problems if problem.severity == "error"])
    return plans[0]


@dataclass(frozen=True)
class SpecOperation:
    """Made by `operation_from_spec`. Called with an example it returns the new columns; with a batch, theirs.

    A row's own failure (no valid answer, a refusal, a 400) stands in the error column. What every row would meet (a
    wrong key, a service that is down) is raised.
    """

    column: str
    spec: Spec
    file: str
    prompt: PromptTemplate
    schema: AnswerSchema | None
    client: Calls
    fields: Mapping[str, Any]
    under: Mapping[str, Any]
    included: Mapping[str, str]
    _questions: WeakKeyDictionary[asyncio.AbstractEventLoop, Question] = field(
        default_factory=WeakKeyDictionary, repr=False, compare=False
    )

    @property
    def error_column(self) -> str:
        return f"{self.column}_error"

    @property
    def facts(self) -> dict[str, Any]:
        """What shapes its answers."""
        return {
            "column": self.column,
            "prompt": [(message.role, message.template.source) for message in self.prompt.messages],
            "included": dict(self.included),
            "schema": None if self.schema is None else self.schema.schema,
            "strategy": self.spec.output.strategy,
            "max_attempts": self.spec.output.max_attempts,
            "inputs": {name: declared.type for name, declared in self.spec.inputs.items()},
            "client": self.client,
            "fields": dict(self.fields),
            "under": dict(self.under),
        }

    def check_columns(self, columns: Iterable[str]) -> None:
        """Raises SpecError when the prompt uses a variable that neither the spec nor a column gives."""
        known = {*columns, *self.under, "row"}
        missing = {use.name for use in self.prompt.references if not use.optional} - known
        if missing:
            problems = [
                Problem(
                    self.file,
                    0,
                    0,
                    f"`{name}` is undefined: no column of the dataset has it.",
                    did_you_mean(name, known - {"row"}) or f"Columns: {', '.join(sorted(columns))}.",
                )
                for name in sorted(missing)
            ]
            raise SpecError(problems)

    def __call__(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """The new columns of an example, or of a batch as a dataset without a format gives it."""
        if isinstance(example, LazyBatch):
            return self.ask_batch(example)
        return run_in_portal(self.ask(example))

    def ask_batch(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The new columns of a batch, a list each, asked many at a time."""
        names = self._used(batch)
        columns = {name: batch[name] for name in names}
        size = len(next(iter(columns.values()))) if columns else len(batch[next(iter(batch))])
        rows = ({name: values[n] for name, values in columns.items()} for n in range(size))
        answers = run_in_portal(run_batch(self.ask, rows, self.spec.concurrency.max_in_flight, return_exceptions=True))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return {name: [answer[name] for answer in answers] for name in (self.column, self.error_column)}

    async def ask(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """The new columns of one example."""
        used = {name: example[name] for name in self._used(example)}
        values = Types(self.spec.inputs)({**self.under, **used}, self.file)
        messages = self.prompt.render(values)
        try:
            response = await (await self._question()).ask(messages)
        except (AnswerError, BadRequestError) as error:
            return self._row(None, f"{type(error).__name__}: {error}")
        return self._row(response.content if self.schema is None else response.validated_schema, _trouble(response))

    def _row(self, output: Any, error: str) -> dict[str, Any]:
        return {self.column: output, self.error_column: error}

    def _used(self, example: Mapping[str, Any]) -> list[str]:
        """The columns that the prompt needs: decoding others (images, audio) would cost for nothing."""
        if self.prompt.uses_whole_row:
            return list(example)
        wanted = {use.name for use in self.prompt.references}
        return [name for name in example if name in wanted]

    async def _question(self) -> Question:
        loop = asyncio.get_running_loop()
        question = self._questions.get(loop)
        if question is None:
            question = self._questions[loop] = await self.client.question(
                self.fields,
                schema=self.schema,
                strategy=self.spec.output.strategy,
                max_attempts=self.spec.output.max_attempts,
                stream=self.spec.stream,
            )
        return question

    async def keep(self, example: Mapping[str, Any]) -> bool:
        """Whether a filter keeps the example: the answer itself, which must be true or false."""
        return self._verdict(await self.ask(example))

    def keep_batch(self, batch: Mapping[str, Sequence[Any]]) -> list[bool]:
        answers = self.ask_batch(batch)
        rows = zip(answers[self.column], answers[self.error_column], strict=True)
        return [self._verdict(self._row(output, error)) for output, error in rows]

    def _verdict(self, answer: Mapping[str, Any]) -> bool:
        verdict = answer[self.column]
        if not isinstance(verdict, bool):
            found = answer[self.error_column] or f"it answered {str(verdict)[:60]!r}"
            raise RequestError(
                f"{self.file}: a filter needs true or false for every example; {found}. "
                f"Give the spec the schema {{type: boolean}}."
            )
        return verdict

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again. `transform` does so by itself."""
        run_in_portal(self.client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_questions"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _questions=WeakKeyDictionary())


def _trouble(response: Response) -> str:
    """Why a text is not a whole answer; "" where it is."""
    if response.refusal:
        return f"RefusalError: the model refused: {response.refusal}"
    if response.finish_reason == "content_filter":
        return "ContentFilterError: the provider's content filter stopped the answer."
    if response.finish_reason in _TRUNCATED:
        return "TruncatedError: the answer was cut at the token limit (finish_reason `length`). Raise max_tokens."
    return ""
