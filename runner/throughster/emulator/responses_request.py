"""What OpenAI's Responses API takes, and everything for which it turns a request down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import Fault, Field, check_fields
from throughster.emulator.model_rules import effort_of, response_refusal_of
from throughster.emulator.openai_faults import first_fault, openai_error
from throughster.emulator.openai_request import schema_problem
from throughster.emulator.question import message_texts
from throughster.emulator.responses_body import check_flat_tools, check_format, question_of, tool_names
from throughster.emulator.responses_items import check_items, messages_of, unpaired_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from throughster.emulator.exchange import RejectedError
    from throughster.emulator.options import Options
    from throughster.emulator.question import Question

__all__ = ["bad_format", "bad_tool", "read_responses"]

_NAME: Final = Field(("string",))
_OBJECT: Final = Field(("object",))
_FLAG: Final = Field(("boolean",))
_FIELDS: Final[Mapping[str, Field]] = {
    "input": Field(("string", "array")),
    "model": _NAME,
    "background": _FLAG,
    "context_management": Field(("array",)),
    "conversation": Field(("string", "object")),
    "frequency_penalty": Field(("number",), -2, 2),
    "include": Field(("array",), items=_NAME),
    "instructions": _NAME,
    "max_output_tokens": Field(("integer",), 16),
    "max_tool_calls": Field(("integer",), 1),
    "metadata": _OBJECT,
    "moderation": _OBJECT,
    "parallel_tool_calls": _FLAG,
    "presence_penalty": Field(("number",), -2, 2),
    "previous_response_id": _NAME,
    "prompt": _OBJECT,
    "prompt_cache_key": _NAME,
    "prompt_cache_options": _OBJECT,
    "prompt_cache_retention": Field(("string",), values=("in_memory", "24h")),
    "reasoning": _OBJECT,
    "safety_identifier": _NAME,
    "service_tier": Field(("string",), values=("auto", "default", "flex", "scale", "priority", "fast")),
    "store": _FLAG,
    "stream": _FLAG,
    "stream_options": _OBJECT,
    "temperature": Field(("number",), 0, 2),
    "text": _OBJECT,
    "tool_choice": Field(("string", "object"), values=("none", "auto", "required")),
    "tools": Field(("array",), most=128),
    "top_logprobs": Field(("integer",), 0, 20),
    "top_p": Field(("number",), 0, 1),
    "truncation": Field(("string",), values=("auto", "disabled")),
    "user": _NAME,
}
_MOVED: Final = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
}
"""Names of chat completions that the API knows well enough to say where they went."""
_REASONING: Final = {
    "effort": Field(("string",), values=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "summary": Field(("string",), values=("auto", "concise", "detailed")),
    "generate_summary": _NAME,
    "context": _NAME,
    "mode": _NAME,
}
_INCLUDABLE: Final = Field(
    ("string",),
    values=(
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
    ),
)
_REASONING_TOKENS: Final = 32


def read_responses(body: dict[str, Any], model: str, options: Options) -> Question:
    """Return the question in a body that OpenAI takes. Raises RejectedError with its first complaint."""
    _check_names(body, options)
    faults = [*check_fields(body, _FIELDS, required=("input",)), *_part_faults(body)]
    if faults:
        raise first_fault(faults)
    _check_tool_choice(body)
    _check_state(body)
    _check_pairs(body["input"])
    refusal = response_refusal_of(model, body, options.reasoning_models)
    if refusal is not None:
        raise openai_error(400, refusal.message, refusal.param, refusal.code)
    _check_json_word(body)
    _check_schemas(body)
    effort = effort_of(model, (body.get("reasoning") or {}).get("effort"), options.reasoning_models)
    return _with_reasoning(replace(question_of(body, model), may_be_declined=True), effort)


def _with_reasoning(question: Question, effort: str | None) -> Question:
    """Take what a model thinks from what it may write: `max_output_tokens` limits both together."""
    if effort is None or effort == "none":
        return question
    if question.max_tokens is None:
        return replace(question, reasoning_tokens=_REASONING_TOKENS)
    spent = min(_REASONING_TOKENS, question.max_tokens)
    return replace(question, reasoning_tokens=spent, max_tokens=question.max_tokens - spent)


def _check_names(body: Mapping[str, Any], options: Options) -> None:
    for name, place in _MOVED.items():
        if name in body:
            message = f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{place}'."
            raise openai_error(400, message, None if name == "messages" else name, "unsupported_parameter")
    for name in sorted(options.unsupported_parameters & body.keys()):
        # The Responses API sends no code here, unlike chat completions.
        raise openai_error(400, f"Unsupported parameter: '{name}' is not supported with this model.", name)


def _part_faults(body: dict[str, Any]) -> Iterator[Fault]:
    if isinstance(body.get("input"), list):
        yield from check_items(body["input"])
    if isinstance(body.get("tools"), list):
        yield from check_flat_tools(body["tools"])
    if isinstance(body.get("text"), dict):
        yield from check_format(body["text"])
    if isinstance(body.get("reasoning"), dict):
        yield from check_fields(body["reasoning"], _REASONING, place=("reasoning",))
    for position, name in enumerate(body["include"] if isinstance(body.get("include"), list) else ()):
        if isinstance(name, str) and name not in _INCLUDABLE.values:
            yield Fault("value", ("include", position), name, _INCLUDABLE)


def _check_tool_choice(body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice == "required" and not body.get("tools"):
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise openai_error(400, message, "tool_choice")
    if not isinstance(choice, dict):
        return
    wanted = _names_chosen(choice)
    if wanted is None:
        raise openai_error(400, f"Invalid value for 'tool_choice': {choice}.", "tool_choice", "invalid_value")
    names = tool_names(body)
    if any(name not in names for name in wanted):
        message = f"Tool choice '{choice['type']}' not found in 'tools' parameter."
        raise openai_error(400, message, "tool_choice")


def _names_chosen(choice: Mapping[str, Any]) -> list[Any] | None:
    if choice.get("type") == "function":
        return [choice.get("name")]
    tools = choice.get("tools")
    # A tuple, for `mode` may be something that no set can be asked about.
    if choice.get("type") != "allowed_tools" or choice.get("mode") not in ("auto", "required"):
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return None
    return [tool.get("name") for tool in tools]


def _check_state(body: Mapping[str, Any]) -> None:
    """Refuse what refers to something stored: nothing is stored here, whatever `store` says."""
    if body.get("conversation") is not None:
        raise openai_error(404, f"Conversation with id '{_id_of(body['conversation'])}' not found.", "conversation")
    if body.get("prompt") is not None:
        raise openai_error(404, f"Prompt with id '{_id_of(body['prompt'])}' not found.", "prompt")
    if body.get("previous_response_id") is not None:
        message = f"Previous response with id '{body['previous_response_id']}' not found."
        raise openai_error(400, message, "previous_response_id", "previous_response_not_found")
    if body.get("background"):
        raise openai_error(400, "The emulator answers at once; it has no background mode.", "background")
    if not body["input"]:
        names = "\"input\" or \"previous_response_id\" or 'prompt' or 'conversation'"
        raise openai_error(400, f"One of {names} must be provided.", None, "missing_required_parameter")


def _id_of(reference: Any) -> Any:
    return reference.get("id") if isinstance(reference, dict) else reference


def _check_pairs(given: str | list[Any]) -> None:
    unpaired = None if isinstance(given, str) else unpaired_call(given)
    if unpaired is None:
        return
    call_id, is_output = unpaired
    if is_output:
        raise openai_error(400, f"No tool call found for function call output with call_id {call_id}.", "input")
    raise openai_error(400, f"No tool output found for function call {call_id}.", "input")


def _check_json_word(body: Mapping[str, Any]) -> None:
    wanted = (body.get("text") or {}).get("format") or {}
    # The instructions do not count: it must stand in the input.
    if wanted.get("type") == "json_object" and not _mentions_json(body["input"]):
        message = "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
        raise openai_error(400, message + "'json_object'.", "text.format")


def _mentions_json(given: str | list[Any]) -> bool:
    return "json" in " ".join(message_texts(messages_of(None, given))).lower()


def _check_schemas(body: Mapping[str, Any]) -> None:
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":
        problem = schema_problem(wanted["schema"], strict=wanted.get("strict") is True)
        if problem is not None:
            raise bad_format(wanted["name"], problem)
    for position, tool in enumerate(body.get("tools") or ()):
        if tool.get("parameters") is None:
            continue
        # Where `strict` is left out, the API makes the schema strict as far as it can, and refuses nothing.
        problem = schema_problem(tool["parameters"], strict=tool.get("strict") is True)
        if problem is not None:
            raise bad_tool(tool["name"], problem, f"tools[{position}].parameters")


def bad_format(name: str, problem: str) -> RejectedError:
    message = f"Invalid schema for response_format '{name}': {problem}"
    return openai_error(400, message, "text.format.schema", "invalid_json_schema")


def bad_tool(name: str, problem: str, place: str) -> RejectedError:
    return openai_error(400, f"Invalid schema for function '{name}': {problem}", place, "invalid_function_parameters")
