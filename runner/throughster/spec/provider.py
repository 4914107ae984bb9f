"""Whom a spec asks: the provider's mapping and its short form."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from throughster.spec.values import FilePath, NonEmptyText, PlainValue, ShortForm, SpecModel, spec_error
from throughster.types import Price

__all__ = ["PROVIDERS", "DeploymentSpec", "PriceSpec", "Provider", "ProviderSpec", "expand_provider", "greedy_field"]

ProviderName: TypeAlias = Literal["offline", "openai", "azure", "mistral", "vllm"]
PROVIDERS: tuple[str, ...] = get_args(ProviderName)
"""The names that `provider` may have."""


_GREEDY = {"temperature": 0, "top_p": 0, "top_k": 1}


def greedy_field(params: Mapping[str, Any]) -> str | None:
    """The sampling parameter that makes a model take the likeliest token always, so that it repeats itself."""
    return next((name for name, value in _GREEDY.items() if params.get(name) == value), None)


def _check_address(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest or not address.isprintable() or " " in address:
        hint = "Write it with its scheme, as in http://127.0.0.1:8000/v1."
        raise spec_error("`api_base` must be a web address.", hint)
    if "?" in rest or "#" in rest:
        raise spec_error("`api_base` must not hold a query (?) or a fragment (#).", "Write the address up to its path.")
    if "@" in rest.partition("/")[0]:
        raise spec_error("`api_base` must not hold a user name or password.", "Keys come from the environment.")
    return address


ApiBase: TypeAlias = Annotated[
    str,
    AfterValidator(_check_address),
    WithJsonSchema({"type": "string", "pattern": r"^https?://[^\s@/?#]+(/[^\s?#]*)?$"}),
]


class PriceSpec(SpecModel):
    """What tokens cost, in USD per million."""

    input: Annotated[float, Field(ge=0)]
    """Prompt tokens."""
    output: Annotated[float, Field(ge=0)]
    """Completion tokens."""
    cached_input: Annotated[float, Field(ge=0)] | None = None
    """Prompt tokens that the service had cached; by default the price of `input`."""

    @property
    def as_price(self) -> Price:
        return Price(self.input, self.output, self.cached_input)


class DeploymentSpec(SpecModel):
    """One of several places that share a provider's requests."""

    model: NonEmptyText | None = None
    """The deployment's or model's name; by default the provider's."""
    api_base: ApiBase | None = None
    """Its address; by default the provider's."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share of the requests."""
    price: PriceSpec | None = None
    """What its tokens cost; by default the provider's price."""


def _expand_deployment(text: str) -> dict[str, Any]:
    return {"api_base": text} if text.startswith(("http://", "https://")) else {"model": text}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_DEPLOYMENT = ShortForm(_is_text, _expand_deployment, "a name, an address or a mapping", {"type": "string"})


class ProviderSpec(SpecModel):
    """A service and a model. It never holds a key: keys come from the environment."""

    name: ProviderName
    """Which kind of service."""
    model: NonEmptyText | None = None
    """The model; for Azure the deployment's name. By default from the environment."""
    api_base: ApiBase | None = None
    """The address up to `/chat/completions`. By default from the environment."""
    api_version: NonEmptyText | None = None
    """Azure only."""
    endpoint: Literal["chat/completions", "responses"] = "chat/completions"
    """Which of the service's interfaces to use."""
    params: dict[str, PlainValue] = Field(default_factory=dict)
    """Sampling parameters, with the names of the OpenAI API; only what is set is sent."""
    price: PriceSpec | None = None
    """What tokens cost."""
    label: NonEmptyText | None = None
    """Its name in results; by default `provider:model`."""
    answers: FilePath | None = None
    """For `offline`: the file with its answers."""
    deployments: (
        Annotated[tuple[Annotated[DeploymentSpec, _DEPLOYMENT], ...], Field(strict=False, min_length=1, max_length=100)]
        | None
    ) = None
    """Several deployments or addresses that share the requests."""

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if self.answers is not None and self.name != "offline":
            message = "`answers` belongs to the offline provider only."
            raise spec_error(message, "Remove it, or use `name: offline`.", at=("answers",))
        if self.api_version is not None and self.name != "azure":
            message = "`api_version` belongs to the azure provider only."
            raise spec_error(message, "Remove it, or use `name: azure`.", at=("api_version",))
        return self

    @property
    def shown_label(self) -> str:
        """The label, or `name:model` as far as the spec says them."""
        return self.label or (f"{self.name}:{self.model}" if self.model else self.name)


def expand_provider(text: str) -> dict[str, Any]:
    """Return the mapping that `name` or `name:model` stands for."""
    name, colon, model = text.partition(":")
    return {"name": name, "model": model} if colon else {"name": name}


def _expand_whole(text: str) -> dict[str, Any]:
    if text.endswith(":"):
        raise spec_error("The model is missing after the `:`.", "Write `openai:gpt-4.1-mini`, or only `openai`.")
    return expand_provider(text)


_PROVIDER = ShortForm(
    _is_text,
    _expand_whole,
    "a name such as `offline` or `openai:gpt-4.1-mini`, or a mapping",
    {"type": "string", "pattern": rf"^(?:{'|'.join(PROVIDERS)})(?::.+)?$"},
)

Provider: TypeAlias = Annotated[ProviderSpec, _PROVIDER]
"""A provider in either form."""
