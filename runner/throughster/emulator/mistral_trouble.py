"""Mistral's headers and errors about limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughster.emulator.exchange import RejectedError
from throughster.emulator.mistral_request import mistral_error
from throughster.emulator.trouble import Trouble, whole_seconds

if TYPE_CHECKING:
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing

__all__ = ["MistralTrouble"]


class MistralTrouble(Trouble):
    """Limits per minute under names of its own, without the time until they are whole again."""

    usual_limits: ClassVar[tuple[int, int] | None] = (360, 2_000_000)

    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:  # noqa: ARG002
        headers: dict[str, str] = {}
        for name, meter in (("req", standing.requests), ("tokens", standing.tokens)):
            if meter is not None:
                headers[f"x-ratelimit-limit-{name}-minute"] = str(meter.limit)
                headers[f"x-ratelimit-remaining-{name}-minute"] = str(meter.remaining)
        if standing.tokens is not None:
            headers["x-ratelimit-tokens-query-cost"] = str(tokens)
        return headers

    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:  # noqa: ARG002
        headers = {"retry-after": whole_seconds(60 if overrun.wait_s is None else overrun.wait_s)}
        if overrun.limit == "requests":  # the gateway counts these
            return RejectedError(429, {"message": "Requests rate limit exceeded"}, headers)
        error = mistral_error(429, "Rate limit exceeded", "rate_limited", "1300")
        return RejectedError(429, error.body, headers)

    def overloaded(self, status: int) -> RejectedError:
        kind = "service_tier_capacity_exceeded"
        return mistral_error(status, "Service tier capacity exceeded for this model.", kind, "3505")
