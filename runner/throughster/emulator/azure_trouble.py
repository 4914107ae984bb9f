"""Azure OpenAI's headers and errors about limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from throughster.emulator.exchange import RejectedError
from throughster.emulator.openai_trouble import broken_stream
from throughster.emulator.quotas import Meter
from throughster.emulator.trouble import Trouble, phrase, retry_headers, whole_seconds

if TYPE_CHECKING:
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing

__all__ = ["AzureTrouble"]

_BUSY: Final = "The system is currently experiencing high demand and cannot process your request."
_FAILURES: Final = {
    401: ("401", "Access denied due to invalid subscription key or wrong API endpoint."),
    403: ("PermissionDenied", "The principal lacks the required data action."),
    404: ("DeploymentNotFound", "The API deployment for this resource does not exist."),
    408: ("Timeout", "The operation was timeout."),
    500: ("InternalServerError", "Backend returned unexpected response."),
}
# Seen in November 2025: the Responses API tells nothing about tokens, and not how long to wait.
_UNTOLD: Final = Meter(-1, -1, 0)


class AzureTrouble(Trouble):
    """Limits under OpenAI's names, times to wait in whole seconds. What was charged for an answer stays charged."""

    usual_limits: ClassVar[tuple[int, int] | None] = (3_000, 500_000)
    settles: ClassVar[bool] = False
    knows_milliseconds: ClassVar[bool] = True
    counts_refused: ClassVar[bool] = True

    def __init__(self, *, is_enforced: bool) -> None:
        self._is_enforced = is_enforced

    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:  # noqa: ARG002
        told = standing.tokens
        if self._is_enforced and operation == "responses" and told is not None:
            told = _UNTOLD
        headers: dict[str, str] = {}
        for name, meter in (("requests", standing.requests), ("tokens", told)):
            if meter is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(meter.limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(meter.remaining)
                headers[f"x-ratelimit-reset-{name}"] = whole_seconds(meter.reset_s)
        return headers

    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:
        wait_s = 60.0 if overrun.wait_s is None else overrun.wait_s
        code, kind = ("429", "token") if overrun.limit == "tokens" else ("RateLimitReached", "call")
        message = f"Your requests to {model} have exceeded the {kind} rate limit of your current pricing tier."
        if operation == "responses":
            return _error(429, code, message)
        error = _error(429, code, f"{message} Please retry after {whole_seconds(wait_s)} seconds.", wait_s)
        # A refusal for tokens does not know how many requests are left.
        unknown = {"x-ratelimit-remaining-requests": "-1"} if overrun.limit == "tokens" else {}
        return RejectedError(429, error.body, {**error.headers, **unknown})

    def overloaded(self, status: int) -> RejectedError:
        return _error(status, "too_many_requests" if status == 429 else "ServiceUnavailable", _BUSY)

    def failure(self, status: int, wait_s: float | None) -> RejectedError:
        if status == 429:
            message = "Requests have exceeded the call rate limit of your current pricing tier."
            hint = "" if wait_s is None else f" Please retry after {whole_seconds(wait_s)} seconds."
            return _error(429, "429", message + hint, wait_s)
        if status == 503:
            return _error(503, "ServiceUnavailable", _BUSY, wait_s)
        code, message = _FAILURES.get(status, (str(status), f"The request failed: {phrase(status)}."))
        return _error(status, code, message)

    def stream_error(self, operation: Operation, model: str, number: int, stamp: Stamp) -> list[bytes]:  # noqa: ARG002
        return [broken_stream(operation, number)]


def _error(status: int, code: str, message: str, wait_s: float | None = None) -> RejectedError:
    return RejectedError(status, {"error": {"code": code, "message": message}}, retry_headers(wait_s))
