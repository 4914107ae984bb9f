"""The one error tree. Every error says what, where, what was found and what to do, and every one pickles.

ThroughsterError
|- SpecError             the spec, its data or an option is wrong; carries every Problem of the file
|- SettingsError         a key, an address or a model name is missing
|- RequestError          a wrong request, found before sending
|- HostNotAllowedError   a key or a request would go to a host that nobody allowed
|- ProviderError         the service could not, or would not, answer
|  |- TransportError     no usable reply arrived
|  |  |- RequestTimeoutError
|  |  `- StreamError     a stream broke off, or said something that is no event
|  |- AuthError          401, 403
|  |- NotFoundError      404
|  |- BadRequestError    400, 413, 422 and their like
|  |  |- ContextLengthError
|  |  `- ContentFilterError
|  |- QuotaError         the account is out of credit: waiting does not help
|  |- RateLimitError     429: waiting helps
|  `- ServerError        5xx, 408, 409
|- AnswerError           no valid answer within the attempts
|  |- TruncatedError
|  `- RefusalError
|- CassetteError         a recording is missing, or cannot be read or written
|- BudgetError           the budget of calls, tokens or money is spent
`- BatchError            some requests of a batch failed; `.results` has them all, in order
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AnswerError",
    "AuthError",
    "BadRequestError",
    "BatchError",
    "BudgetError",
    "CassetteError",
    "ContentFilterError",
    "ContextLengthError",
    "HostNotAllowedError",
    "NotFoundError",
    "Problem",
    "ProviderError",
    "QuotaError",
    "RateLimitError",
    "RefusalError",
    "RequestError",
    "RequestTimeoutError",
    "ServerError",
    "SettingsError",
    "SpecError",
    "StreamError",
    "ThroughsterError",
    "TransportError",
    "TruncatedError",
]


class ThroughsterError(Exception):
    """The root. `except ThroughsterError` catches everything this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[ThroughsterError], args: tuple[Any, ...], state: dict[str, Any]) -> ThroughsterError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file. Lines and columns count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    source: str = ""
    width: int = 1
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """`file:line:column: message`, then the source line and a caret under what is meant."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        kind = "" if self.severity == "error" else "warning: "
        text = f"{place}: {kind}{self.message}" if place else f"{kind}{self.message}"
        if self.hint:
            text += f" {self.hint}"
        if self.source and self.line:
            number = str(self.line)
            pad = "".join(c if c == "\t" else " " for c in self.source[: self.column - 1])
            caret = "^" * max(1, min(self.width, len(self.source) - self.column + 1))
            text += f"\n  {number} | {self.source}\n  {' ' * len(number)} | {pad}{caret}"
        return text


class SpecError(ThroughsterError):
    """The spec, its data or an option is wrong. Nothing was sent. `.problems` has every one of them."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = (Problem("", 0, 0, problems),)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(p) if p.file else p.message for p in self.problems))


class SettingsError(ThroughsterError):
    """A key, an address or a model name is missing or malformed; the message says what to set."""


class RequestError(ThroughsterError):
    """A wrong request, found before anything was sent."""


class HostNotAllowedError(ThroughsterError):
    """A key, or a request, would have gone to a host that nobody allowed outside the spec."""


class ProviderError(ThroughsterError):
    """The service could not, or would not, answer.

    `http_status`: the reply's status, or None where there was no reply. `code`: the service's own code.
    `request_id`: what the service calls this exchange. `retry_after_s`: seconds that the service asked to wait;
    `reset_after_s`: seconds until the limit that was hit is whole again, where only that is said.
    `attempts`: every send, as `types.Attempt`. `retryable`: whether the same request may succeed later,
    and `most_resends` how often it is worth trying (None: as often as the caller's policy says).
    `usage`: tokens that were billed all the same. `service_down`: so many sends in a row failed that nothing more is
    sent for now. No key is ever part of it.
    """

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
        most_resends: int | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.most_resends = most_resends
        self.attempts: tuple[Any, ...] = ()
        self.usage: Any = None
        self.reset_after_s: float | None = None
        self.service_down = False
        if retryable is not None:
            self.retryable = retryable

    def with_attempts(self, attempts: Sequence[Any]) -> Self:
        self.attempts = tuple(attempts)
        return self


class TransportError(ProviderError):
    """No usable reply arrived: the connection failed, was reset, or carried something that is no reply."""

    retryable = True
    stale_connection = False
    """A kept-alive connection that the server closed as the request left: nothing was done with it."""


class RequestTimeoutError(TransportError):
    """A clock ran out; the message names which one and after how long."""


class StreamError(TransportError):
    """A stream broke off or carried what is no event. `partial`: the text that had arrived, for diagnosis only."""

    def __init__(self, message: str, *, partial: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.partial = partial


class AuthError(ProviderError):
    """401 or 403: the key is wrong, or may not use this model."""


class NotFoundError(ProviderError):
    """404: no such model, deployment or path."""


class BadRequestError(ProviderError):
    """The service rejects this very request (400, 413, 422): sending it again does not help."""


class ContextLengthError(BadRequestError):
    """Prompt and answer do not fit the model's context."""


class ContentFilterError(BadRequestError):
    """The service's content filter stopped the prompt or the answer. `partial`: text that had arrived before it did."""

    def __init__(self, message: str, *, partial: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.partial = partial


class QuotaError(ProviderError):
    """The account has no credit left, or the request can never fit its limits: waiting does not help."""


class RateLimitError(ProviderError):
    """429: too much at once; waiting helps."""

    retryable = True


class ServerError(ProviderError):
    """The service failed (5xx), or asked for a later try (408, 409, 424)."""

    retryable = True


class AnswerError(ThroughsterError):
    """No valid answer within the attempts.

    `attempts`: every send. `last_text`: the last answer. `validation_errors`: what was wrong with it, one line each.
    `usage`: tokens over all attempts.
    """

    def __init__(
        self,
        message: str,
        *,
        attempts: Sequence[Any] = (),
        last_text: str = "",
        validation_errors: Sequence[str] = (),
        usage: Any = None,
        response: Any = None,
    ) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)
        self.last_text = last_text
        self.validation_errors = tuple(validation_errors)
        self.usage = usage
        self.response = response


class TruncatedError(AnswerError):
    """The answer was cut at the token limit (`finish_reason` is `length`)."""


class RefusalError(AnswerError):
    """The model refused; `last_text` is its refusal."""


class BudgetError(ThroughsterError):
    """The budget of calls, tokens or money is spent. `attempts`, `usage`: of the question, before it was."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.attempts: tuple[Any, ...] = ()
        self.usage: Any = None


class CassetteError(ThroughsterError):
    """No recording fits what is asked, or a cassette cannot be read or written."""


class BatchError(ThroughsterError):
    """Some requests of a batch failed. `results`: responses and errors, in the order of the requests."""

    def __init__(self, message: str, results: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.results = list(results)
