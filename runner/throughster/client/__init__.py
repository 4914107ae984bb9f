"""The clients: a provider joined with transport, admission, retry and checked answers."""

from __future__ import annotations

from throughster.client.calls import Calls
from throughster.client.clients import (
    CLIENTS,
    AzureInterface,
    MistralInterface,
    OfflineInterface,
    OpenAiInterface,
    VllmInterface,
    VllmOpenAiInterface,
    create_interface,
)
from throughster.client.interface import Interface
from throughster.client.question import Question
from throughster.client.stream import Stream

__all__ = [
    "CLIENTS",
    "AzureInterface",
    "Calls",
    "Interface",
    "MistralInterface",
    "OfflineInterface",
    "OpenAiInterface",
    "Question",
    "Stream",
    "VllmInterface",
    "VllmOpenAiInterface",
    "create_interface",
]
