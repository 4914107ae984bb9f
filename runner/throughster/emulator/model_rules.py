"""What OpenAI's models refuse, by name. These are facts about models, not about the API.

State of late 2026: `max_tokens` is refused by every reasoning model; sampling parameters while a model reasons; a
reasoning effort by models that cannot reason. Both APIs refuse the same, each with its own names and codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Refusal", "effort_of", "is_for_responses_only", "refusal_of", "response_refusal_of", "tools_refusal"]

When: TypeAlias = Literal["by_name", "always", "never"]


class Refusal(NamedTuple):
    """Why a model does not take a request, as OpenAI puts it."""

    message: str
    param: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class _Rules:
    """`effort`: what holds where none is sent. `refused_efforts`: what it cannot be.

    `tools`: when chat completions take them. `reasons`: whether the model can.
    """

    effort: str
    refused_efforts: frozenset[str] = frozenset()
    tools: Literal["always", "without_reasoning", "explicitly_without_reasoning", "never"] = "always"
    refuses_stop: bool = False
    refuses_parallel_calls: bool = False
    reasons: bool = True


_CANNOT_STOP: Final = frozenset({"none"})
_PLAIN: Final = _Rules("none", reasons=False)
_RULES: Final[tuple[tuple[re.Pattern[str], _Rules], ...]] = (
    (re.compile(r"gpt-5(\.\d+)?-chat|gpt-4|gpt-3\.5|chatgpt"), _PLAIN),
    (re.compile(r"o[34](-|$)"), _Rules("medium", _CANNOT_STOP, refuses_stop=True, refuses_parallel_calls=True)),
    (re.compile(r"o\d(-|$)"), _Rules("medium", _CANNOT_STOP, refuses_parallel_calls=True)),
    (re.compile(r"gpt-5\.4"), _Rules("none", tools="without_reasoning")),
    (re.compile(r"gpt-5\.[1-3]"), _Rules("none")),
    (re.compile(r"gpt-5\.6"), _Rules("medium", frozenset({"minimal"}), tools="explicitly_without_reasoning")),
    (re.compile(r"gpt-6-sol"), _Rules("medium", tools="explicitly_without_reasoning")),
    (re.compile(r"gpt-5\.\d"), _Rules("medium")),
    (re.compile(r"gpt-6-astra"), _Rules("medium", _CANNOT_STOP, tools="never")),
    (re.compile(r"gpt-[56]"), _Rules("medium", _CANNOT_STOP)),
)
_UNNAMED: Final = _Rules("medium", _CANNOT_STOP)
_NEUTRAL: Final = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
_RESPONSES_ONLY: Final = re.compile(r"(gpt-\d|o\d).*-(pro|codex|deep-research)(-|$)|codex-")


def refusal_of(model: str, body: Mapping[str, Any], when: When) -> Refusal | None:
    """Why `model` would refuse this chat body, or None. A name that says nothing means a model that accepts all."""
    rules = _rules_of(model, when)
    if rules is None:
        return None
    return _refusal_with_rules(rules, model, body) if rules.reasons else _refusal_without_reasoning(body)


def is_for_responses_only(model: str, when: When) -> bool:
    """Whether chat completions do not have the model at all."""
    return when == "by_name" and _RESPONSES_ONLY.match(model) is not None


def effort_of(model: str, sent: str | None, when: When) -> str | None:
    """How much a model reasons where `sent` is asked for; None where it cannot."""
    rules = _rules_of(model, when)
    return sent or (rules.effort if rules is not None and rules.reasons else None)


def response_refusal_of(model: str, body: Mapping[str, Any], when: When) -> Refusal | None:
    """Why `model` would refuse this body of the Responses API, or None."""
    rules = _rules_of(model, when)
    if rules is None:
        return None
    sent = (body.get("reasoning") or {}).get("effort")
    if not rules.reasons:
        return _response_refusal_without_reasoning(body, sent)
    if sent in rules.refused_efforts:
        message = f"Unsupported value: '{sent}' is not supported with the '{model}' model."
        return Refusal(message, "reasoning.effort", "unsupported_value")
    return None if (sent or rules.effort) == "none" else _response_refused_sampling(body)


def tools_refusal(model: str) -> Refusal:
    """Return chat completions' refusal of tools that the Responses API takes."""
    message = f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
    return Refusal(message + "Please use /v1/responses instead.", "reasoning_effort", None)


def _rules_of(model: str, when: When) -> _Rules | None:
    if when == "never":
        return None
    for pattern, rules in _RULES:
        if pattern.match(model):
            return _UNNAMED if when == "always" and not rules.reasons else rules
    return _UNNAMED if when == "always" else None


def _refusal_without_reasoning(body: Mapping[str, Any]) -> Refusal | None:
    if body.get("reasoning_effort") is not None:
        return Refusal("Unrecognized request argument supplied: reasoning_effort", None, None)
    return None


def _refusal_with_rules(rules: _Rules, model: str, body: Mapping[str, Any]) -> Refusal | None:
    sent = body.get("reasoning_effort")
    if sent in rules.refused_efforts:
        message = f"Unsupported value: 'reasoning_effort' does not support '{sent}' with this model."
        return Refusal(message, "reasoning_effort", "unsupported_value")
    if body.get("max_tokens") is not None:
        return _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    if (sent or rules.effort) != "none":
        refusal = _refused_sampling(rules, body)
        if refusal is not None:
            return refusal
    return _refused_tools(rules, model, body, sent)


def _refused_sampling(rules: _Rules, body: Mapping[str, Any]) -> Refusal | None:
    temperature = body.get("temperature")
    if temperature is not None and temperature != 1:
        return Refusal(
            f"Unsupported value: 'temperature' does not support {temperature} with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    for name, neutral in _NEUTRAL.items():
        if body.get(name) is not None and body[name] != neutral:
            return _unsupported(name)
    for name in ("logprobs", "top_logprobs", "logit_bias"):
        if body.get(name):
            return _unsupported(name)
    if rules.refuses_stop and body.get("stop"):
        return _unsupported("stop")
    if rules.refuses_parallel_calls and body.get("parallel_tool_calls") is not None:
        return _unsupported("parallel_tool_calls")
    return None


def _refused_tools(rules: _Rules, model: str, body: Mapping[str, Any], sent: str | None) -> Refusal | None:
    if not body.get("tools") or rules.tools == "always":
        return None
    effort = sent if rules.tools == "explicitly_without_reasoning" else sent or rules.effort
    if rules.tools != "never" and effort == "none":
        return None
    return tools_refusal(model)


def _response_refusal_without_reasoning(body: Mapping[str, Any], sent: str | None) -> Refusal | None:
    if sent is not None:
        return _unsupported("reasoning.effort")
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        return Refusal("Encrypted content is not supported with this model.", "include", None)
    return None


def _response_refused_sampling(body: Mapping[str, Any]) -> Refusal | None:
    for name, neutral in {"temperature": 1, **_NEUTRAL}.items():
        if body.get(name) is not None and body[name] != neutral:
            return _unsupported(name)._replace(code=None)  # unlike chat completions, without a code
    asked = "message.output_text.logprobs" in (body.get("include") or ())
    if asked or body.get("top_logprobs"):
        message = "logprobs are not supported with reasoning models."
        return Refusal(message, "include" if asked else "top_logprobs", "unsupported_parameter")
    return None


def _unsupported(name: str, advice: str = "") -> Refusal:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{advice}"
    return Refusal(message, name, "unsupported_parameter")
