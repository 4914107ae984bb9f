"""vLLM's errors when it has no room. It has no limits per minute; a gateway before it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from throughster.emulator.exchange import RejectedError
from throughster.emulator.openai_trouble import broken_stream
from throughster.emulator.streams import DONE, event
from throughster.emulator.trouble import Trouble, phrase
from throughster.emulator.vllm_request import vllm_error

if TYPE_CHECKING:
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation
    from throughster.emulator.quotas import Overrun, Standing
    from throughster.emulator.vllm_request import VllmRelease

__all__ = ["VllmTrouble"]

_FAILURES: Final = {
    400: ("The request is not valid.", "BadRequestError"),
    404: ("The model does not exist.", "NotFoundError"),
    500: ("EngineCore encountered an issue.", "InternalServerError"),
    501: ("The server does not support this.", "NotImplementedError"),
}


class VllmTrouble(Trouble):
    """Says no number, and not how long to wait."""

    def __init__(self, release: VllmRelease) -> None:
        self._release = release

    def rate_headers(self, standing: Standing, tokens: int, operation: Operation) -> dict[str, str]:  # noqa: ARG002
        return {}

    def rate_limited(self, overrun: Overrun, model: str, operation: Operation) -> RejectedError:  # noqa: ARG002
        message = f"Too many {overrun.limit} per minute for {model}."
        return vllm_error(self._release, 429, message, kind="Too Many Requests")

    def overloaded(self, status: int) -> RejectedError:
        return vllm_error(self._release, status, "Too many queued requests.", kind="Service Unavailable")

    def failure(self, status: int, wait_s: float | None) -> RejectedError:  # noqa: ARG002  # it gives no hint
        if status == 401:
            return RejectedError(401, {"error": "Unauthorized"})
        if status == 503:
            return self.overloaded(503)
        message, kind = _FAILURES.get(status, (f"The request failed: {phrase(status)}.", phrase(status)))
        return vllm_error(self._release, status, message, kind=kind)

    def stream_error(self, operation: Operation, model: str, number: int, stamp: Stamp) -> list[bytes]:  # noqa: ARG002
        if operation == "responses":
            return [broken_stream(operation, number, code=500)]
        error = {"message": "Internal server error", "type": "InternalServerError", "param": None, "code": 500}
        return [event({"error": error}), DONE]
