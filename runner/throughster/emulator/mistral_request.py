"""What Mistral's chat completions take, and everything for which they turn a request down."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import TOOLS, Fault, Field, check_fields, check_tools
from throughster.emulator.exchange import RejectedError
from throughster.emulator.messages import CONTENT, TOOL_CALLS, check_messages, tool_call_ids
from throughster.emulator.pydantic_faults import pydantic_words
from throughster.emulator.question import read_question
from throughster.emulator.synthesize import BadSchemaError, check_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from throughster.emulator.options import Options
    from throughster.emulator.question import Question

__all__ = ["mistral_error", "mistral_invalid", "read_mistral"]

_NAME: Final = Field(("string",))
_OBJECT: Final = Field(("object",))
_FLAG: Final = Field(("boolean",))
_FIELDS: Final[Mapping[str, Field]] = {
    "model": _NAME,
    "messages": Field(("array",), least=1),
    "frequency_penalty": Field(("number",), -2, 2),
    "guardrails": Field(("array",)),
    "logprobs": _FLAG,
    "max_tokens": Field(("integer",), 0),
    "metadata": _OBJECT,
    "min_tokens": Field(("integer",), 0),
    "n": Field(("integer",), 1),
    "parallel_tool_calls": _FLAG,
    "prediction": _OBJECT,
    "presence_penalty": Field(("number",), -2, 2),
    "prompt_cache_key": _NAME,
    "prompt_logprobs": Field(("integer",), 0),
    "prompt_mode": Field(("string",), values=("reasoning",)),
    "random_seed": Field(("integer",), 0),
    "reasoning_effort": Field(("string",), values=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "repetition_penalty": Field(("number",), 0, open_low=True),
    "response_format": _OBJECT,
    "safe_prompt": _FLAG,
    "service_tier": Field(("string",), values=("auto", "standard_only")),
    "stop": Field(("string", "array"), items=_NAME),
    "stream": _FLAG,
    "temperature": Field(("number",), 0, 1.5),
    "tool_choice": Field(("string", "object"), values=("auto", "none", "any", "required")),
    "tools": TOOLS,
    "top_k": Field(("integer",)),
    "top_logprobs": Field(("integer",), 0, 20),
    "top_p": Field(("number",), 0, 1, open_low=True),
    "top_prompt_logprobs": Field(("integer",), 0),
}
_ROLES: Final[Mapping[str, Mapping[str, Field]]] = {
    "system": {"content": CONTENT},
    "user": {"content": CONTENT},
    "assistant": {"content": CONTENT, "tool_calls": TOOL_CALLS, "prefix": _FLAG},
    "tool": {"content": CONTENT, "tool_call_id": _NAME, "name": _NAME},
}
_FORMAT: Final = {
    "type": Field(("string",), values=("text", "json_object", "json_schema")),
    "json_schema": _OBJECT,
}
_JSON_SCHEMA: Final = {"name": _NAME, "schema": _OBJECT, "strict": _FLAG, "description": _NAME}
_TOOL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")


def mistral_error(status: int, message: str, kind: str, code: str | None) -> RejectedError:
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": code, "raw_status_code": status}
    return RejectedError(status, body)


def mistral_invalid(items: list[dict[str, Any]]) -> RejectedError:
    """422: every field that is wrong, as pydantic lists them."""
    body = {
        "object": "error",
        "message": {"detail": items},
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return RejectedError(422, body)


def read_mistral(body: dict[str, Any], options: Options) -> Question:
    """Return the question in a body that Mistral takes. Raises RejectedError with every wrong field."""
    fields = {name: field for name, field in _FIELDS.items() if name not in options.unsupported_parameters}
    faults = [*check_fields(body, fields, required=("model", "messages")), *_part_faults(body)]
    if faults:
        raise mistral_invalid([_item(fault, body) for fault in faults])
    if options.model is not None and body["model"] != options.model:
        raise mistral_error(400, f"Invalid model: {body['model']}", "invalid_model", "1500")
    _check_order(body["messages"])
    _check_tool_ids(body["messages"])
    _check_tool_choice(body)
    _check_schemas(body)
    return read_question(body, body["model"])


def _part_faults(body: dict[str, Any]) -> Iterator[Fault]:
    if isinstance(body.get("messages"), list):
        yield from check_messages(body["messages"], _ROLES)
    if isinstance(body.get("tools"), list):
        yield from check_tools(body["tools"], type_required=False)
    wanted = body.get("response_format")
    if isinstance(wanted, dict):
        place = ("response_format",)
        yield from check_fields(wanted, _FORMAT, required=("type",), place=place)
        if wanted.get("type") == "json_schema" and isinstance(wanted.get("json_schema") or {}, dict):
            described = wanted.get("json_schema") or {}
            required = ("name", "schema")
            yield from check_fields(described, _JSON_SCHEMA, required=required, place=(*place, "json_schema"))


def _item(fault: Fault, body: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of `detail` for a fault. Messages are a tagged union, so their places name the role."""
    kind, words = pydantic_words(fault)
    place = list(fault.place)
    if place[0] == "messages" and len(place) > 2 and place[2] != "role":
        place.insert(2, body["messages"][place[1]].get("role"))
    return {"type": kind, "loc": ["body", *place], "msg": words, "input": fault.found}


