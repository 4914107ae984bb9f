"""vLLM's Responses API: lenient with keys like its chat completions, and without a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import Field, check_fields
from throughster.emulator.responses_body import check_flat_tools, check_format, question_of, tool_names
from throughster.emulator.responses_items import check_items
from throughster.emulator.responses_reply import ReplyStyle
from throughster.emulator.vllm_request import (
    check_shape,
    check_stop,
    malformed_or_out_of_range,
    refuse_bad_schema,
    vllm_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from throughster.emulator.answering import Outcome
    from throughster.emulator.checks import Fault
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.options import Options
    from throughster.emulator.question import Question
    from throughster.emulator.vllm_request import VllmRelease

__all__ = ["read_vllm_response", "vllm_style"]

_NAME: Final = Field(("string",))
_FLAG: Final = Field(("boolean",))
_OBJECT: Final = Field(("object",))
_FIELDS: Final[Mapping[str, Field]] = {
    "input": Field(("string", "array")),
    "model": _NAME,
    "background": _FLAG,
    "include": Field(("array",), items=_NAME),
    "instructions": _NAME,
    "max_output_tokens": Field(("integer",), 1),
    "metadata": _OBJECT,
    "parallel_tool_calls": _FLAG,
    "previous_response_id": _NAME,
    "reasoning": _OBJECT,
    "repetition_penalty": Field(("number",), 0, open_low=True),
    "request_id": _NAME,
    "seed": Field(("integer",), -(2**63), 2**63 - 1),
    "stop": Field(("string", "array"), items=_NAME),
    "store": _FLAG,
    "stream": _FLAG,
    "stream_options": _OBJECT,
    "structured_outputs": _OBJECT,
    "temperature": Field(("number",), 0, 2),
    "text": _OBJECT,
    "tool_choice": Field(("string", "object"), values=("none", "auto", "required")),
    "tools": Field(("array",)),
    "top_k": Field(("integer",), -1),
    "top_logprobs": Field(("integer",), -1, 20),
    "top_p": Field(("number",), 0, 1, open_low=True),
    "truncation": Field(("string",), values=("auto", "disabled")),
}
_REPEATED: Final[Mapping[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_tool_calls": None,
    "metadata": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": None,
    "reasoning": None,
    "service_tier": "auto",
    "temperature": 1.0,
    "text": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_CONTEXT_TOKENS: Final = 131_072


def read_vllm_response(body: dict[str, Any], model: str, options: Options, release: VllmRelease) -> Question:
    """Return the question in a body that this release takes; unknown keys are ignored. Raises RejectedError."""
    faults = list(_faults(body))
    if faults:
        raise malformed_or_out_of_range(release, faults)
    for name in sorted(options.unsupported_parameters & body.keys()):
        raise vllm_error(release, 400, f"{name} is not supported by this server.", name)
    if body.get("previous_response_id") is not None:
        message = f"Response with id '{body['previous_response_id']}' not found."
        raise vllm_error(release, 404, message, "response_id", kind="invalid_request_error")
    if body.get("background"):
        message = "This vLLM engine does not support `store=True` and therefore does not support the background mode."
        raise vllm_error(release, 400, message, "background", kind="invalid_request_error")
    check_stop(body.get("stop"), release)
    _check_tools(body, release)
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted and body.get("structured_outputs"):
        raise vllm_error(release, 400, "Cannot specify both structured_outputs and text.format")
    if wanted.get("type") == "json_schema":
        refuse_bad_schema(wanted["schema"], release)
    return question_of(body, model, check_shape(body, release))


def _faults(body: dict[str, Any]) -> Iterator[Fault]:
    yield from check_fields(body, _FIELDS, required=("input",), unknown_allowed=True)
    if isinstance(body.get("input"), list):
        yield from check_items(body["input"], unknown_allowed=True)
    if isinstance(body.get("tools"), list):
        yield from check_flat_tools(body["tools"])
    if isinstance(body.get("text"), dict):
        yield from check_format(body["text"], unknown_allowed=True)


def _check_tools(body: dict[str, Any], release: VllmRelease) -> None:
    choice = body.get("tool_choice")
    if choice == "required" and not body.get("tools"):
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise vllm_error(release, 400, message, "tool_choice")
    if isinstance(choice, dict) and (choice.get("type") != "function" or choice.get("name") not in tool_names(body)):
        raise vllm_error(release, 400, "Tool choice 'function' not found in 'tools' parameter.", "tool_choice")
    for tool in body.get("tools") or ():
        refuse_bad_schema(tool.get("parameters", True), release)


def vllm_style(question: Question, outcome: Outcome, stamp: Stamp) -> ReplyStyle:
    """Return how vLLM writes a response: no `error`, numbers for every limit, and one type of last event."""
    given = question.given
    repeated = {name: default if given.get(name) is None else given[name] for name, default in _REPEATED.items()}
    envelope = {
        "id": given.get("request_id") or f"resp_{stamp.unique}",
        "created_at": stamp.created,
        "model": question.model,
        "object": "response",
        **repeated,
        "max_output_tokens": question.max_tokens or _CONTEXT_TOKENS - outcome.prompt_tokens,
        **dict.fromkeys(("input_messages", "output_messages", "kv_transfer_params")),
    }
    return ReplyStyle(
        envelope=envelope,
        call_prefix="chatcmpl-tool-",
        absent_logprobs=None,
        incomplete_event="response.completed",  # vLLM ends every stream so; `status` inside says whether it is whole
        input_details={"input_tokens_per_turn": [], "cached_tokens_per_turn": []},
        output_details={"tool_output_tokens": 0, "output_tokens_per_turn": [], "tool_output_tokens_per_turn": []},
    )
