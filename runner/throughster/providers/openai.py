"""OpenAI, api.openai.com. Source: the API reference of chat completions, state of 2026-11."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from yarl import URL

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

    def at(self, api_base: str) -> Provider:
        """At an address that is not OpenAI's own, `max_tokens` goes out as it is written: every server knows it."""
        host = URL(api_base).host or ""
        is_home = self.home is None or host == "api.openai.com" or host.endswith(".api.openai.com")
        return self if is_home else _COMPATIBLE


class _Compatible(OpenAi):
    """A server that speaks OpenAI's dialect. Older ones do not know `max_completion_tokens`, or ignore it."""

    def renames(self, api_version: str | None) -> Mapping[str, str]:  # noqa: ARG002
        return {}


_COMPATIBLE = _Compatible()