def _check_order(messages: list[Any]) -> None:
    waiting = 0
    previous = ""
    for message in messages:
        role = message["role"]
        if role == "tool" and waiting == 0:
            raise _misplaced(
                f"Unexpected role 'tool' after role '{previous}'" if previous else "Unexpected role 'tool'"
            )
        if role != "tool" and waiting:
            raise _misplaced("Not the same number of function calls and responses")
        if role == "user" and previous == "tool":
            raise _misplaced("Unexpected role 'user' after role 'tool'")
        waiting = waiting - 1 if role == "tool" else len(tool_call_ids(message))
        previous = role
    if waiting:
        raise _misplaced("Not the same number of function calls and responses")
    if previous not in {"user", "tool"} and not messages[-1].get("prefix"):
        raise _misplaced(f"Expected last role User or Tool (or Assistant with prefix True) but got {previous}")


def _misplaced(message: str) -> RejectedError:
    return mistral_error(400, message, "invalid_request_message_order", "3230")


def _check_tool_ids(messages: list[Any]) -> None:
    for message in messages:
        ids = [message["tool_call_id"]] if message["role"] == "tool" else tool_call_ids(message)
        for one in ids:
            if not _TOOL_ID.fullmatch(one):
                words = f"Tool call id was {one} but must be a-z, A-Z, 0-9, with a length of 9."
                raise mistral_error(400, words, "invalid_function_call", "3280")


def _check_tool_choice(body: dict[str, Any]) -> None:
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        loc = ["body", "tool_choice", "ToolChoice", "function", "name"]
        raise mistral_invalid([{"type": "missing", "loc": loc, "msg": "Field required", "input": choice}])
    if name not in [tool["function"]["name"] for tool in body.get("tools") or ()]:
        message = f"Tool choice names the function '{name}', which is not among the tools"
        raise mistral_error(400, message, "invalid_request_function", "3270")


def _check_schemas(body: dict[str, Any]) -> None:
    described = (body.get("response_format") or {}).get("json_schema") or {}
    schemas = [(f"response_format '{described.get('name')}'", described.get("schema"))]
    schemas += [(f"tool '{t['function']['name']}'", t["function"].get("parameters")) for t in body.get("tools") or ()]
    for about, schema in schemas:
        if schema is None:
            continue
        try:
            check_schema(schema)
        except BadSchemaError as error:
            message = f"Invalid schema for {about}: {error}"
            raise mistral_error(400, message, "invalid_request_error", None) from error
