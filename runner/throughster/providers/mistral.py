"""Mistral's La Plateforme. Source: its API specification and SDK 3.7, state of 2026-11."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, ClassVar

from throughster.providers.base import CHAT_FIELDS, Provider
from throughster.providers.quota import QuotaHeaders
from throughster.providers.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.types import Message

__all__ = ["Mistral"]

_MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "prefix")
_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class Mistral(Provider):
    """Unknown and null fields are answered with 422, so messages are rebuilt from the keys it knows."""

    name = "mistral"
    title = "Mistral"
    env_prefix = "MISTRAL_"
    home = "https://api.mistral.ai/v1"
    fields = CHAT_FIELDS | {
        "guardrails", "metadata", "min_tokens", "prediction", "prompt_cache_key", "prompt_logprobs", "prompt_mode",
        "random_seed", "reasoning_effort", "repetition_penalty", "safe_prompt", "service_tier", "top_k",
        "top_prompt_logprobs",
    }  # fmt: skip
    endpoints = ("chat/completions",)
    ranges: ClassVar[Mapping[str, Range]] = {"temperature": Range(0, 1.5)}
    quota_headers = QuotaHeaders(
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-remaining-req-minute",
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
    )
    request_id_headers = ("mistral-correlation-id", "x-kong-request-id", "x-request-id")

    def renames(self, api_version: str | None) -> Mapping[str, str]:  # noqa: ARG002
        return {"seed": "random_seed", "max_completion_tokens": "max_tokens"}

    def asks_for_usage(self, api_version: str | None) -> bool:  # noqa: ARG002
        return False  # usage rides on the last chunk unasked; asking was answered with 422

    def build_messages(self, messages: Sequence[Message]) -> Sequence[Message]:
        built = [_message(message) for message in messages]
        if built and built[-1].get("role") == "assistant" and "tool_calls" not in built[-1]:
            built[-1].setdefault("prefix", True)  # the beginning of the answer; without it the service refuses
        return built


def _message(message: Message) -> Message:
    built: dict[str, Any] = {key: message[key] for key in _MESSAGE_KEYS if message.get(key) is not None}
    if built.get("role") == "developer":
        built["role"] = "system"
    if "tool_calls" in built:
        built["tool_calls"] = [_call(call) for call in built["tool_calls"]]
        built.setdefault("content", "")
    if "tool_call_id" in built:
        built["tool_call_id"] = _call_id(built["tool_call_id"])
    return built


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    return {
        "id": _call_id(call.get("id") or ""),
        "type": "function",
        "function": {"name": function.get("name", ""), "arguments": function.get("arguments", "{}")},
    }


def _call_id(call_id: str) -> str:
    """Nine letters and digits, the only form that older models take; another provider's id always maps to the same."""
    return call_id if _CALL_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]
