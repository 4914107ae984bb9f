"""What a provider says of its limits, and when it has no room or fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from throughster.emulator.exchange import Reply
from throughster.emulator.quotas import Meter, Standing

if TYPE_CHECKING:
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation, RejectedError
    from throughster.emulator.quotas import Overrun

__all__ = ["Trouble", "phrase", "retry_headers", "whole_seconds"]

_PROXY_STATUSES: Final = frozenset({502, 504, 520, 522, 524})  # what stands before the server says these, in HTML
_USUAL_WAIT_S: Final = 1.0
_PAGE: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
)


class Trouble(ABC):
    """One provider's words for limits and failures."""

    usual_limits: ClassVar[tuple[int, int] | None] = None
    """Requests and tokens per minute in the headers of a server that enforces none; None: it has no such headers."""
    settles: ClassVar[bool] = True
    """Whether the tokens charged for an answer are corrected to those it used."""
    counts_refused: ClassVar[bool] = False
    """Whether a request that is refused for its tokens counts as a request."""
    knows_milliseconds: ClassVar[bool] = False
    """Whether it sends `retry-after-ms` beside `retry-after`."""

    def usual_standing(self, tokens: int) -> Standing:
        """Return what the headers say where no limit is enforced, after one request of so many tokens."""
        if self.usual_limits is None:
            return Standing()
        requests, tokens_limit = self.usual_limits
        return Standing(
            Meter(requests, requests - 1, 60 / requests),
            Meter(tokens_limit, max(0, tokens_limit - tokens), 60 * tokens / tokens_limit),
        )

    def exhausted_standing(self, retry_after: float | Literal["usual", "none"] = "usual") -> Standing:
        """Return what the headers of a 429 say where no limit is enforced. `retry_after`: as in `failed`."""
        usual = self.usual_standing(0)
        wait_s = _USUAL_WAIT_S if isinstance(retry_after, str) else retry_after
        requests = None if usual.requests is None else Meter(usual.requests.limit, 0, wait_s)
        return Standing(requests, usual.tokens)

    @abstractmethod
    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:
        """Return the headers about limits. `tokens`: what the answer used; 0 for a refusal."""

    @abstractmethod
    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:
        """Return the refusal of a request over a limit per minute."""

    @abstractmethod
    def overloaded(self, status: int) -> RejectedError:
        """Return the refusal of a server with too much to do. `status`: 429 or 503."""

    def failed(self, status: int, retry_after: float | Literal["usual", "none"] = "usual") -> Reply:
        """Return a failure with this status. `retry_after`: seconds; "usual" is as the provider does."""
        wait_s = None if retry_after == "none" else _USUAL_WAIT_S if retry_after == "usual" else retry_after
        reply = _proxy_page(status) if status in _PROXY_STATUSES else self.failure(status, wait_s).reply()
        if not isinstance(retry_after, str):
            hint = {"retry-after": f"{retry_after:.15g}"}
            if self.knows_milliseconds:
                hint["retry-after-ms"] = str(round(retry_after * 1000))
            reply = Reply(reply.status, reply.body, {**reply.headers, **hint}, reply.content_type)
        return reply

    @abstractmethod
    def failure(self, status: int, wait_s: float | None) -> RejectedError:
        """Return a failure of the server's own. `wait_s`: the hint, where this provider gives one; None for none."""

    @abstractmethod
    def stream_error(self, operation: Operation, model: str, number: int, stamp: Stamp) -> list[bytes]:
        """Return the events with which a stream breaks off under status 200. `number`: of events before them."""


def _proxy_page(status: int) -> Reply:
    return Reply(status, _PAGE.format(f"{status} {phrase(status)}").encode(), content_type="text/html")


def phrase(status: int) -> str:
    """What HTTP calls a status; nothing more than `Error` for those that only proxies know."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def whole_seconds(seconds: float) -> str:
    """Seconds for a header that takes whole ones: rounded up, for a client that comes too early comes in vain."""
    return str(ceil(seconds - 1e-6))


def retry_headers(wait_s: float | None) -> dict[str, str]:
    """Return `retry-after` and `retry-after-ms`; nothing for None."""
    if wait_s is None:
        return {}
    return {"retry-after": whole_seconds(wait_s), "retry-after-ms": str(ceil(wait_s * 1000))}
