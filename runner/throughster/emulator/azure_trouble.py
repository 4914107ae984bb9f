"""Azure OpenAI's headers and errors about limits."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final

from throughster.emulator.exchange import RejectedError
from throughster.emulator.quotas import Meter
from throughster.emulator.trouble import Trouble, whole_seconds

if TYPE_CHECKING:
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing

__all__ = ["AzureTrouble"]

# Seen in November 2025: the Responses API tells nothing about tokens, and not how long to wait.
_UNTOLD: Final = Meter(-1, -1, 0)


class AzureTrouble(Trouble):
    """Limits under OpenAI's names, times to wait in whole seconds. What was charged for an answer stays charged."""

    usual_limits: ClassVar[tuple[int, int] | None] = (3_000, 500_000)
    settles: ClassVar[bool] = False
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
        message = "The system is currently experiencing high demand and cannot process your request."
        return _error(status, "too_many_requests" if status == 429 else "ServiceUnavailable", message)


def _error(status: int, code: str, message: str, wait_s: float | None = None) -> RejectedError:
    headers: dict[str, str] = {}
    if wait_s is not None:
        headers = {"retry-after": whole_seconds(wait_s), "retry-after-ms": str(ceil(wait_s * 1000))}
    return RejectedError(status, {"error": {"code": code, "message": message}}, headers)
