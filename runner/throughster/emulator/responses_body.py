"""A Responses API body in the terms of chat completions: the same question, so that both get the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import Fault, Field, Place, check_fields, is_function_name
from throughster.emulator.question import read_question
from throughster.emulator.responses_items import messages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from throughster.emulator.question import Question, Shape

__all__ = ["LOGPROBS", "check_flat_tools", "check_format", "question_of", "tool_names"]

LOGPROBS: Final = "message.output_text.logprobs"
"""What `include` has where log-probabilities are asked for."""
_NAME: Final = Field(("string",))
_FLAG: Final = Field(("boolean",))
_TOOL: Final = {
    "type": Field(("string",), values=("function",)),
    "name": _NAME,
    "description": _NAME,
    "parameters": Field(("object", "boolean")),
    "strict": _FLAG,
}
_FORMAT: Final = {
    "type": Field(("string",), values=("json_object", "text", "json_schema")),
    "name": _NAME,
    "schema": Field(("object", "boolean")),
    "strict": _FLAG,
    "description": _NAME,
}
_TEXT: Final = {"format": Field(("object",)), "verbosity": Field(("string",), values=("low", "medium", "high"))}


def check_flat_tools(tools: list[Any]) -> Iterator[Fault]:
    """Every fault of the tools, which have no `function` around their name and parameters."""
    for position, tool in enumerate(tools):
        place: Place = ("tools", position)
        if not isinstance(tool, dict):
            yield Fault("type", place, tool, Field(("object",)))
            continue
        faults = list(check_fields(tool, _TOOL, required=("type", "name"), unknown_allowed=True, place=place))
        yield from faults
        if not faults and not is_function_name(tool["name"]):
            yield Fault("pattern", (*place, "name"), tool["name"])


def check_format(text: dict[str, Any], *, unknown_allowed: bool = False) -> Iterator[Fault]:
    """Every fault of `text`: its format is flat too."""
    yield from check_fields(text, _TEXT, unknown_allowed=unknown_allowed, place=("text",))
    wanted = text.get("format")
    if not isinstance(wanted, dict):
        return
    place: Place = ("text", "format")
    required = ("type", "name", "schema") if wanted.get("type") == "json_schema" else ("type",)
    yield from check_fields(wanted, _FORMAT, required=required, unknown_allowed=unknown_allowed, place=place)
    name = wanted.get("name")
    if isinstance(name, str) and not is_function_name(name):
        yield Fault("pattern", (*place, "name"), name)


def tool_names(body: Mapping[str, Any]) -> list[str]:
    return [tool["name"] for tool in body.get("tools") or ()]


def question_of(body: Mapping[str, Any], model: str, shape: Shape | None = None) -> Question:
    """Return the question in a body that has passed its provider's checks. `shape`: if not that of `text.format`."""
    tools = [_chat_tool(tool) for tool in body.get("tools") or ()]
    chat_body = {
        "messages": messages_of(body.get("instructions"), body["input"]),
        "tools": tools or None,
        "tool_choice": _chat_choice(body.get("tool_choice")),
        "parallel_tool_calls": body.get("parallel_tool_calls"),
        "response_format": _chat_format((body.get("text") or {}).get("format")),
        "max_completion_tokens": body.get("max_output_tokens"),
        "stop": body.get("stop"),
        "stream": body.get("stream"),
        "stream_options": body.get("stream_options"),
        "logprobs": LOGPROBS in (body.get("include") or ()),
        "top_logprobs": body.get("top_logprobs"),
    }
    return replace(read_question(chat_body, model, shape), given=body)


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {key: tool[key] for key in ("name", "description", "parameters", "strict") if tool.get(key) is not None}
    return {"type": "function", "function": function}


def _chat_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    if choice["type"] == "allowed_tools":
        tools = [{"type": "function", "function": {"name": tool["name"]}} for tool in choice["tools"]]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": tools}}
    return {"type": "function", "function": {"name": choice["name"]}}


def _chat_format(wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if wanted is None or wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return {"type": "json_object"}
    kept = ("name", "description", "schema", "strict")
    return {"type": "json_schema", "json_schema": {key: wanted[key] for key in kept if wanted.get(key) is not None}}
