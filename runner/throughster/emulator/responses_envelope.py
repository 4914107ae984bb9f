"""What OpenAI's Responses API repeats of a request in its reply, with the defaults that it fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator.dialect import Stamp

__all__ = ["openai_envelope"]

_DEFAULTS: Final[Mapping[str, Any]] = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "moderation": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def openai_envelope(given: Mapping[str, Any], model: str, effort: str | None, stamp: Stamp) -> dict[str, Any]:
    """Return what a response object has beside its answer. `effort`: None for a model that does not reason."""
    repeated = {name: default if given.get(name) is None else given[name] for name, default in _DEFAULTS.items()}
    reasoning = given.get("reasoning") or {}
    return {
        "id": f"resp_{stamp.unique}",
        "object": "response",
        "created_at": stamp.created,
        "completed_at": None,
        "error": None,
        "model": model,
        **repeated,
        "reasoning": {"effort": effort, "summary": reasoning.get("summary")},
        "service_tier": "default",
        "text": {"format": {"type": "text"}, "verbosity": "medium", **_present(given.get("text"))},
        "tools": [_tool(tool) for tool in given.get("tools") or ()],
    }


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    # Functions are strict here unless the client says otherwise.
    return {"description": None, "parameters": None, "strict": True, **_present(tool)}


def _present(given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (given or {}).items() if value is not None}
