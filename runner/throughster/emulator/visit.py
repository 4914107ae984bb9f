"""One request on its way through the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation
    from throughster.emulator.faults import Fault
    from throughster.emulator.quotas import Account, Standing

__all__ = ["Visit"]


@dataclass(slots=True)
class Visit:
    """What is known so far. `standing`: what the reply's headers tell of the limits; None for what is usual.

    `charged` and `used`: tokens, before the answer and in it. `fault`: what is to spoil the answer.
    """

    request: web.BaseRequest
    stamp: Stamp
    standing: Standing | None
    operation: Operation = "chat"
    account: Account | None = None
    charged: int = 0
    used: int = 0
    fault: Fault | None = None
