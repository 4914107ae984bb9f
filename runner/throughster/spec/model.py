"""What a spec may say: one frozen, strict model for every key, short forms included.

A field's docstring is its description in the JSON Schema that editors read.
"""

from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Tag, model_validator

from throughster.spec.prompt import PromptForms, PromptSpec
from throughster.spec.provider import PROVIDERS, DeploymentSpec, PriceSpec, Provider, ProviderSpec
from throughster.spec.unbuilt import UNBUILT_ENDINGS
from throughster.spec.values import (
    BY_KIND,
    BY_KIND_OR_PATH,
    LIST,
    MAPPING,
    PATH,
    TEXT,
    DataValue,
    FilePath,
    NonEmptyText,
    PlainValue,
    ShortForm,
    SpecModel,
    Text,
    spec_error,
    strip_free_keys,
)
from throughster.types import Limits, Retry, Timeout

__all__ = [
    "OUTPUT_EXTENSIONS",
    "PROVIDERS",
    "BaselineSpec",
    "BudgetSpec",
    "CheckSpec",
    "DefaultTestSpec",
    "DeploymentSpec",
    "GateSpec",
    "GraderSpec",
    "InputSpec",
    "OutputSpec",
    "PriceSpec",
    "PromptSpec",
    "ProviderSpec",
    "Spec",
    "TestSpec",
    "ToolChoiceSpec",
    "ToolSpec",
    "TurnSpec",
]

OUTPUT_EXTENSIONS = (".jsonl", ".csv", ".parquet", ".html", ".xml", ".md")

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
PassRate: TypeAlias = Annotated[float, Field(gt=0, le=1)]
"""A rate of 0 would be met by anything."""
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Count: TypeAlias = Annotated[int, Field(ge=1)]


class InputSpec(SpecModel):
    """A variable that the templates need."""

    type: Literal["string", "number", "integer", "boolean", "array", "object"] = "string"
    """What kind of value it is."""
    description: Text | None = None
    """What it means."""
    default: DataValue = None
    """Its value where no row gives one."""

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set


class OutputSpec(SpecModel):
    """What the answers must look like."""

    json_schema: (
        Annotated[
            Annotated[FilePath, Tag(PATH)] | Annotated[dict[str, PlainValue], Tag(MAPPING)],
            BY_KIND_OR_PATH,
        ]
        | None
    ) = Field(default=None, alias="schema")
    """JSON Schema of the answers: a path, or the schema itself."""
    strategy: Literal["auto", "json_schema", "json_object", "tool", "guided", "prompt"] = "auto"
    """How the model is brought to answer in JSON."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Calls per row until the answer is valid; the validation error is sent back."""


class ToolSpec(SpecModel):
    """A function that the model may call."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """Its name: letters, digits, `_` and `-`."""
    description: Text | None = None
    """When to call it."""
    parameters: dict[str, PlainValue] = Field(default_factory=dict)
    """JSON Schema of its arguments."""


class ToolChoiceSpec(SpecModel):
    """The one function that the model must call."""

    name: NonEmptyText
    """Its name."""


class CheckSpec(SpecModel):
    """A check of one answer."""

    type: NonEmptyText
    """Which check; `not-` in front negates it."""
    value: Any = None
    """What to compare with."""
    threshold: float | None = None
    """The limit: a score, seconds, USD or tokens, as the check has it."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """How much it counts among the case's checks."""
    path: Text | None = None
    """JSONPath into the parsed output."""
    metric: Text | None = None
    """A name to group by."""


class DefaultTestSpec(SpecModel):
    """What every test has."""

    vars: dict[str, DataValue] = Field(default_factory=dict)
    """Values for every test."""
    checks: Annotated[tuple[CheckSpec, ...], Field(strict=False, alias="assert")] = ()
    """Checks for every test."""
    threshold: Share | None = None
    """The weighted score that the checks together must reach; without it each of them must pass."""


class TurnSpec(SpecModel):
    """An earlier turn of a conversation. Its text is taken as it is."""

    role: Literal["user", "assistant"]
    """Who said it."""
    content: NonEmptyText
    """What was said."""


def _check_reason(text: str) -> str:
    if text.strip().casefold() in ("no", "n", "false", "off", "0"):
        raise spec_error(
            f"`skip` is the text `{text}`, which would leave the test out.", "Write true or false, or the reason."
        )
    return text


