"""vLLM's errors when it has no room. It has no limits per minute; a gateway before it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.emulator.trouble import Trouble
from throughster.emulator.vllm_request import vllm_error

if TYPE_CHECKING:
    from throughster.emulator.exchange import Operation, RejectedError
    from throughster.emulator.quotas import Overrun, Standing
    from throughster.emulator.vllm_request import VllmRelease

__all__ = ["VllmTrouble"]


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
