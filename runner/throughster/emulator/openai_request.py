"""What OpenAI's chat completions take, and everything for which they turn a request down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import TOOLS, Field, check_fields, check_tools
from throughster.emulator.messages import CONTENT, TOOL_CALLS, check_messages, unanswered_calls
from throughster.emulator.model_rules import refusal_of, tools_refusal
from throughster.emulator.openai_faults import openai_error, openai_fault
from throughster.emulator.question import message_texts, read_question
from throughster.emulator.strict_schema import strict_problem
from throughster.emulator.synthesize import BadSchemaError, check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator.options import Options
    from throughster.emulator.question import Question

__all__ = ["FIELDS", "read_openai", "schema_problem"]

_NAME: Final = Field(("string",))
_OBJECT: Final = Field(("object",))
_FLAG: Final = Field(("boolean",))
FIELDS: Final[Mapping[str, Field]] = {
    "messages": Field(("array",), least=1),
    "model": _NAME,
    "audio": _OBJECT,
    "frequency_penalty": Field(("number",), -2, 2),
    "logit_bias": _OBJECT,
    "logprobs": _FLAG,
    "max_completion_tokens": Field(("integer",), 1),
    "max_tokens": Field(("integer",), 1),
    "metadata": _OBJECT,
    "modalities": Field(("array",)),
    "moderation": _OBJECT,
    "n": Field(("integer",), 1, 128),
    "parallel_tool_calls": _FLAG,
    "prediction": _OBJECT,
    "presence_penalty": Field(("number",), -2, 2),
    "prompt_cache_key": _NAME,
    "prompt_cache_options": _OBJECT,
    "prompt_cache_retention": _NAME,
    "reasoning_effort": Field(("string",), values=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "response_format": _OBJECT,
    "safety_identifier": _NAME,
    "seed": Field(("integer",)),
    "service_tier": Field(("string",), values=("auto", "default", "flex", "scale", "priority", "fast")),
    "stop": Field(("string", "array"), most=4, items=_NAME),
    "store": _FLAG,
    "stream": _FLAG,
    "stream_options": _OBJECT,
    "temperature": Field(("number",), 0, 2),
    "tool_choice": Field(("string", "object"), values=("none", "auto", "required")),
    "tools": TOOLS,
    "top_logprobs": Field(("integer",), 0, 20),
    "top_p": Field(("number",), 0, 1),
    "user": _NAME,
    "verbosity": Field(("string",), values=("low", "medium", "high")),
    "web_search_options": _OBJECT,
}
_FORMAT: Final = {
    "type": Field(("string",), values=("text", "json_object", "json_schema")),
    "json_schema": _OBJECT,
}
_JSON_SCHEMA: Final = {"name": _NAME, "schema": _OBJECT, "strict": _FLAG, "description": _NAME}
_SAID: Final = {"content": CONTENT, "name": _NAME}
_ROLES: Final[Mapping[str, Mapping[str, Field]]] = {
    "system": _SAID,
    "assistant": {
        **_SAID,
        "tool_calls": TOOL_CALLS,
        "refusal": _NAME,
        "audio": _OBJECT,
        "function_call": _OBJECT,
        "annotations": Field(("array",)),
    },
    "user": _SAID,
    "function": _SAID,
    "tool": {"content": CONTENT, "tool_call_id": _NAME},
    "developer": _SAID,
}


def read_openai(body: dict[str, Any], model: str, options: Options, fields: Mapping[str, Field] = FIELDS) -> Question:
    """Return the question in a body that OpenAI takes. Raises RejectedError with its first complaint."""
    faults = list(check_fields(body, fields, required=("messages",)))
    if faults:
        raise openai_fault(faults)
    for name in sorted(options.unsupported_parameters & body.keys()):
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        raise openai_error(400, message, name, "unsupported_parameter")
    faults = [*check_messages(body["messages"], _ROLES), *check_tools(body.get("tools"))]
    faults = [fault for fault in faults if fault.kind != "unknown" or fault.found is not None]
    if faults:
        raise openai_fault(faults)
    _check_combinations(body)
    _check_tool_choice(body)
    _check_conversation(body["messages"])
    refusal = refusal_of(model, body, options.reasoning_models)
    if refusal is None and options.tools_need_responses and body.get("tools"):
        refusal = tools_refusal(model)
    if refusal is not None:
        raise openai_error(400, refusal.message, refusal.param, refusal.code)
    _check_format(body)
    _check_tool_schemas(body.get("tools") or ())
    return replace(read_question(body, model), may_be_declined=True)


def _check_combinations(body: Mapping[str, Any]) -> None:
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            raise openai_error(400, message, name)
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise openai_error(400, message, "stream_options")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise openai_error(400, message, "top_logprobs")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise openai_error(400, message, "max_tokens", "invalid_parameter_combination")


def _check_conversation(messages: list[Any]) -> None:
    unanswered = unanswered_calls(messages)
    if unanswered is None:
        return
    position, ids = unanswered
    if ids:
        message = "An assistant message with 'tool_calls' must be followed by tool messages that answer each "
        message += f"'tool_call_id'. These have no answer: {', '.join(ids)}"
    else:
        message = "Messages with role 'tool' must answer a preceding message with 'tool_calls'."
    raise openai_error(400, message, f"messages.[{position}].role")


def _check_tool_choice(body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return
    names = {tool["function"]["name"] for tool in body["tools"]}
    wanted = _names_chosen(choice)
    if wanted is None:
        raise openai_error(400, f"Invalid value for 'tool_choice': {choice}.", "tool_choice", "invalid_value")
    for name in wanted:
        if name not in names:
            message = f"Invalid value for 'tool_choice': the tool '{name}' is not among 'tools'."
            raise openai_error(400, message, "tool_choice")


def _names_chosen(choice: Mapping[str, Any]) -> list[Any] | None:
    if choice.get("type") == "function" and isinstance(choice.get("function"), dict):
        return [choice["function"].get("name")]
    allowed = choice.get("allowed_tools")
    if choice.get("type") != "allowed_tools" or not isinstance(allowed, dict):
        return None
    tools = allowed.get("tools")
    if allowed.get("mode") not in ("auto", "required") or not isinstance(tools, list):
        return None
    return [(tool.get("function") or {}).get("name") if isinstance(tool, dict) else None for tool in tools]


def _check_format(body: Mapping[str, Any]) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    faults = list(check_fields(wanted, _FORMAT, required=("type",), place=("response_format",)))
    if not faults and wanted["type"] == "json_schema":
        place = ("response_format", "json_schema")
        faults = list(check_fields(wanted.get("json_schema") or {}, _JSON_SCHEMA, required=("name",), place=place))
    if faults:
        raise openai_fault(faults)
    if wanted["type"] == "json_object" and "json" not in " ".join(message_texts(body["messages"])).lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        raise openai_error(400, message, "messages")
    if wanted["type"] == "json_schema" and "schema" in wanted["json_schema"]:
        described = wanted["json_schema"]
        problem = schema_problem(described["schema"], strict=described.get("strict") is True)
        if problem is not None:
            message = f"Invalid schema for response_format '{described['name']}': {problem}"
            raise openai_error(400, message, "response_format")


def _check_tool_schemas(tools: Any) -> None:
    for position, tool in enumerate(tools):
        function = tool["function"]
        if function.get("parameters") is None:
            continue
        problem = schema_problem(function["parameters"], strict=function.get("strict") is True)
        if problem is not None:
            message = f"Invalid schema for function '{function['name']}': {problem}"
            place = f"tools[{position}].function.parameters"
            raise openai_error(400, message, place, "invalid_function_parameters")


def schema_problem(schema: Any, *, strict: bool) -> str | None:
    """Return why OpenAI would not take a schema, or None."""
    try:
        check_schema(schema)
    except BadSchemaError as error:
        return str(error)
    return strict_problem(schema) if strict else None
