"""OpenAI, api.openai.com. Source: the API reference of chat completions, state of 2026-11."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughster.providers.base import CHAT_FIELDS, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OpenAi"]


class OpenAi(Provider):
    """Bearer key; `max_tokens` is deprecated and refused by reasoning models, so the newer name goes out."""

    name = "openai"
    title = "OpenAI"
    env_prefix = "OPENAI_"
    env_aliases: ClassVar[Mapping[str, tuple[str, ...]]] = {"api_base": ("OPENAI_BASE_URL",)}
    home: ClassVar[str | None] = "https://api.openai.com/v1"
    fields = CHAT_FIELDS | {
        "audio", "logit_bias", "max_completion_tokens", "metadata", "modalities", "moderation", "prediction",
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "safety_identifier",
        "seed", "service_tier", "store", "stream_options", "user", "verbosity", "web_search_options",
    }  # fmt: skip
    strict_schemas = True

    def renames(self, api_version: str | None) -> Mapping[str, str]:  # noqa: ARG002
        return {"max_tokens": "max_completion_tokens"}
