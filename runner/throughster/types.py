"""The values that travel between levels. Frozen, typed, free of any other module of this package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, TypedDict

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Attempt",
    "ChatRequest",
    "CheckResult",
    "Delta",
    "FinishDelta",
    "Limits",
    "Message",
    "Price",
    "Quota",
    "ReasoningDelta",
    "RefusalDelta",
    "Response",
    "Retry",
    "RetryStats",
    "TextDelta",
    "Timeout",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "UsageDelta",
]

Message: TypeAlias = dict[str, Any]
"""`{"role": ..., "content": ..., ...}` as in the OpenAI API."""


class ChatRequest(TypedDict, total=False):
    """A chat request with the names of the OpenAI API. It is a plain dict: only what is set is sent.

    Fields that only some providers take (`top_k`, `safe_prompt`, ...) may stand in the dict too; one that the
    provider does not take raises `RequestError` before sending. `extra_body` goes to the wire as it is.
    """

    model: str
    messages: list[Message]
    temperature: float
    top_p: float
    max_tokens: int
    max_completion_tokens: int
    n: int
    seed: int
    stop: str | list[str]
    presence_penalty: float
    frequency_penalty: float
    logprobs: bool
    top_logprobs: int
    logit_bias: dict[str, float]
    response_format: dict[str, Any]
    tools: list[Any]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    reasoning_effort: str
    user: str
    metadata: dict[str, Any]
    extra_body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `cached_tokens` are part of the prompt's, `reasoning_tokens` part of the completion's."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `cached_input`: of prompt tokens that the service had at hand."""

    input: float
    output: float
    cached_input: float | None = None

    def cost_usd(self, usage: Usage) -> float:
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * cached + usage.completion_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Quota:
    """What a reply's headers say of the limits per minute. None: not said. Services also send -1 and 0 for unknown."""

    limit_requests: float | None = None
    remaining_requests: float | None = None
    limit_tokens: float | None = None
    remaining_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called.

    `arguments`: the parsed JSON, or the model's text where it is no JSON. `validated`: the instance of the pydantic
    model that was given as the tool, where one was.
    """

    id: str
    name: str
    arguments: Any
    validated: Any = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send. `kind`: `transport` (a send of a question) or `validation` (a question asked again with the error).

    `waited_s`: seconds between the previous send's end and this one.
    """

    n: int
    kind: Literal["transport", "validation"]
    http_status: int | None
    error: str | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class RetryStats:
    """What it took to get the answer: every send in order, and the seconds spent waiting between them."""

    attempts: tuple[Attempt, ...] = ()

    @property
    def waited_s(self) -> float:
        return sum(a.waited_s for a in self.attempts)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer.

    `content`: the text ("" where there is none). `validated_schema`: the pydantic instance or the JSON value, where a
    schema was asked for. `model`: as the server names it. `source`: `provider:model` of the client that asked;
    `deployment`: which of several deployments answered.
    `latency_s`: seconds from the first byte sent to the whole reply of the last attempt. `first_token_s`: for streams.
    `raw`: the reply as parsed JSON (of a stream: the last chunk that carried a choice).
    """

    content: str
    finish_reason: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    logprobs: Any = None
    usage: Usage | None = None
    model: str = ""
    source: str = ""
    deployment: str | None = None
    request_id: str | None = None
    validated_schema: Any = None
    retry_stats: RetryStats = field(default_factory=RetryStats)
    latency_s: float = 0.0
    first_token_s: float | None = None
    cached: bool = False
    raw: Any = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check said of the answer. `score`: 0 to 1. `path`: the part of the answer that it looked at."""

    type: str
    passed: bool
    score: float
    reason: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning, never part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """A piece of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call. `index` counts the calls of this answer from 0; `id` and `name` come once per call."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class FinishDelta:
    """The model stopped, and why."""

    finish_reason: str


@dataclass(frozen=True, slots=True)
class UsageDelta:
    """Tokens, as the server counted them."""

    usage: Usage


Delta: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | FinishDelta | UsageDelta
Piece: TypeAlias = Delta | str
"""A delta on its way to the reader: text is still bare text, since an object for each costs a tenth of a stream."""


class Policy(BaseModel):
    """Base of what a spec and a client both may set: frozen, strict, no unknown key, no inf or nan."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


Positive = Annotated[float, Field(gt=0)]


class Limits(Policy):
    """How much may be under way at once, and per minute, for one client."""

    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Requests under way at once, at most."""
    adaptive: bool = True
    """Find the server's capacity below `max_in_flight` by trying."""
    requests_per_minute: Positive | None = None
    """Requests per minute, at most."""
    tokens_per_minute: Positive | None = None
    """Prompt and completion tokens per minute, at most."""


class Timeout(Policy):
    """The clocks of one send, in seconds."""

    connect_s: Positive = 5.0
    """Until the connection stands."""
    first_token_s: Positive = 60.0
    """Until the first event of a stream."""
    idle_s: Positive = 30.0
    """Between two events of a stream; comments that keep the line open do not count."""
    total_s: Positive = 600.0
    """For the whole send."""


class Retry(Policy):
    """How a question is sent again after a failure that may pass."""

    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 6
    """Sends per question, the first one included."""
    initial_delay_s: Annotated[float, Field(ge=0)] = 0.5
    """The longest first wait; it doubles with each send."""
    max_delay_s: Annotated[float, Field(ge=0)] = 60.0
    """The longest wait."""
    deadline_s: Positive = 600.0
    """For all sends of a question together."""
