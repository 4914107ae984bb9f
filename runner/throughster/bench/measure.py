"""Asking with a fixed number of workers, each its next question as soon as it has its last answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from throughster.bench.figures import Step, percentiles
from throughster.errors import ThroughsterError
from throughster.types import ReasoningDelta, RefusalDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from throughster.client import Calls, Question
    from throughster.types import Message, Response

__all__ = ["Load", "measure", "warm_up"]

_PIECES = (str, ReasoningDelta, RefusalDelta, ToolCallDelta)


@dataclass(frozen=True)
class Load:
    """What is asked: `messages(n)` of the n-th request; the fields, and the `options` of the question, of all."""

    messages: Callable[[int], list[Message]]
    fields: Mapping[str, Any]
    streamed: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    async def question(self, client: Calls) -> Question:
        return await client.question(self.fields, stream=self.streamed, **self.options)


@dataclass
class _Seen:
    """What one step has seen so far."""

    latencies: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    per_token: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True


async def warm_up(client: Calls, load: Load, requests: int) -> None:
    """Ask so many times at once, and forget it. Raises what goes wrong: there is nothing to measure then."""
    question = await load.question(client)
    await asyncio.gather(*(question.ask(load.messages(n)) for n in range(requests)))


async def measure(client: Calls, load: Load, workers: int, requests: int, seconds: float) -> Step:
    """Ask `requests` times with so many workers; after `seconds` no more are begun."""
    question = await load.question(client)
    seen, numbers = _Seen(), count()
    began_at = time.perf_counter()

    async def work() -> None:
        while (n := next(numbers)) < requests and time.perf_counter() - began_at < seconds:
            try:
                await _ask(question, load, n, seen)
            except ThroughsterError as error:
                status = getattr(error, "http_status", None)
                seen.errors[f"{type(error).__name__} {status}" if status else type(error).__name__] += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return Step(
        workers=workers,
        requests=len(seen.latencies),
        errors=dict(seen.errors),
        duration_s=time.perf_counter() - began_at,
        prompt_tokens=seen.prompt_tokens,
        completion_tokens=seen.completion_tokens,
        counted=seen.counted,
        latency_s=percentiles(seen.latencies),
        first_token_s=percentiles(seen.first_tokens),
        inter_token_s=percentiles(seen.between),
        per_output_token_s=percentiles(seen.per_token),
    )


async def _ask(question: Question, load: Load, n: int, seen: _Seen) -> None:
    began_at = last_at = time.perf_counter()
    pieces, first_s = 0, None
    between: list[float] = []
    response: Response | None = None
    if load.streamed:
        async with aclosing(question.stream(load.messages(n))) as items:
            async for item in items:
                if not isinstance(item, list):
                    response = item
                elif carrying := sum(isinstance(delta, _PIECES) for delta in item):
                    now = time.perf_counter()
                    if first_s is None:
                        first_s = now - began_at
                    else:
                        between.append(now - last_at)
                    between += [0.0] * (carrying - 1)
                    last_at = now
                    pieces += carrying
    else:
        response = await question.ask(load.messages(n))
    latency_s = time.perf_counter() - began_at
    usage = response.usage if response is not None else None
    tokens = usage.completion_tokens if usage is not None else pieces
    seen.counted = seen.counted and usage is not None
    seen.prompt_tokens += usage.prompt_tokens if usage is not None else 0
    seen.completion_tokens += tokens
    seen.latencies.append(latency_s)
    seen.between += between
    if first_s is not None:
        seen.first_tokens.append(first_s)
        if tokens > 1:
            seen.per_token.append((last_at - began_at - first_s) / (tokens - 1))
