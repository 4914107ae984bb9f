"""From what a question came to, an answer or an error, to the row's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.errors import (
    AnswerError,
    AuthError,
    BadRequestError,
    ContentFilterError,
    NotFoundError,
    ProviderError,
    QuotaError,
    RefusalError,
    TruncatedError,
)
from throughster.redact import redact_bytes, redact_values
from throughster.retry import LONGEST_HINT_S
from throughster.running.result import Failure, Result, calls_of, to_line

if TYPE_CHECKING:
    from throughster.running.plan import Plan
    from throughster.running.result import Status
    from throughster.running.rows import Row
    from throughster.running.targets import Target
    from throughster.types import Response

__all__ = ["Outcomes", "is_everybodys", "status_of"]


def is_everybodys(error: BaseException) -> bool:
    """Whether every other row would meet it too: a wrong key, no credit, a service that is down or closed for long."""
    if isinstance(error, AuthError | QuotaError | NotFoundError):
        return True
    return isinstance(error, ProviderError) and (
        error.service_down or (error.retryable and (error.retry_after_s or 0.0) > LONGEST_HINT_S)
    )


def status_of(response: Response) -> Status:
    """What an answer is, before anything looks into it."""
    if response.finish_reason == "content_filter":
        return "filtered"
    if response.refusal:
        return "refused"
    if response.finish_reason in ("length", "model_length"):
        return "truncated"
    return "ok"


def _status_of_error(error: Exception) -> Status:
    kinds: tuple[tuple[type[Exception], Status], ...] = (
        (ContentFilterError, "filtered"),
        (TruncatedError, "truncated"),
        (RefusalError, "refused"),
        (AnswerError, "invalid"),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), "error")


class Outcomes:
    """Makes the results of one target's rows."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self._plan = plan
        self._target = target
        self._secrets = tuple(at.key.get_secret_value() for at in target.addresses if at.key is not None)

    def answered(self, row: Row, repeat: int, response: Response, status: Status, **given: Any) -> Result:
        cost_usd = self._target.cost_usd(response.usage, response.deployment)
        is_value = self._plan.schema is not None and not response.tool_calls
        fields = {
            "output": response.validated_schema if is_value else response.content,
            "text": response.content,
            "tool_calls": calls_of(response.tool_calls),
            "finish_reason": response.finish_reason,
            "refusal": response.refusal,
            "usage": response.usage,
            "cost_usd": None if cost_usd is None else 0.0 if response.cached else cost_usd,
            "latency_s": round(response.latency_s, 6),
            "first_token_s": None if response.first_token_s is None else round(response.first_token_s, 6),
            "attempts": response.retry_stats.attempts,
            "cached": response.cached,
            "deployment": response.deployment,
        }
        return self.result(row, repeat, status, **{**fields, **given})

    def failed(self, row: Row, repeat: int, error: Exception) -> Result:
        """An error of ours: what was wrong, with what had arrived and what was billed all the same."""
        reason = Failure(
            type(error).__name__, str(error), getattr(error, "http_status", None), getattr(error, "request_id", None)
        )
        status, attempts = _status_of_error(error), getattr(error, "attempts", ())
        response: Response | None = getattr(error, "response", None)
        if response is not None:
            return self.answered(row, repeat, response, status, attempts=attempts, error=reason, output=None)
        usage = getattr(error, "usage", None)
        return self.result(
            row,
            repeat,
            status,
            text=getattr(error, "partial", None) or None,
            attempts=attempts,
            usage=usage,
            cost_usd=self._target.cost_usd(usage),
            error=reason,
        )

    def result(self, row: Row, repeat: int, status: Status, **given: Any) -> Result:
        target = self._target
        result = Result(
            id=row.id,
            spec=self._plan.name,
            label=target.label,
            provider=target.provider,
            model=target.model,
            deployment=given.pop("deployment", None) or target.deployment,
            row=row.index,
            repeat=repeat,
            digest=f"{target.digest_of(row):016x}",
            checks_digest=f"{row.case.digest:016x}" if row.case is not None else None,
            vars=row.vars,
            planned=self._plan.repeat if row.case is None else row.case.repeat,
            sampled=target.is_sampled,
            status=status,
            **given,
        )
        if self._secrets and redact_bytes(line := to_line(result), self._secrets) != line:
            result = redact_values(result, self._secrets)
        return result


def is_providers(error: Exception) -> bool:
    """Whether a row failed through the provider, not through itself."""
    return isinstance(error, ProviderError) and not isinstance(error, BadRequestError)
