"""Throughster: a strict, fast prompt runner and an async client for Azure OpenAI, OpenAI, Mistral and vLLM.

Names are resolved when they are first used, so that `import throughster` costs little.
"""

from __future__ import annotations

import importlib
from typing import Any

from throughster._version import __version__

_HOMES = {
    "AnswerError": "errors",
    "AuthError": "errors",
    "AzureInterface": "client",
    "BadRequestError": "errors",
    "BatchError": "errors",
    "BudgetError": "errors",
    "Cache": "exchanges",
    "CassetteError": "errors",
    "ChatRequest": "types",
    "ContentFilterError": "errors",
    "ContextLengthError": "errors",
    "HostNotAllowedError": "errors",
    "Limits": "types",
    "LoadBalancer": "balance",
    "Message": "types",
    "MistralInterface": "client",
    "NotFoundError": "errors",
    "OfflineInterface": "client",
    "OpenAiInterface": "client",
    "Prompt": "prompts",
    "ProviderError": "errors",
    "QuotaError": "errors",
    "RateLimitError": "errors",
    "RefusalError": "errors",
    "RequestError": "errors",
    "RequestTimeoutError": "errors",
    "Response": "types",
    "Result": "running.result",
    "Retry": "types",
    "RunHandle": "running.handle",
    "ServerError": "errors",
    "SettingsError": "errors",
    "Spec": "spec",
    "SpecError": "errors",
    "StreamError": "errors",
    "ThroughsterError": "errors",
    "Timeout": "types",
    "ToolCall": "types",
    "TransportError": "errors",
    "TruncatedError": "errors",
    "Usage": "types",
    "VllmInterface": "client",
    "VllmOpenAiInterface": "client",
    "arun": "running.api",
    "create_interface": "client",
    "load_spec": "spec",
    "record": "exchanges",
    "replay": "exchanges",
    "run": "running.api",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - names of the table above


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
