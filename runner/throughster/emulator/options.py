"""How an emulator behaves."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from throughster.emulator.exchange import RecordedRequest, Reply, Route
from throughster.emulator.faults import Fault, check_faults
from throughster.emulator.latency import Latency

if TYPE_CHECKING:
    from throughster.emulator.answers import Answers

__all__ = ["BeforeAnswer", "DialectName", "Options"]

DialectName: TypeAlias = Literal["openai", "azure", "mistral", "vllm"]
BeforeAnswer: TypeAlias = Callable[[RecordedRequest, Route], Awaitable[Reply | None]]
"""Runs for each authorised request for an answer before it is made; a reply that it returns is sent instead."""


@dataclass(frozen=True)
class Options:
    """How an emulator behaves.

    `port`: 0 takes a free one. `answers`: looked through before an answer is made up. `model`: the only model (Azure:
    deployment) there is; None accepts any. `api_key`: the only key there is; None accepts any, and none.
    `latency_s`: before the first byte of an answer. `tokens_per_second`: the pace of an answer, None for no pacing;
    `capacity`: of all answers under way together, None for no bound.
    `requests_per_minute` and `tokens_per_minute`: of each key and model, None for no limit. `rate_window_s`: at most so
    many seconds' worth of them may go at once. `max_concurrent`: how many answers may be under way, None for any
    number; one more is refused with `overload_status`.
    `faults`: what goes wrong on purpose. `seed`: decides which requests the shares of faults strike, and what latencies
    are drawn; the same seed and order of requests give the same.
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
    latency_s: Latency = 0.0
    tokens_per_second: float | None = None
    capacity: float | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    rate_window_s: float = 60.0
    max_concurrent: int | None = None
    overload_status: Literal[429, 503] = 429
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    vllm_version: str = "0.33.0"
    reasoning_models: Literal["by_name", "always", "never"] = "by_name"
    unsupported_parameters: frozenset[str] = frozenset()
    tools_need_responses: bool = False
    request_log: Callable[[RecordedRequest], None] | None = None
    before_answer: BeforeAnswer | None = None

    def __post_init__(self) -> None:
        if isinstance(self.latency_s, float | int) and not 0 <= self.latency_s < math.inf:
            raise ValueError(f"latency_s is {self.latency_s}; it is a number of seconds")
        for name in ("tokens_per_second", "capacity", "requests_per_minute", "tokens_per_minute", "max_concurrent"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be a number above 0, or left out")
        if not 0 < self.rate_window_s <= 60:
            raise ValueError(f"rate_window_s is {self.rate_window_s}; a window has more than 0 and at most 60 seconds")
        if self.overload_status not in (429, 503):
            raise ValueError(f"overload_status is {self.overload_status}; it is 429 or 503")
        check_faults(self.faults)
