"""What a provider says of its limits, and when it has no room: the part of a dialect that faults and limits speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from throughster.emulator.quotas import Meter, Standing

if TYPE_CHECKING:
    from throughster.emulator.exchange import Operation, RejectedError
    from throughster.emulator.quotas import Overrun

__all__ = ["Trouble", "whole_seconds"]


class Trouble(ABC):
    """One provider's words for limits and failures."""

    usual_limits: ClassVar[tuple[int, int] | None] = None
    """Requests and tokens per minute in the headers of a server that enforces none; None: it has no such headers."""
    settles: ClassVar[bool] = True
    """Whether the tokens charged for an answer are corrected to those it used."""
    counts_refused: ClassVar[bool] = False
    """Whether a request that is refused for its tokens counts as a request."""

    def usual_standing(self, tokens: int) -> Standing:
        """Return what the headers say where no limit is enforced, after one request of so many tokens."""
        if self.usual_limits is None:
            return Standing()
        requests, tokens_limit = self.usual_limits
        return Standing(
            Meter(requests, requests - 1, 60 / requests),
            Meter(tokens_limit, max(0, tokens_limit - tokens), 60 * tokens / tokens_limit),
        )

    @abstractmethod
    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:
        """Return the headers about limits. `tokens`: what the answer used; 0 for a refusal."""

    @abstractmethod
    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:
        """Return the refusal of a request over a limit per minute."""

    @abstractmethod
    def overloaded(self, status: int) -> RejectedError:
        """Return the refusal of a server with too much to do. `status`: 429 or 503."""


def whole_seconds(seconds: float) -> str:
    """Seconds for a header that takes whole ones: rounded up, for a client that comes too early comes in vain."""
    return str(ceil(seconds - 1e-6))
