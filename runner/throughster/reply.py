"""A whole reply of a server, on its own so that whoever keeps or reads one need not load the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names are looked up without regard to case. `latency_s`: of one that was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_s: float | None = None