class TestSpec(DefaultTestSpec):
    """A case: values and the checks that its answer must pass."""

    __test__ = False  # not a pytest class

    id: NonEmptyText | None = None
    """Its name in results."""
    description: Text | None = None
    """What it is about."""
    tags: Annotated[tuple[NonEmptyText, ...], Field(strict=False)] = ()
    """Words to choose it by."""
    messages: Annotated[tuple[TurnSpec, ...], Field(strict=False)] = ()
    """Earlier turns, between the prompt's system message and its question."""
    repeat: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How often it is asked; without it as often as the spec says."""
    pass_rate: PassRate | None = None
    """Share of its repeats that must pass; without it as the spec says."""
    skip: bool | Annotated[NonEmptyText, AfterValidator(_check_reason)] = False
    """Leave it out, and why."""
    only: bool = False
    """Leave out all others."""


_M = TypeVar("_M", bound=SpecModel)


def _checked_limits(model: _M, message: str) -> _M:
    """The mapping of limits, which must have one."""
    names = type(model).model_fields
    if all(getattr(model, name) in (None, {}) for name in names):
        raise spec_error(message, f"It may have {', '.join(f'`{name}`' for name in names)}.", kind="spec_empty")
    return model


class BudgetSpec(SpecModel):
    """What a run may use up."""

    calls: Count | None = None
    """Sends, at most."""
    tokens: Count | None = None
    """Prompt and completion tokens, at most."""
    usd: Positive | None = None
    """US dollars, at most."""

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        return _checked_limits(self, "`budget` has no limit, so anything may be spent.")


class GateSpec(SpecModel):
    """Further conditions for the run as a whole."""

    pass_rate: PassRate | None = None
    """Share of cases that must pass; without it each of them must."""
    groups: dict[str, PassRate] = Field(default_factory=dict)
    """The same for parts of them: `tag:NAME`, or a variable, each of whose values makes a group."""
    max_cost_usd: Annotated[float, Field(ge=0)] | None = None
    """What the run may cost."""
    max_p95_latency_s: Positive | None = None
    """Seconds that 95 % of the calls must stay below."""

    @model_validator(mode="after")
    def _check_conditions(self) -> Self:
        return _checked_limits(self, "`gate` has no condition, so it would hold nothing back.")


class BaselineSpec(SpecModel):
    """An earlier run to compare with."""

    file: FilePath
    """Its results (.jsonl)."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance of a false alarm that the comparison accepts."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A drop of the pass rate up to this is no regression."""
    newly_failing: Literal["fail", "warn"] = "fail"
    """What to do when a case that passed in every repeat passes in none now."""
    on_cannot_tell: Literal["warn", "fail"] = "warn"
    """What to do when there are too few repeats to tell."""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FREE_KEYS = BeforeValidator(strip_free_keys)
_CONCURRENCY = ShortForm(
    _is_count,
    lambda count: {"max_in_flight": count},
    "a whole number or a mapping",
    {"type": "integer", "minimum": 1, "maximum": 100_000},
)


class GraderSpec(SpecModel):
    """The model that judges answers."""

    provider: Provider
    """Whom to ask."""
    repeat: Annotated[int, Field(ge=1, le=100)] = 1
    """How often each answer is judged; the mean of the scores counts."""
    concurrency: Annotated[Limits, _CONCURRENCY] = Limits()
    """How many judgements are under way at once: a number, or a mapping."""


def _check_spec_name(name: str) -> str:
    if name.startswith(".") or not name.isprintable() or any(c in '/\\:*?"<>|' for c in name) or len(name) > 100:
        hint = "Use letters, digits, spaces, `-` and `_`, at most 100."
        raise spec_error("`name` is also the name of a folder, and this cannot be one.", hint)
    return name


def _check_output_name(name: str) -> str:
    if "/" in name or "\\" in name or name.startswith("."):
        raise spec_error("An output is a file name in the run's folder, without a path.", "Use -o to write elsewhere.")
    stem, dot, extension = name.rpartition(".")
    if not stem or not name.isprintable() or f".{extension}".lower() not in OUTPUT_EXTENSIONS:
        found = f"`{dot}{extension[:20]}`" if dot and extension else "no known ending"
        endings = ", ".join(ending for ending in OUTPUT_EXTENSIONS if ending not in UNBUILT_ENDINGS)
        raise spec_error(f"An output's ending says its format, found {found}.", f"Valid endings: {endings}.")
    return name


def _check_distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise spec_error(f"The output `{name}` stands twice.", "Keep one of them.", at=(index,))
        seen.add(name)
    return names


_Row: TypeAlias = dict[str, DataValue]
_OutputName: TypeAlias = Annotated[
    str,
    AfterValidator(_check_output_name),
    Field(json_schema_extra={"pattern": r"^[^./\\][^/\\]*\.(?:jsonl|csv|parquet|html|xml|md)$"}),
]


class Spec(SpecModel):
    """A Throughster spec: what to ask, of whom, with which data, and what to do with the answers."""

    version: Literal[1]
    """The version of this format: 1."""
    name: Annotated[NonEmptyText, AfterValidator(_check_spec_name)]
    """Name of the spec and of its folder of runs; by default the file's name."""
    description: Text | None = None
    """What it is for."""
    tags: Annotated[tuple[NonEmptyText, ...], Field(strict=False)] = ()
    """Words to choose it by."""
    provider: Provider | None = None
    """Whom to ask: a name, `name:model`, or a mapping."""
    providers: Annotated[tuple[Provider, ...], Field(strict=False, min_length=1, max_length=100)] | None = None
    """Instead of `provider`: every row runs on each of them."""
    prompt: Annotated[PromptSpec, PromptForms()]
    """What to ask: a text, `{system, user}`, a list of `{role, content}`, or `{file}`. Jinja2 templates."""
    inputs: dict[str, InputSpec] = Field(default_factory=dict)
    """The variables of the prompt, declared."""
    output: OutputSpec = OutputSpec()
    """What the answers must look like."""
    tools: Annotated[tuple[ToolSpec, ...], Field(strict=False)] = ()
    """Functions that the model may call."""
    tool_choice: (
        Annotated[
            Annotated[Literal["auto", "none", "required"], Tag(TEXT)] | Annotated[ToolChoiceSpec, Tag(MAPPING)],
            BY_KIND,
        ]
        | None
    ) = None
    """Whether, or which of, the tools must be called."""
    stream: bool = False
    """Stream every call."""
    vars: dict[str, DataValue] = Field(default_factory=dict)
    """Values for every row."""
    matrix: dict[str, Annotated[tuple[DataValue, ...], Field(strict=False, min_length=1)]] = Field(default_factory=dict)
    """Lists of values; every row runs with each combination of them."""
    data: (
        Annotated[
            Annotated[FilePath, Tag(PATH)] | Annotated[tuple[_Row, ...], Field(strict=False, min_length=1), Tag(LIST)],
            BY_KIND_OR_PATH,
        ]
        | None
    ) = None
    """The rows: a path (CSV, TSV, JSONL, JSON, YAML, Parquet), or a list of mappings."""
    retry: Annotated[Retry, _FREE_KEYS] = Retry()
    """How a failed call is sent again."""
    concurrency: Annotated[Limits, _CONCURRENCY] = Limits()
    """How many calls are under way at once: a number, or a mapping."""
    timeout: Annotated[Timeout, _FREE_KEYS] = Timeout()
    """How long a call may take."""
    budget: BudgetSpec | None = None
    """What a run may use up."""
    cache: Literal["off", "read", "write", "on"] = "off"
    """Whether answers are kept, and taken, from a local store."""
    tests: (
        Annotated[
            Annotated[FilePath, Tag(PATH)]
            | Annotated[tuple[TestSpec, ...], Field(strict=False, min_length=1), Tag(LIST)],
            BY_KIND_OR_PATH,
        ]
        | None
    ) = None
    """Cases with checks: a path, or a list."""
    default_test: DefaultTestSpec = DefaultTestSpec()
    """What every test has."""
    repeat: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often each row is asked."""
    pass_rate: PassRate = 1.0
    """Share of a case's repeats that must pass."""
    early_stop: bool = False
    """Stop asking a test whose verdict is certain; such results are no baseline."""
    gate: GateSpec | None = None
    """Further conditions for the run as a whole."""
    baseline: BaselineSpec | None = None
    """An earlier run to compare with."""
    grader: GraderSpec | None = None
    """The model that judges answers."""
    outputs: Annotated[
        tuple[_OutputName, ...], Field(strict=False, max_length=100), AfterValidator(_check_distinct)
    ] = ()
    """Files to write into the run's folder; the ending says the format."""

    @model_validator(mode="after")
    def _check_providers(self) -> Self:
        if self.provider is None and self.providers is None:
            raise spec_error("`provider` is missing.", "Say whom to ask, as in `provider: offline`.", at=("provider",))
        if self.provider is not None and self.providers is not None:
            message = "A spec has either `provider` or `providers`, not both."
            raise spec_error(message, "Keep one of them.", at=("providers",))
        labels: dict[str, int] = {}
        for index, provider in enumerate(self.each_provider):
            first = labels.setdefault(provider.shown_label, index)
            if first != index:
                message = f"Two providers are called `{provider.shown_label}` in results."
                raise spec_error(message, "Give each a `label` of its own.", at=("providers", index))
        return self

    @property
    def each_provider(self) -> tuple[ProviderSpec, ...]:
        """The providers, however they were written."""
        return self.providers or ((self.provider,) if self.provider else ())

    def provider_path(self, index: int) -> tuple[str | int, ...]:
        """Return where the `index`-th of `each_provider` stands in the spec."""
        return ("provider",) if self.provider else ("providers", index)
