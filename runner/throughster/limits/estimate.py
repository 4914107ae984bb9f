"""How many tokens a request will take, before anybody has counted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughster.types import Usage

__all__ = ["Estimator"]

_BYTES_PER_TOKEN = 4.0
_WEIGHT = 0.1  # of the newest answer in the running means


class Estimator:
    """Learns from the usage of every answer: bytes of a request per prompt token, tokens of an answer."""

    def __init__(self) -> None:
        self.bytes_per_token = _BYTES_PER_TOKEN
        self.completion: float | None = None
        self.largest_completion: int | None = None

    def prompt_tokens(self, size: int) -> int:
        """`size`: of the request's body, in bytes."""
        return max(1, round(size / self.bytes_per_token))

    def completion_tokens(self, most: int | None) -> int:
        """`most`: what the request allows, which services charge beforehand; without it, what answers took so far."""
        return most if most is not None else round(self.completion or 0.0)

    def learn(self, size: int, usage: Usage) -> None:
        if usage.prompt_tokens > 0:
            self.bytes_per_token += _WEIGHT * (size / usage.prompt_tokens - self.bytes_per_token)
        tokens = usage.completion_tokens
        self.completion = tokens if self.completion is None else self.completion + _WEIGHT * (tokens - self.completion)
        self.largest_completion = max(tokens, self.largest_completion or 0)
