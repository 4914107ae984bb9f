"""Requests as the library's users write them, and the rounds of an answer that calls Python functions."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import RequestError
from throughster.redact import one_line
from throughster.tools import read_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.tools import Tool
    from throughster.types import Message, Response, ToolCall

__all__ = ["prepared", "run_tools"]


def prepared(request: Mapping[str, Any]) -> tuple[dict[str, Any], list[Message], dict[str, Tool]]:
    """The request's fields, its messages, and the tools that are Python functions.

    The request is not changed. Raises RequestError when it has no messages.
    """
    fields = dict(request)
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
    _, validated, errors = tool.check(call.arguments)
    if errors:
        return f"Error: the arguments are not valid: {'; '.join(errors)}"
    values = {name: getattr(validated, name) for name in tool.model.model_fields}
    if inspect.iscoroutinefunction(tool.function):
        result = await tool.function(**values)
    else:
        result = await asyncio.to_thread(tool.function, **values)
    return result if isinstance(result, str) else orjson.dumps(result, default=str).decode()
