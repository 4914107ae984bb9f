"""What travels through the emulator: its options, a request as it came in, and the reply that goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from throughster.emulator.encoding import json_bytes

if TYPE_CHECKING:
    from throughster.emulator.answers import Answers

__all__ = ["BeforeAnswer", "DialectName", "Operation", "Options", "RecordedRequest", "RejectedError", "Reply", "Route"]

DialectName: TypeAlias = Literal["openai", "azure", "mistral", "vllm"]
Operation: TypeAlias = Literal["chat", "responses", "models", "version", "health"]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it arrived. `headers`: names in lower case; they hold the key. `body`: None where it is no JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, ready for the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of_json(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return cls(status, json_bytes(body), headers or {})


class RejectedError(Exception):
    """The server turns the request down. `status` and `body` are what the provider would send."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers: Mapping[str, str] = headers or {}

    def reply(self) -> Reply:
        return Reply.of_json(self.status, self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. `model`: what the path says (Azure's deployment). `api_version`: Azure's query parameter.

    `guarded`: whether a key is asked for.
    """

    operation: Operation
    model: str | None = None
    api_version: str | None = None
    guarded: bool = True


BeforeAnswer: TypeAlias = Callable[[RecordedRequest, Route], Awaitable[Reply | None]]
"""Runs for each authorised request for an answer before it is made; a reply that it returns is sent instead."""


@dataclass(frozen=True)
class Options:
    """How an emulator behaves.

    `port`: 0 takes a free one. `answers`: looked through before an answer is made up. `model`: the only model (Azure:
    deployment) there is; None accepts any. `api_key`: the only key there is; None accepts any, and none.
    `latency_s`: before the first byte of an answer. `tokens_per_second`: the pace of an answer, None for no pacing.
    `vllm_version`: what that server says it is, and behaves like. `reasoning_models`: whether OpenAI's and Azure's
    rules for reasoning models apply by the model's name, always (a deployment may hide what it is), or never.
    `unsupported_parameters`: top-level names that this server rejects as its provider would.
    `tools_need_responses`: whether OpenAI's and Azure's model takes function tools at the Responses API only.
    `request_log`: called with every request, before anything is decided about it.
    """

    dialect: DialectName = "openai"
    host: str = "127.0.0.1"
    port: int = 0
    answers: Answers | None = None
    model: str | None = None
    api_key: str | None = None
    latency_s: float = 0.0
    tokens_per_second: float | None = None
    vllm_version: str = "0.33.0"
    reasoning_models: Literal["by_name", "always", "never"] = "by_name"
    unsupported_parameters: frozenset[str] = frozenset()
    tools_need_responses: bool = False
    request_log: Callable[[RecordedRequest], None] | None = None
    before_answer: BeforeAnswer | None = None

    def __post_init__(self) -> None:
        if self.latency_s < 0:
            raise ValueError(f"latency_s is {self.latency_s}; a wait cannot be negative")
        if self.tokens_per_second is not None and self.tokens_per_second <= 0:
            raise ValueError(f"tokens_per_second is {self.tokens_per_second}; leave it out for answers without a pace")
