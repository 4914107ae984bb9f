"""vLLM's OpenAI-compatible server. Source: its chat-completion protocol, versions 0.8 to 0.33."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from throughster.providers.base import CHAT_FIELDS, Provider
from throughster.providers.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Vllm"]


class Vllm(Provider):
    """A key only where the server asks for one; unknown fields are ignored by the server, so they are refused here."""

    name = "vllm"
    title = "vLLM"
    env_prefix = "VLLM_"
    needs_key = False
    fields = CHAT_FIELDS | {
        "add_generation_prompt", "add_special_tokens", "allowed_token_ids", "bad_words", "cache_salt", "chat_template",
        "chat_template_kwargs", "continue_final_message", "documents", "echo", "guided_choice", "guided_grammar",
        "guided_json", "guided_regex", "ignore_eos", "include_reasoning", "include_stop_str_in_output",
        "kv_transfer_params", "length_penalty", "logit_bias", "logprob_token_ids", "max_completion_tokens", "metadata",
        "min_p", "min_tokens", "priority", "prompt_logprobs", "reasoning_effort", "repetition_detection",
        "repetition_penalty", "request_id", "return_prompt_text", "return_token_ids", "return_tokens_as_token_ids",
        "seed", "session_id", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids",
        "stream_interval", "stream_options", "structured_outputs", "thinking_token_budget", "top_k",
        "truncate_prompt_tokens", "truncation_side", "use_beam_search", "user", "vllm_xargs",
    }  # fmt: skip
    version_path = "/version"
    ranges: ClassVar[Mapping[str, Range]] = {"temperature": Range(0), "top_logprobs": Range(-1, is_whole=True)}
    strategies = ("json_schema", "guided", "json_object", "prompt")

    def choice_fields(self, choices: Sequence[str], version: tuple[int, ...] | None) -> Mapping[str, Any]:
        """`structured_outputs` since 0.11; from 0.12 on the older field is ignored without a word."""
        if version is not None and version < (0, 11):
            return {"guided_choice": list(choices)}
        return {"structured_outputs": {"choice": list(choices)}}
