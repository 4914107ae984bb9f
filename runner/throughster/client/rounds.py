"""Requests as the library's users write them, and the rounds of an answer that calls Python functions."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

from throughster.errors import RequestError
from throughster.redact import one_line
from throughster.tools import read_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.tools import Tool
    from throughster.types import Message, Response, ToolCall

__all__ = ["is_for_functions", "prepared", "run_tools"]


def prepared(
    request: Mapping[str, Any], *, streamed: bool = False
) -> tuple[dict[str, Any], list[Message], dict[str, Tool]]:
    """The request's fields, its messages, and the tools that are Python functions.

    The request is not changed. Raises RequestError when it has no messages, or fields that no provider could take.
    """
    if not isinstance(request, Mapping):
        raise RequestError(f"A request is a mapping with `messages`, found {type(request).__name__}.")
    fields = dict(request)
    _check_fields(fields)
    if fields.pop("stream", False) and not streamed:
        raise RequestError("`stream` is no field of a request here; use client.stream(request).")
    messages = fields.pop("messages", None)
    if not messages:
        raise RequestError("The request has no `messages`.")
    if not isinstance(messages, list | tuple) or not all(isinstance(message, dict) for message in messages):
        raise RequestError("`messages` must be a list of mappings with `role` and `content`.")
    functions: dict[str, Tool] = {}
    if fields.get("tools"):
        read = read_tools(fields["tools"])
        fields["tools"] = read
        functions = {tool.name: tool for tool in read if tool.function is not None}
    return fields, list(messages), functions


def _check_fields(fields: Mapping[Any, Any]) -> None:
    for name in fields:
        if not isinstance(name, str):
            raise RequestError(f"The names of a request's fields are texts, found {name!r}.")
    for name, kind, what in (("model", str, "the model's name"), ("extra_body", Mapping, "a mapping of fields")):
        if fields.get(name) is not None and not isinstance(fields[name], kind):
            raise RequestError(f"`{name}` must be {what}, found {type(fields[name]).__name__}.")


def is_for_functions(response: Response, fields: Mapping[str, Any], functions: Mapping[str, Tool]) -> bool:
    """Whether the answer's calls can all be run here; a call of another tool is the caller's to make."""
    if not (functions and response.tool_calls):
        return False
    others = {tool.name for tool in fields.get("tools") or ()} - functions.keys()
    return not any(call.name in others for call in response.tool_calls)


async def run_tools(response: Response, functions: Mapping[str, Tool]) -> list[Message]:
    """One message per call, in order, with what its function returned.

    A call that cannot be made (no such function, wrong arguments) is answered with what is wrong, so that the model can
    mend it. What a function itself raises reaches the caller.
    """
    results = await asyncio.gather(*(_run(call, functions.get(call.name)) for call in response.tool_calls))
    return [
        {"role": "tool", "tool_call_id": call.id, "content": result}
        for call, result in zip(response.tool_calls, results, strict=True)
    ]


async def _run(call: ToolCall, tool: Tool | None) -> str:
    if tool is None or tool.function is None or tool.model is None:
        return f"Error: there is no function {one_line(call.name, 80)}."
    _, validated, errors = tool.check(call.arguments, tightened=True)
    if errors:
        return f"Error: the arguments are not valid: {'; '.join(errors)}"
    return _as_text(await _result(tool.function, tool.keywords(validated)))


async def _result(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What the function returns; it runs on the loop if it is async, else in a thread."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__):
        return await function(**values)
    result = await asyncio.to_thread(_called, function, values)
    return await result if inspect.isawaitable(result) else result


def _called(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    try:
        return function(**values)
    except StopIteration as error:  # no future can carry it: the caller would wait for ever
        raise RuntimeError(f"The tool's function raised StopIteration: {error}") from error


def _as_text(result: Any) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, BaseModel):
        return result.model_dump_json()
    try:
        return orjson.dumps(result, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(result)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
