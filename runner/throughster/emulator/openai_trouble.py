"""OpenAI's headers and errors about limits."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final

from throughster.emulator.exchange import RejectedError
from throughster.emulator.streams import event
from throughster.emulator.trouble import Trouble, phrase, retry_headers

if TYPE_CHECKING:
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing

__all__ = ["OpenAITrouble", "broken_stream", "go_duration"]

_BROKEN: Final = "The server had an error while processing your request."
_FAILURES: Final[dict[int, tuple[str, str | None]]] = {
    401: ("Incorrect API key provided: sk-***0.", "invalid_api_key"),
    403: ("Country, region, or territory not supported.", "unsupported_country_region_territory"),
    404: ("The model does not exist or you do not have access to it.", "model_not_found"),
}
_LIMITS: Final = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}


class OpenAITrouble(Trouble):
    """Limits in `x-ratelimit-*`, times to wait as Go prints them."""

    usual_limits: ClassVar[tuple[int, int] | None] = (10_000, 2_000_000)
    knows_milliseconds: ClassVar[bool] = True

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

    def failure(self, status: int, wait_s: float | None) -> RejectedError:
        if status == 429:
            hint = "" if wait_s is None else f" Please try again in {go_duration(wait_s)}."
            return _error(429, f"Rate limit reached for requests.{hint}", "requests", "rate_limit_exceeded", wait_s)
        if status == 503:
            return RejectedError(503, self.overloaded(503).body, retry_headers(wait_s))
        if status == 500:
            return RejectedError(500, _error(500, _BROKEN, "server_error", None).body, {"x-should-retry": "true"})
        kind = "invalid_request_error" if status < 500 else "server_error"
        message, code = _FAILURES.get(status, (f"The request failed: {phrase(status)}.", None))
        return _error(status, message, kind, code)

    def stream_error(self, operation: Operation, model: str, number: int, stamp: Stamp) -> list[bytes]:  # noqa: ARG002
        return [broken_stream(operation, number)]


def _error(status: int, message: str, kind: str, code: str | None, wait_s: float | None = None) -> RejectedError:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return RejectedError(status, {"error": error}, retry_headers(wait_s))


def broken_stream(operation: Operation, number: int, *, code: str | int | None = None) -> bytes:
    """Return the event that ends a stream of OpenAI's APIs with an error."""
    error = {"message": _BROKEN, "type": "server_error", "param": None, "code": code}
    if operation == "chat":
        return event({"error": error})
    # The documentation has the error's fields beside `type`; servers send them below `error`.
    return b"event: error\n" + event({"type": "error", "error": error, "sequence_number": number})


def go_duration(seconds: float) -> str:
    """How Go prints a duration, to the millisecond: `6ms`, `1.2s`, `6m0s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
