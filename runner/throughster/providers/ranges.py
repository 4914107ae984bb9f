"""What the values of sampling parameters may be: a wrong one would be paid for with a refusal of every row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["RANGES", "Range", "check_value"]

_INF = math.inf
_OF_64_BITS = 2**63
"""No request can hold a number from here on."""


class Range(NamedTuple):
    """Numbers from `low` to `high`; `is_whole`: without a fraction; `words`: said instead of the bounds."""

    low: float = -_INF
    high: float = _INF
    is_whole: bool = False
    words: str = ""

    def __str__(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        if self.words:
            return f"{kind} {self.words}"
        if self.high < _INF:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return kind if self.low == -_INF else f"{kind} from {self.low:g} on"

    def fits(self, value: Any) -> bool:
        """Whether a value is such a number; true and false are none."""
        is_number = type(value) is int or (type(value) is float and not self.is_whole)
        return is_number and self.low <= value <= self.high and -_OF_64_BITS <= value < _OF_64_BITS


_COUNT = Range(1, is_whole=True)
_SHARE = Range(0, 1)
_PENALTY = Range(-2, 2)
RANGES: Mapping[str, Range] = {
    "frequency_penalty": _PENALTY,
    "length_penalty": Range(),
    "max_completion_tokens": _COUNT,
    "max_output_tokens": _COUNT,
    "max_tokens": _COUNT,
    "min_p": _SHARE,
    "min_tokens": Range(0, is_whole=True),
    "n": _COUNT,
    "presence_penalty": _PENALTY,
    "random_seed": Range(0, is_whole=True),
    "repetition_penalty": Range(math.nextafter(0, 1), words="above 0"),
    "seed": Range(is_whole=True),
    "temperature": Range(0, 2),
    "top_k": Range(-1, is_whole=True),
    "top_logprobs": Range(0, 20, is_whole=True),
    "top_p": _SHARE,
}
_SWITCHES = frozenset({
    "echo", "ignore_eos", "include_reasoning", "logprobs", "parallel_tool_calls", "safe_prompt", "skip_special_tokens",
    "spaces_between_special_tokens", "store", "use_beam_search",
})  # fmt: skip
_TEXTS = frozenset({"prompt_cache_key", "reasoning_effort", "safety_identifier", "service_tier", "user", "verbosity"})
_MAPPINGS = frozenset({"chat_template_kwargs", "extra_body", "logit_bias", "metadata", "structured_outputs"})


def check_value(name: str, value: Any, ranges: Mapping[str, Range]) -> tuple[str, str]:
    """What is wrong with the value of a parameter, and what to do; two empty texts where nothing is known to be.

    `ranges`: the provider's own, before the common ones.
    """
    if value is None:
        return "", ""
    if (known := ranges.get(name) or RANGES.get(name)) is not None:
        return ("", "") if known.fits(value) else (f"`{name}` must be {known}, found {_shown(value)}.", _hint(value))
    if name in _SWITCHES and not isinstance(value, bool):
        return f"`{name}` must be true or false, found {_shown(value)}.", ""
    if name in _TEXTS and not isinstance(value, str):
        return f"`{name}` must be text, found {_shown(value)}.", "Put it in quotes."
    if name in _MAPPINGS and not isinstance(value, Mapping):
        return f"`{name}` must be a mapping, found {_shown(value)}.", ""
    if name == "stop" and not _is_stop(value):
        return f"`stop` must be a text or a list of texts, found {_shown(value)}.", "Put it in quotes."
    return "", ""


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(text, str) for text in value))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text `{value[:60]}`"
    if isinstance(value, list | tuple | Mapping):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _hint(value: Any) -> str:
    """How a number that is written as text is written as a number."""
    text = value.replace(",", ".") if isinstance(value, str) else ""
    try:
        number = float(text)
    except ValueError:
        return ""
    return (
        f"Write {number:.12g}, {'with a point and ' if number % 1 else ''}without quotes."
        if math.isfinite(number)
        else ""
    )
