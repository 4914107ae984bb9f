"""How long an answer keeps its client waiting before its first byte: always the same, or drawn for each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from throughster.emulator.decimals import NUMBER
from throughster.emulator.dice import Dice
from throughster.names import did_you_mean

__all__ = ["Latencies", "Latency", "LognormalLatency", "UniformLatency", "parse_latency"]

_MOST_SIGMA: Final = 5.0  # a hundredth of the draws is then above 100,000 times the median
_OTHER_DICE: Final = 1 << 63  # latencies are drawn apart from faults
_EXAMPLES: Final = "Write seconds such as `0.5`, or `lognormal:0.5,1` (median and sigma), or `uniform:0.1,0.4`."


@dataclass(frozen=True)
class UniformLatency:
    """Any number of seconds from `low_s` to `high_s`, each as likely. Raises ValueError."""

    low_s: float
    high_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.low_s <= self.high_s < math.inf:
            raise ValueError(f"from {self.low_s:g} to {self.high_s:g} s is no span of time")

    def draw_s(self, dice: Dice) -> float:
        return self.low_s + (self.high_s - self.low_s) * dice.fraction()


@dataclass(frozen=True)
class LognormalLatency:
    """Seconds whose logarithm is normally distributed: half below the median, and few that are far above it.

    `sigma`: the standard deviation of the logarithm, up to 5; with 0.5 one in a hundred is above 3.2 times the median,
    with 1 above 10 times. Raises ValueError.
    """

    median_s: float
    sigma: float

    def __post_init__(self) -> None:
        if not 0 <= self.median_s < math.inf:
            raise ValueError(f"the median, {self.median_s:g} s, is no time to wait")
        if not 0 <= self.sigma <= _MOST_SIGMA:
            raise ValueError(f"the sigma, {self.sigma:g}, is not between 0 and {_MOST_SIGMA:g}")

    def draw_s(self, dice: Dice) -> float:
        # Box and Muller, 1958: two even draws make a normal one.
        distance = math.sqrt(-2 * math.log(1 - dice.fraction()))
        return self.median_s * math.exp(self.sigma * distance * math.cos(2 * math.pi * dice.fraction()))


_MODELS: Final[dict[str, type[LognormalLatency | UniformLatency]]] = {
    "lognormal": LognormalLatency,
    "uniform": UniformLatency,
}
_FORM: Final = re.compile(rf"(?:({'|'.join(_MODELS)}):({NUMBER}),)?({NUMBER})", re.ASCII)

Latency: TypeAlias = float | UniformLatency | LognormalLatency
"""Seconds, or what they are drawn from."""


class Latencies:
    """One latency after the other; the same seed draws the same."""

    def __init__(self, latency: Latency, seed: int) -> None:
        self._latency = latency
        self._seed = seed
        self._drawn = 0

    def next_s(self) -> float:
        if isinstance(self._latency, float | int):
            return self._latency
        self._drawn += 1
        return self._latency.draw_s(Dice(((self._seed << 32) + self._drawn) ^ _OTHER_DICE))


def parse_latency(text: str) -> Latency:
    """Return the latency that a text such as `0.5` or `uniform:0.1,0.4` describes. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        name = text.partition(":")[0]
        hint = "" if name in _MODELS else did_you_mean(name, _MODELS)
        raise ValueError(f"`{text}` is no latency. {hint or _EXAMPLES}")
    if found[1] is None:
        return float(found[3])
    try:
        return _MODELS[found[1]](float(found[2]), float(found[3]))
    except ValueError as error:
        raise ValueError(f"in the latency `{text}`: {error}") from None
