"""When a failed send is worth another, and how long to wait before it.

Waits are drawn with full jitter: uniform between 0 and the bound of this send, so that many rows that failed together
do not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter"). A hint of the server is a lower
bound: the wait is the hint plus a little jitter, never earlier. Where a reply only says when the limit will
be whole again, nobody waits on after that, and the last two sends are not spent before it.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from throughster.errors import ProviderError

if TYPE_CHECKING:
    from throughster.types import Retry

__all__ = ["LONGEST_HINT_S", "next_delay_s", "should_retry"]

_KEPT_FOR_RESET = 2

LONGEST_HINT_S = 120.0
"""A hint above this is no pause but a closed door: the question fails, and the error says when to come back."""


def should_retry(error: Exception) -> bool:
    """Whether the same question may be answered later. The provider classified the error; this only reads it."""
    return (
        isinstance(error, ProviderError)
        and error.retryable
        and (error.retry_after_s is None or error.retry_after_s <= LONGEST_HINT_S)
    )


def next_delay_s(retry: Retry, sends: int, error: ProviderError, elapsed_s: float) -> float | None:
    """Seconds to wait after `sends` sends, or None when the question is given up.

    `elapsed_s`: since the first send began. Gives up when the sends are used up or the wait would pass the deadline.
    """
    most = retry.max_attempts if error.most_resends is None else min(retry.max_attempts, error.most_resends + 1)
    if sends >= most or not should_retry(error):
        return None
    bound = min(retry.max_delay_s, retry.initial_delay_s * 2.0 ** min(sends - 1, 60))
    if error.retry_after_s is None:
        delay = random.uniform(0.0, bound)  # noqa: S311 - spreads load, guards nothing
        if error.reset_after_s is not None:
            reset_s = _a_little_after(error.reset_after_s)
            may_wait = most - sends <= _KEPT_FOR_RESET and elapsed_s + reset_s <= retry.deadline_s
            delay = reset_s if may_wait else min(delay, reset_s)
    else:
        delay = _a_little_after(max(0.0, error.retry_after_s))
    if not math.isfinite(delay) or elapsed_s + delay > retry.deadline_s:
        return None
    return delay


def _a_little_after(hint_s: float) -> float:
    """The server's clock and ours differ, and others were told the same."""
    return hint_s + random.uniform(0.0, min(1.0, 0.1 * hint_s))  # noqa: S311 - spreads load, guards nothing
