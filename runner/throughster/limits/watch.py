"""What somebody who asks many questions holds over their sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from throughster.limits.budget import Budget
    from throughster.types import Attempt

__all__ = ["Watch"]

OnAttempt: TypeAlias = "Callable[[Attempt], None]"


@dataclass(slots=True)
class Watch:
    """`budget` admits each send; `on_attempt` hears of those that failed.

    `sending` has the tasks that have a send under way, so that the others can be stopped without losing anything.
    `patient`: wait while the place is closed or out; otherwise its last error is raised, for whoever can ask elsewhere.
    """

    budget: Budget | None = None
    on_attempt: OnAttempt | None = None
    sending: set[asyncio.Task[object]] = field(default_factory=set)
    patient: bool = True
