"""The clients: a provider joined with transport, admission, retry and structured answers."""

from __future__ import annotations

from throughster.client.interface import (
    CLIENTS,
    Interface,
    OfflineInterface,
    OpenAiInterface,
    VllmInterface,
    create_interface,
)
from throughster.client.question import Question

__all__ = [
    "CLIENTS",
    "Interface",
    "OfflineInterface",
    "OpenAiInterface",
    "Question",
    "VllmInterface",
    "create_interface",
]
