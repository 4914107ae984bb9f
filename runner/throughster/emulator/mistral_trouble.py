"""Mistral's headers and errors about limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughster.emulator.exchange import RejectedError
from throughster.emulator.mistral_request import mistral_error
from throughster.emulator.streams import DONE, event
from throughster.emulator.trouble import Trouble, phrase, whole_seconds

if TYPE_CHECKING:
    from throughster.emulator.dialect import Stamp
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

    def failure(self, status: int, wait_s: float | None) -> RejectedError:
        if status in (401, 404, 405):
            return RejectedError(status, {"detail": phrase(status)})
        if status == 429:
            hint = {} if wait_s is None else {"retry-after": whole_seconds(wait_s)}
            return RejectedError(429, mistral_error(429, "Rate limit exceeded", "rate_limited", "1300").body, hint)
        if status == 503:
            return self.overloaded(503)
        if status == 500:
            return mistral_error(500, "Internal server error", "internal_server_error", "1000")
        kind = "invalid_request_error" if status < 500 else "internal_server_error"
        return mistral_error(status, f"The request failed: {phrase(status)}.", kind, None)

    def stream_error(self, operation: Operation, model: str, number: int, stamp: Stamp) -> list[bytes]:  # noqa: ARG002
        """Return a chunk whose finish reason is `error`: Mistral is known to tell of it so, and in no other way."""
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        about = {"id": stamp.unique, "object": "chat.completion.chunk", "created": stamp.created, "model": model}
        return [event({**about, "choices": [choice]}), DONE]
