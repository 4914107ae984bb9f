"""The providers, by the name that a spec and `create_interface` use: a new one is a file here and a row below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.providers.azure import Azure
from throughster.providers.chat import Chat
from throughster.providers.dialect import Dialect
from throughster.providers.mistral import Mistral
from throughster.providers.offline import Offline
from throughster.providers.openai import OpenAi
from throughster.providers.responses import Responses
from throughster.providers.vllm import Vllm

if TYPE_CHECKING:
    from throughster.providers.base import Provider

__all__ = ["DIALECTS", "PROVIDERS", "Dialect"]

DIALECTS: dict[str, Dialect] = {"chat/completions": Chat(), "responses": Responses()}

PROVIDERS: dict[str, Provider] = {
    provider.name: provider for provider in (Offline(), OpenAi(), Azure(), Mistral(), Vllm())
}
