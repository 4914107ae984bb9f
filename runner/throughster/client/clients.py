"""One client class per provider, and the factory."""

from __future__ import annotations

from typing import Any

from throughster.client.interface import Interface
from throughster.errors import SettingsError
from throughster.names import did_you_mean
from throughster.providers import PROVIDERS

__all__ = [
    "CLIENTS",
    "AzureInterface",
    "MistralInterface",
    "OfflineInterface",
    "OpenAiInterface",
    "VllmInterface",
    "VllmOpenAiInterface",
    "create_interface",
]


class OpenAiInterface(Interface):
    """OpenAI. Settings: `OPENAI_API_KEY`, `OPENAI_API_BASE` or `OPENAI_BASE_URL`, `OPENAI_MODEL_NAME`."""

    provider = PROVIDERS["openai"]


class AzureInterface(Interface):
    """Azure OpenAI; `model_name` is the deployment.

    Settings: `AZURE_OPENAI_API_KEY`, `AZURE_OPENAI_API_BASE` or `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_API_VERSION` or
    `OPENAI_API_VERSION`, `AZURE_OPENAI_MODEL_NAME` or `AZURE_OPENAI_DEPLOYMENT`.
    """

    provider = PROVIDERS["azure"]


class MistralInterface(Interface):
    """Mistral. Settings: `MISTRAL_API_KEY`, `MISTRAL_API_BASE`, `MISTRAL_MODEL_NAME`."""

    provider = PROVIDERS["mistral"]


class VllmInterface(Interface):
    """A vLLM server. Settings: `VLLM_API_BASE`, `VLLM_API_KEY` where the server asks for one, `VLLM_MODEL_NAME`."""

    provider = PROVIDERS["vllm"]


VllmOpenAiInterface = VllmInterface


class OfflineInterface(Interface):
    """Canned answers from a server on the loopback interface that the client starts itself."""

    provider = PROVIDERS["offline"]


CLIENTS: dict[str, type[Interface]] = {
    cls.provider.name: cls
    for cls in (OfflineInterface, OpenAiInterface, AzureInterface, MistralInterface, VllmInterface)
}


def create_interface(name: str, **options: Any) -> Interface:
    """A client by its provider's name (offline, openai, azure, mistral, vllm), with the options of `Interface`."""
    if name not in CLIENTS:
        hint = did_you_mean(name, CLIENTS) or f"Known: {', '.join(sorted(CLIENTS))}."
        raise SettingsError(f"Unknown provider `{name}`. {hint}")
    return CLIENTS[name](**options)
