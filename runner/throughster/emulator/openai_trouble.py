"""OpenAI's headers and errors about limits."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final

from throughster.emulator.exchange import RejectedError
from throughster.emulator.trouble import Trouble, whole_seconds

if TYPE_CHECKING:
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing

__all__ = ["OpenAITrouble", "go_duration"]

_LIMITS: Final = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}


class OpenAITrouble(Trouble):
    """Limits in `x-ratelimit-*`, times to wait as Go prints them."""

    usual_limits: ClassVar[tuple[int, int] | None] = (10_000, 2_000_000)

    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:  # noqa: ARG002
        headers: dict[str, str] = {}
        for name, meter in (("requests", standing.requests), ("tokens", standing.tokens)):
            if meter is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(meter.limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(meter.remaining)
                headers[f"x-ratelimit-reset-{name}"] = go_duration(meter.reset_s)
        return headers

    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:  # noqa: ARG002
        limit = f"{model} on {_LIMITS[overrun.limit]}: Limit {overrun.per_minute}"
        if overrun.wait_s is None:
            message = f"Request too large for {limit}, Requested {overrun.asked}. It must be made smaller to succeed."
            return _error(429, message, overrun.limit, "rate_limit_exceeded")
        message = f"Rate limit reached for {limit}, Used {overrun.used}, Requested {overrun.asked}."
        message += f" Please try again in {go_duration(ceil(overrun.wait_s * 1000) / 1000)}."
        return _error(429, message, overrun.limit, "rate_limit_exceeded", overrun.wait_s)

    def overloaded(self, status: int) -> RejectedError:
        if status == 429:
            return _error(429, "There are too many requests at once. Slow down.", "rate_limit_error", "slow_down")
        return _error(status, "The server is overloaded.", "service_unavailable_error", "server_is_overloaded")


def _error(status: int, message: str, kind: str, code: str | None, wait_s: float | None = None) -> RejectedError:
    error = {"message": message, "type": kind, "param": None, "code": code}
    headers: dict[str, str] = {}
    if wait_s is not None:
        headers = {"retry-after": whole_seconds(wait_s), "retry-after-ms": str(ceil(wait_s * 1000))}
    return RejectedError(status, {"error": error}, headers)


def go_duration(seconds: float) -> str:
    """How Go prints a duration, to the millisecond: `6ms`, `1.2s`, `6m0s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
