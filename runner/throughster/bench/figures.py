"""What was measured, as it is saved and read again.

The definitions are those of vLLM's own benchmark (`vllm bench serve`), so that figures can be held against each other;
docs/cli.md says where they differ. Time to first token is from the start of a request to the first piece that carries
something of the answer; inter-token latency is the time between two such pieces; time per output token is the time from
the first such piece to the last, divided by the tokens after the first; latency is from the start of a request to the
end of its stream; rates are totals divided by the time from the first request's start to the last one's end.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from throughster.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Bench", "Percentiles", "Step", "percentiles", "read_bench"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds. Of nothing all are NaN, which is written as null."""

    mean: float
    p50: float
    p95: float
    p99: float


def percentiles(values: Sequence[float]) -> Percentiles:
    """Linear interpolation between the two nearest values, as numpy does by default."""
    if not values:
        return Percentiles(math.nan, math.nan, math.nan, math.nan)
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    return Percentiles(sum(ordered) / len(ordered), at(0.50), at(0.95), at(0.99))


@dataclass(frozen=True, slots=True)
class Step:
    """One number of workers. `errors`: failed requests by what failed; they count in no other figure.

    `counted`: whether the server told the tokens of every answer; otherwise pieces of the stream stand for tokens.
    """

    workers: int
    requests: int
    errors: dict[str, int]
    duration_s: float
    prompt_tokens: int
    completion_tokens: int
    counted: bool
    latency_s: Percentiles
    first_token_s: Percentiles
    inter_token_s: Percentiles
    per_output_token_s: Percentiles

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.duration_s

    @property
    def prompt_tokens_per_s(self) -> float:
        return self.prompt_tokens / self.duration_s

    @property
    def completion_tokens_per_s(self) -> float:
        return self.completion_tokens / self.duration_s

    @property
    def total_tokens_per_s(self) -> float:
        return self.prompt_tokens_per_s + self.completion_tokens_per_s


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole benchmark. `target`: who was asked, as `provider:model`; `began_at`: UTC, ISO 8601."""

    name: str
    target: str
    began_at: str
    streamed: bool
    steps: tuple[Step, ...] = field(default=())

    def as_json(self) -> str:
        """Strict JSON, with the rates beside the counts."""
        value = asdict(self)
        for step, told in zip(self.steps, value["steps"], strict=True):
            for rate in ("requests_per_s", "prompt_tokens_per_s", "completion_tokens_per_s", "total_tokens_per_s"):
                told[rate] = getattr(step, rate)
        return json.dumps({"format": FORMAT, **_without_nan(value)}, indent=2, allow_nan=False) + "\n"


def read_bench(path: Path) -> Bench:
    """A benchmark that was saved. Raises SettingsError for what is none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise SettingsError(f"{path} is no result of `throughster bench`, or one of another version.")
    try:
        steps = tuple(_step(told) for told in value["steps"])
        return Bench(value["name"], value["target"], value["began_at"], value["streamed"], steps)
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no whole result of `throughster bench`: {error}.") from error


def _step(told: dict[str, Any]) -> Step:
    known = {f.name for f in fields(Step)}
    values = {name: value for name, value in told.items() if name in known}
    for name in ("latency_s", "first_token_s", "inter_token_s", "per_output_token_s"):
        values[name] = Percentiles(**{k: math.nan if v is None else v for k, v in values[name].items()})
    return Step(**values)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
